// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title USDStablecoin
/// @notice A stand-in for local chains. HAZARD: anyone can mint. The deploy script refuses it on every other chain.
contract USDStablecoin is ERC20Permit, ERC3009, Ownable {
    constructor() ERC20("Tether USD", "USDT") ERC20Permit("Tether USD") Ownable(msg.sender) {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    /// @notice Gives `amount` to each recipient.
    function preMint(address[] calldata recipients, uint256 amount) external onlyOwner {
        for (uint256 i = 0; i < recipients.length; ++i) {
            _mint(recipients[i], amount);
        }
    }
}
