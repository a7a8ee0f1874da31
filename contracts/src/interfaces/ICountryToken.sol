// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @title ICountryToken
/// @notice A fiat-denominated token that only minters with an allowance can issue.
/// @dev Hazards for integrators:
///  - `addMinter` gives an unlimited allowance; follow it with `setMinterAllowance`. `grantRole(MINTER_ROLE, x)` alone
///    gives none, and such a minter cannot mint.
///  - A denied account can neither send, receive, burn nor spend for others. Its balance stays where it is.
///  - Burning outside the escrow's `redeem` gives up the claim to the backing.
interface ICountryToken is IERC20 {
    event TokensMinted(address indexed to, uint256 amount, address indexed minter);
    event MinterAllowanceSet(address indexed minter, uint256 allowance);
    event DenylistUpdated(address indexed account, bool denied);

    error MinterAllowanceExceeded(address minter, uint256 available, uint256 needed);
    error AccountDenied(address account);

    function mint(address to, uint256 amount) external;

    function burnFrom(address account, uint256 amount) external;

    function addMinter(address minter) external;

    function removeMinter(address minter) external;

    function setMinterAllowance(address minter, uint256 allowance) external;

    function minterAllowance(address minter) external view returns (uint256);

    function setDenied(address account, bool denied) external;

    function isDenied(address account) external view returns (bool);

    function countryCode() external view returns (bytes32);

    function decimals() external view returns (uint8);

    function paused() external view returns (bool);
}
