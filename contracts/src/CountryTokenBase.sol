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
import {ICountryToken} from "./interfaces/ICountryToken.sol";

/// @title CountryTokenBase
/// @notice The country token itself; the deployed contracts only choose name, symbol and country code.
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

    mapping(address minter => uint256) private _minterAllowances;
    mapping(address account => bool) private _denied;

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
        _denied[account] = denied;
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
        return _denied[account];
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
        super._update(from, to, amount);
    }

    /// @dev A denied account must not move the money of others either.
    function _spendAllowance(address holder, address spender, uint256 amount) internal override {
        _requireNotDenied(spender);
        super._spendAllowance(holder, spender, amount);
    }

    function _setMinterAllowance(address minter, uint256 allowance_) private {
        _minterAllowances[minter] = allowance_;
        emit MinterAllowanceSet(minter, allowance_);
    }

    function _requireNotDenied(address account) private view {
        if (_denied[account]) revert AccountDenied(account);
    }
}
