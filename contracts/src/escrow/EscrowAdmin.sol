// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {RateLimiter} from "@openzeppelin/contracts/utils/RateLimiter.sol";
import {IMintEscrow} from "../interfaces/IMintEscrow.sol";
import {IUserRegistry} from "../interfaces/IUserRegistry.sol";
import {EscrowBase} from "./EscrowBase.sol";

/// @title EscrowAdmin
/// @notice Pause, wiring and limits. Every setter is immediate: put a timelock behind the admin role.
abstract contract EscrowAdmin is EscrowBase {
    using SafeERC20 for IERC20;
    using RateLimiter for RateLimiter.RefillingBucket;

    /// @notice Stops deposits, mints and redemptions. Refunds and claims stay open. Guardian or admin.
    function pause() external {
        if (!hasRole(DEFAULT_ADMIN_ROLE, msg.sender)) _checkRole(GUARDIAN_ROLE);
        _pause();
    }

    function unpause() external onlyRole(DEFAULT_ADMIN_ROLE) {
        _unpause();
    }

    /// @inheritdoc IMintEscrow
    function setUserRegistry(address newRegistry) external onlyRole(DEFAULT_ADMIN_ROLE) {
        _setUserRegistry(newRegistry);
    }

    /// @inheritdoc IMintEscrow
    function setStablecoin(address newStablecoin) external onlyRole(DEFAULT_ADMIN_ROLE) {
        // A pause is a decision; without one, a deposit of one unit by anybody would put the change off.
        if (!paused() && _liabilities[_stablecoins[_stablecoin].token].pending != 0) revert DepositsPending();
        _setStablecoin(newStablecoin);
    }

    /// @notice The zero address detaches the manager.
    function setComplianceManager(address manager) external onlyRole(DEFAULT_ADMIN_ROLE) {
        if (manager != address(0) && manager.code.length == 0) revert InvalidAddress();
        complianceManager = manager;
        emit ComplianceManagerChanged(manager);
    }

    /// @notice The account that funds service-path deposits; the zero address makes each caller pay itself.
    function setTreasury(address newTreasury) external onlyRole(DEFAULT_ADMIN_ROLE) {
        if (newTreasury == address(this)) revert InvalidAddress();
        treasury = newTreasury;
        emit TreasuryChanged(newTreasury);
    }

    function setBlockedAccount(address account) external onlyRole(DEFAULT_ADMIN_ROLE) {
        if (account == address(this)) revert InvalidAddress();
        blockedAccount = account;
        emit BlockedAccountChanged(account);
    }

    /// @notice Bounded above, so that no admin can strand deposits.
    function setRefundTimeout(uint64 timeoutSeconds) external onlyRole(DEFAULT_ADMIN_ROLE) {
        if (timeoutSeconds < MIN_REFUND_TIMEOUT_SECONDS || timeoutSeconds > MAX_REFUND_TIMEOUT_SECONDS) {
            revert InvalidTimeout();
        }
        refundTimeoutSeconds = timeoutSeconds;
        emit RefundTimeoutChanged(timeoutSeconds);
    }

    /// @notice Zero switches a limit off. Amounts in units of the stablecoin.
    function setLimits(uint96 perMint, uint96 dailyPerUser) external onlyRole(DEFAULT_ADMIN_ROLE) {
        _limits.perMint = perMint;
        _limits.dailyPerUser = dailyPerUser;
        emit LimitsChanged(perMint, dailyPerUser);
    }

    /// @notice At most `capacity` at once, refilled over `windowSeconds`. A capacity of zero switches the limit off.
    function setRateLimit(uint48 windowSeconds, uint208 capacity) external onlyRole(DEFAULT_ADMIN_ROLE) {
        _limits.rated = capacity != 0;
        _rate.reset(RAIL);
        _rate.updateSettings(windowSeconds, capacity);
        emit RateLimitChanged(windowSeconds, capacity);
    }

    /// @notice Takes out what nobody is owed: tokens sent here by mistake. Deposits, backing and claims are out of reach.
    function rescue(address token, address to, uint256 amount) external nonReentrant onlyRole(DEFAULT_ADMIN_ROLE) {
        Liabilities memory owed = _liabilities[token];
        uint256 reserved = uint256(owed.pending) + owed.backing + owed.claimable;
        if (reserved + amount > IERC20(token).balanceOf(address(this))) revert InsufficientSurplus();
        emit Rescued(token, to, amount);
        IERC20(token).safeTransfer(to, amount);
    }

    function _setUserRegistry(address newRegistry) internal {
        if (newRegistry.code.length == 0) revert InvalidAddress();
        userRegistry = IUserRegistry(newRegistry);
        emit UserRegistryChanged(newRegistry);
    }

    function _setStablecoin(address token) internal {
        if (token.code.length == 0 || token == address(countryToken)) revert InvalidAddress();
        uint8 coinDecimals = IERC20Metadata(token).decimals();
        uint8 tokenDecimals = countryToken.decimals();
        if (coinDecimals > tokenDecimals || tokenDecimals - coinDecimals > 18) revert UnsupportedDecimals();
        uint64 scale_ = uint64(10 ** (tokenDecimals - coinDecimals));
        _stablecoin = uint16(_stablecoins.length);
        _stablecoins.push(Stablecoin({token: token, scale: scale_}));
        emit StablecoinChanged(token, scale_);
    }
}
