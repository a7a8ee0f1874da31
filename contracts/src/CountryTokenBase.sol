// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {
    AccessControlDefaultAdminRules
} from "@openzeppelin/contracts/access/extensions/AccessControlDefaultAdminRules.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";
import {ERC20Burnable} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Burnable.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {ICountryToken} from "./interfaces/ICountryToken.sol";

/// @title CountryTokenBase
/// @notice The country token itself; the deployed contracts only choose name, symbol and country code.
/// @dev Balances and supply are kept here and not by OpenZeppelin's ERC20, whose slots for them stay empty: a balance
///      shares its word with the day's sum and the denylist, so that a mint writes the sum, and a transfer reads the
///      denylist, without another word of storage. ERC20 reaches its own only in `_update`, `balanceOf` and
///      `totalSupply`, and all three are overridden here without a call to super.
abstract contract CountryTokenBase is
    ICountryToken,
    ERC20Burnable,
    ERC20Permit,
    ERC3009,
    AccessControlDefaultAdminRules,
    Pausable
{
    using SafeERC20 for IERC20;

    bytes32 public constant MINTER_ROLE = keccak256("MINTER_ROLE");
    bytes32 public constant GUARDIAN_ROLE = keccak256("GUARDIAN_ROLE");
    bytes32 public constant DENYLISTER_ROLE = keccak256("DENYLISTER_ROLE");
    uint48 internal constant ADMIN_TRANSFER_DELAY_SECONDS = 1 days;

    bytes32 public immutable countryCode;

    /// @dev One word. The supply has as many bits as a balance, so no balance can overflow.
    struct Holding {
        uint128 balance;
        uint96 minted; // on `day`; stops at its maximum
        uint24 day;
        bool denied;
    }

    uint128 private _supply;
    mapping(address minter => uint256) private _minterAllowances;
    mapping(address account => Holding) private _holdings;

    event Rescued(address indexed token, address indexed to, uint256 amount);

    constructor(string memory name_, string memory symbol_, bytes32 countryCode_)
        ERC20(name_, symbol_)
        ERC20Permit(name_)
        AccessControlDefaultAdminRules(ADMIN_TRANSFER_DELAY_SECONDS, msg.sender)
    {
        countryCode = countryCode_;
    }

    /// @inheritdoc ICountryToken
    function mint(address to, uint256 amount) external onlyRole(MINTER_ROLE) {
        _issue(to, amount);
    }

    /// @inheritdoc ICountryToken
    function mintWithin(address to, uint256 amount, uint256 dailyCap) external onlyRole(MINTER_ROLE) {
        uint256 room = dailyRoom(to, dailyCap);
        if (amount > room) revert DailyCapExceeded(to, room, amount);
        _issue(to, amount);
    }

    /// @inheritdoc ICountryToken
    function addMinter(address minter) external {
        grantRole(MINTER_ROLE, minter);
        _setMinterAllowance(minter, type(uint256).max);
    }

    /// @inheritdoc ICountryToken
    function removeMinter(address minter) external {
        revokeRole(MINTER_ROLE, minter);
        _setMinterAllowance(minter, 0);
    }

    /// @inheritdoc ICountryToken
    function setMinterAllowance(address minter, uint256 allowance_) external onlyRole(DEFAULT_ADMIN_ROLE) {
        _setMinterAllowance(minter, allowance_);
    }

    /// @inheritdoc ICountryToken
    function setDenied(address account, bool denied) external onlyRole(DENYLISTER_ROLE) {
        _holdings[account].denied = denied;
        emit DenylistUpdated(account, denied);
    }

    function pause() external {
        if (!hasRole(DEFAULT_ADMIN_ROLE, msg.sender)) _checkRole(GUARDIAN_ROLE);
        _pause();
    }

    function unpause() external onlyRole(DEFAULT_ADMIN_ROLE) {
        _unpause();
    }

    /// @notice Returns tokens that someone sent to this contract by mistake. Backing lives in the escrow, never here.
    function rescue(IERC20 token, address to, uint256 amount) external onlyRole(DEFAULT_ADMIN_ROLE) {
        emit Rescued(address(token), to, amount);
        token.safeTransfer(to, amount);
    }

    /// @inheritdoc ICountryToken
    function minterAllowance(address minter) external view returns (uint256) {
        return _minterAllowances[minter];
    }

    /// @inheritdoc ICountryToken
    function isDenied(address account) external view returns (bool) {
        return _holdings[account].denied;
    }

    /// @inheritdoc ICountryToken
    function mintedToday(address account) public view returns (uint256) {
        Holding storage holding = _holdings[account];
        return holding.day == _today() ? holding.minted : 0;
    }

    /// @inheritdoc ICountryToken
    function dailyRoom(address account, uint256 dailyCap) public view returns (uint256) {
        // The sum never passes its maximum, so a cap above it would never hold.
        return Math.saturatingSub(Math.min(dailyCap, type(uint96).max), mintedToday(account));
    }

    function balanceOf(address account) public view override(IERC20, ERC20) returns (uint256) {
        return _holdings[account].balance;
    }

    function totalSupply() public view override(IERC20, ERC20) returns (uint256) {
        return _supply;
    }

    function paused() public view override(ICountryToken, Pausable) returns (bool) {
        return super.paused();
    }

    function decimals() public view override(ICountryToken, ERC20) returns (uint8) {
        return super.decimals();
    }

    function burnFrom(address account, uint256 amount) public override(ICountryToken, ERC20Burnable) {
        super.burnFrom(account, amount);
    }

    function _update(address from, address to, uint256 amount) internal override whenNotPaused {
        if (from != address(0)) _requireNotDenied(from);
        if (to != address(0)) _requireNotDenied(to);
        if (from == address(0)) _credit(to, amount);
        else _move(from, to, amount);
        emit Transfer(from, to, amount);
    }

    /// @dev A denied account must not move the money of others either.
    function _spendAllowance(address holder, address spender, uint256 amount) internal override {
        _requireNotDenied(spender);
        super._spendAllowance(holder, spender, amount);
    }

    function _issue(address to, uint256 amount) private {
        uint256 available = _minterAllowances[msg.sender];
        if (amount > available) revert MinterAllowanceExceeded(msg.sender, available, amount);
        if (available != type(uint256).max) {
            unchecked {
                _minterAllowances[msg.sender] = available - amount;
            }
        }
        _mint(to, amount);
        emit TokensMinted(to, amount, msg.sender);
    }

    /// @dev The only place where tokens and the day's sum come into being.
    function _credit(address to, uint256 amount) private {
        _supply = SafeCast.toUint128(_supply + amount);
        Holding storage holding = _holdings[to];
        uint256 minted = mintedToday(to) + amount;
        unchecked {
            // Fits: a balance is never above the supply.
            holding.balance += uint128(amount);
        }
        // A sum that nobody asked for must not stop a mint: it stays at its maximum, which no cap exceeds.
        holding.minted = uint96(Math.min(minted, type(uint96).max));
        holding.day = _today();
    }

    /// @dev Leaves the day's sums of both sides alone: room neither moves nor comes back.
    function _move(address from, address to, uint256 amount) private {
        uint256 balance = _holdings[from].balance;
        if (amount > balance) revert ERC20InsufficientBalance(from, balance, amount);
        unchecked {
            // Fits: amount <= balance <= supply. Written before `to` is read, which may be the same account.
            _holdings[from].balance = uint128(balance - amount);
            if (to == address(0)) _supply -= uint128(amount);
            else _holdings[to].balance += uint128(amount);
        }
    }

    function _setMinterAllowance(address minter, uint256 allowance_) private {
        _minterAllowances[minter] = allowance_;
        emit MinterAllowanceSet(minter, allowance_);
    }

    function _requireNotDenied(address account) private view {
        if (_holdings[account].denied) revert AccountDenied(account);
    }

    function _today() private view returns (uint24) {
        return uint24(block.timestamp / 1 days);
    }
}
