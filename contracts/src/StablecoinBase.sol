// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ShortString, ShortStrings} from "@openzeppelin/contracts/utils/ShortStrings.sol";

/// @title StablecoinBase
/// @notice A stand-in for local chains. HAZARD: anyone can mint. The deploy script refuses it on every other chain.
abstract contract StablecoinBase is ERC20Permit, ERC3009, Ownable {
    using ShortStrings for string;
    using ShortStrings for ShortString;

    ShortString private immutable _currency;

    constructor(string memory name_, string memory symbol_, string memory currency_)
        ERC20(name_, symbol_)
        ERC20Permit(name_)
        Ownable(msg.sender)
    {
        _currency = currency_.toShortString();
    }

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    /// @notice Gives `amount` to each recipient.
    function preMint(address[] calldata recipients, uint256 amount) external onlyOwner {
        for (uint256 i = 0; i < recipients.length; ++i) {
            _mint(recipients[i], amount);
        }
    }

    /// @notice What one coin is worth one of, as an ISO 4217 code. Circle's coins answer to the same name.
    function currency() external view returns (string memory) {
        return _currency.toString();
    }
}
