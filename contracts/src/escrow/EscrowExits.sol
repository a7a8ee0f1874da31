// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IMintEscrow} from "../interfaces/IMintEscrow.sol";
import {IMintEscrowRail} from "../interfaces/IMintEscrowRail.sol";
import {Head, IntentHead} from "../libraries/IntentHead.sol";
import {SkipCodes} from "../libraries/SkipCodes.sol";
import {EscrowBase} from "./EscrowBase.sol";

/// @title EscrowExits
/// @notice Every way out: refunds, the blocked account, claims, redemption. Nothing but redemption stops with a pause.
abstract contract EscrowExits is EscrowBase {
    using SafeERC20 for IERC20;

    /// @inheritdoc IMintEscrow
    function refundIntent(bytes32 intentId, string calldata reason) external nonReentrant onlyRole(EXECUTOR_ROLE) {
        Head head = _pendingHead(intentId);
        if (countryToken.isDenied(_bodies[intentId].payer)) revert RecipientDenied();
        _refund(intentId, head, reason);
    }

    /// @inheritdoc IMintEscrowRail
    function refundBatch(bytes32[] calldata intentIds, string calldata reason)
        external
        nonReentrant
        onlyRole(EXECUTOR_ROLE)
        returns (uint256 refunded)
    {
        if (intentIds.length > MAX_BATCH) revert BatchTooLarge();
        for (uint256 i = 0; i < intentIds.length; ++i) {
            bytes32 intentId = intentIds[i];
            Head head = _heads[intentId];
            if (head.state() != IntentHead.PENDING) {
                emit MintSkipped(intentId, SkipCodes.NOT_PENDING);
            } else if (countryToken.isDenied(_bodies[intentId].payer)) {
                emit MintSkipped(intentId, SkipCodes.PAYER_DENIED);
            } else {
                _refund(intentId, head, reason);
                ++refunded;
            }
        }
    }

    /// @inheritdoc IMintEscrowRail
    function announceRefund(bytes32 intentId) external nonReentrant returns (uint256 from) {
        Head head = _pendingHead(intentId);
        if (msg.sender != _bodies[intentId].payer) revert NotPayer();
        from = Math.max(head.timestamp() + refundTimeoutSeconds, block.timestamp + REFUND_NOTICE_SECONDS);
        _refundableFrom[intentId] = from;
        emit RefundAnnounced(intentId, msg.sender, from, from + REFUND_WINDOW_SECONDS);
    }

    /// @inheritdoc IMintEscrowRail
    function selfRefund(bytes32 intentId) external nonReentrant {
        Head head = _pendingHead(intentId);
        if (msg.sender != _bodies[intentId].payer) revert NotPayer();
        uint256 from = _refundableFrom[intentId];
        if (block.timestamp < from || block.timestamp >= from + REFUND_WINDOW_SECONDS) revert RefundNotDue();
        if (countryToken.isDenied(msg.sender)) revert RecipientDenied();
        _refund(intentId, head, "refund timeout");
    }

    /// @inheritdoc IMintEscrowRail
    function blockIntent(bytes32 intentId, string calldata reason)
        external
        nonReentrant
        onlyRole(COMPLIANCE_OFFICER_ROLE)
    {
        if (blockedAccount == address(0)) revert BlockedAccountUnset();
        Head head = _pendingHead(intentId);
        (address token, uint256 amount) = _close(intentId, head, IntentHead.FAILED);
        emit IntentBlocked(intentId, head.user(), amount, reason);
        _push(IERC20(token), blockedAccount, amount);
    }

    /// @inheritdoc IMintEscrowRail
    function blockClaim(address stablecoin, address account, string calldata reason)
        external
        nonReentrant
        onlyRole(COMPLIANCE_OFFICER_ROLE)
        returns (uint256 amount)
    {
        if (blockedAccount == address(0)) revert BlockedAccountUnset();
        if (!countryToken.isDenied(account)) revert AccountNotDenied();
        amount = _takeClaim(stablecoin, account);
        emit ClaimBlocked(account, stablecoin, amount, reason);
        _push(IERC20(stablecoin), blockedAccount, amount);
    }

    /// @inheritdoc IMintEscrowRail
    function claim(address stablecoin, address to) external nonReentrant returns (uint256 amount) {
        if (countryToken.isDenied(msg.sender) || countryToken.isDenied(to)) revert RecipientDenied();
        amount = _takeClaim(stablecoin, msg.sender);
        emit Claimed(msg.sender, stablecoin, to, amount);
        IERC20(stablecoin).safeTransfer(to, amount);
    }

    /// @inheritdoc IMintEscrowRail
    function redeem(uint256 tokens, address to) external nonReentrant whenMinting returns (uint256 amount) {
        return _redeem(_stablecoins[_stablecoin], tokens, to);
    }

    /// @inheritdoc IMintEscrowRail
    function redeemIn(address stablecoin, uint256 tokens, address to)
        external
        nonReentrant
        whenMinting
        returns (uint256 amount)
    {
        return _redeem(_stablecoins[_stablecoinNumber(stablecoin)], tokens, to);
    }

    function _refund(bytes32 intentId, Head head, string memory reason) private {
        address payer = _bodies[intentId].payer;
        (address token, uint256 amount) = _close(intentId, head, IntentHead.REFUNDED);
        emit MintRefunded(intentId, head.user(), amount, reason);
        _push(IERC20(token), payer, amount);
    }

    function _close(bytes32 intentId, Head head, uint8 state) private returns (address token, uint256 amount) {
        token = _stablecoins[head.ref()].token;
        amount = _bodies[intentId].amount;
        _heads[intentId] = head.withState(state);
        _liabilities[token].pending -= uint128(amount);
    }

    function _takeClaim(address stablecoin, address account) private returns (uint256 amount) {
        amount = _claims[stablecoin][account];
        if (amount == 0) revert NothingToClaim();
        delete _claims[stablecoin][account];
        _liabilities[stablecoin].claimable -= uint128(amount);
    }

    /// @dev A recipient that the stablecoin refuses must not hold up the intent, nor the rest of a batch.
    function _push(IERC20 token, address to, uint256 amount) private {
        if (token.trySafeTransfer(to, amount)) return;
        _claims[address(token)][to] += amount;
        _liabilities[address(token)].claimable += uint128(amount);
        emit PayoutDeferred(to, address(token), amount);
    }

    function _redeem(Stablecoin memory coin, uint256 tokens, address to) private returns (uint256 amount) {
        amount = tokens / coin.scale;
        if (amount == 0 || amount * coin.scale != tokens) revert InvalidAmount();
        if (!userRegistry.isCompliant(msg.sender)) revert UserNotCompliant();
        if (countryToken.isDenied(to)) revert RecipientDenied();
        Liabilities storage owed = _liabilities[coin.token];
        if (amount > owed.backing) revert InsufficientBacking();
        owed.backing -= uint128(amount);
        emit Redeemed(msg.sender, to, coin.token, tokens, amount);
        countryToken.burnFrom(msg.sender, tokens);
        IERC20(coin.token).safeTransfer(to, amount);
    }

    function _stablecoinNumber(address token) private view returns (uint256) {
        for (uint256 i = _stablecoins.length; i > 0; --i) {
            if (_stablecoins[i - 1].token == token) return i - 1;
        }
        revert InvalidAddress();
    }
}
