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
///  - The day's sum of an account counts every mint to it in a UTC day, by whichever minter and by whichever function,
///    so a minter without a cap uses up the room of one with a cap. Burning and passing on give no room back, and what
///    arrives by transfer takes none.
///  - The supply, and with it a balance, ends at `type(uint128).max`; a mint beyond reverts.
interface ICountryToken is IERC20 {
    event TokensMinted(address indexed to, uint256 amount, address indexed minter);
    event MinterAllowanceSet(address indexed minter, uint256 allowance);
    event DenylistUpdated(address indexed account, bool denied);

    error MinterAllowanceExceeded(address minter, uint256 available, uint256 needed);
    error AccountDenied(address account);
    error DailyCapExceeded(address account, uint256 available, uint256 needed);

    function mint(address to, uint256 amount) external;

    /// @notice As `mint`, but reverts when more than `dailyCap` would have been minted to the account on this UTC day.
    ///         The cap is the caller's and is not remembered. Zero is a cap of nothing; one above `type(uint96).max` is
    ///         taken for that.
    function mintWithin(address to, uint256 amount, uint256 dailyCap) external;

    function burnFrom(address account, uint256 amount) external;

    function addMinter(address minter) external;

    function removeMinter(address minter) external;

    function setMinterAllowance(address minter, uint256 allowance) external;

    function minterAllowance(address minter) external view returns (uint256);

    function setDenied(address account, bool denied) external;

    function isDenied(address account) external view returns (bool);

    /// @notice What was minted to the account on this UTC day, by all minters. Stops at `type(uint96).max`.
    function mintedToday(address account) external view returns (uint256);

    /// @notice The most that `mintWithin` would mint to the account under that cap now, pause, denylist and allowance
    ///         apart.
    function dailyRoom(address account, uint256 dailyCap) external view returns (uint256);

    function countryCode() external view returns (bytes32);

    function decimals() external view returns (uint8);

    function paused() external view returns (bool);
}
