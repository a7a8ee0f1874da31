// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {RateLimiter} from "@openzeppelin/contracts/utils/RateLimiter.sol";
import {TransientSlot} from "@openzeppelin/contracts/utils/TransientSlot.sol";
import {ICountryToken} from "../interfaces/ICountryToken.sol";
import {IMintEscrow} from "../interfaces/IMintEscrow.sol";
import {IMintEscrowRail} from "../interfaces/IMintEscrowRail.sol";
import {Head, IntentHead} from "../libraries/IntentHead.sol";
import {SettlementLog} from "../libraries/SettlementLog.sol";
import {SkipCodes} from "../libraries/SkipCodes.sol";
import {EscrowBase} from "./EscrowBase.sol";

/// @title EscrowMints
/// @notice The only code that issues country tokens.
abstract contract EscrowMints is EscrowBase {
    using RateLimiter for RateLimiter.RefillingBucket;
    using TransientSlot for *;

    /// @dev What a call reads once and then keeps for all of its items.
    struct Context {
        uint256 stablecoin; // its number
        uint256 scale;
        uint256 perMint;
        uint256 dailyCap; // in token units
        uint256 rateLeft; // by now, with what this call has minted taken off
        uint256 complianceEpoch;
    }

    /// @dev What a settlement adds up while it runs.
    struct Tally {
        uint256 batch;
        uint256 executed;
        uint256 sum;
        bytes log;
    }

    /// @inheritdoc IMintEscrowRail
    function settleBatch(Settlement[] calldata items)
        external
        nonReentrant
        onlyRole(EXECUTOR_ROLE)
        whenMinting
        returns (uint256 executed)
    {
        if (items.length > MAX_BATCH) revert BatchTooLarge();
        Stablecoin memory coin = _stablecoins[_stablecoin];
        Context memory context = _context(coin.scale);
        address payer = _funder();
        Tally memory tally =
            Tally({batch: batchCount + 1, executed: 0, sum: 0, log: SettlementLog.open(payer, items.length)});
        for (uint256 i = 0; i < items.length; ++i) {
            _settle(context, tally, items[i]);
        }
        executed = tally.executed;
        if (executed == 0) return 0;
        batchCount = uint32(tally.batch);
        _batches[tally.batch] = Batch({log: SettlementLog.write(tally.log, executed), stablecoin: _stablecoin});
        _liabilities[coin.token].backing += uint128(tally.sum);
        _useRate(tally.sum);
        emit BatchSettled(tally.batch, payer, executed, tally.sum);
        _pull(IERC20(coin.token), payer, tally.sum);
    }

    /// @inheritdoc IMintEscrow
    function executeMint(bytes32 intentId) external nonReentrant onlyRole(EXECUTOR_ROLE) whenMinting {
        Head head = _pendingHead(intentId);
        Stablecoin memory coin = _stablecoins[head.ref()];
        (uint8 code, uint256 amount, bytes memory reason) = _execute(_context(coin.scale), intentId, head);
        if (code != SkipCodes.NONE) _raise(code, reason);
        _back(coin.token, amount);
        _useRate(amount);
    }

    /// @inheritdoc IMintEscrowRail
    function executeMintBatch(bytes32[] calldata intentIds)
        external
        nonReentrant
        onlyRole(EXECUTOR_ROLE)
        whenMinting
        returns (uint256 executed)
    {
        if (intentIds.length > MAX_BATCH) revert BatchTooLarge();
        Stablecoin memory coin = _stablecoins[_stablecoin];
        Context memory context = _context(coin.scale);
        uint256 sum;
        for (uint256 i = 0; i < intentIds.length; ++i) {
            bytes32 intentId = intentIds[i];
            Head head = _heads[intentId];
            uint8 code = SkipCodes.NOT_PENDING;
            uint256 amount;
            if (head.state() == IntentHead.PENDING) (code, amount,) = _execute(context, intentId, head);
            if (code != SkipCodes.NONE) {
                emit MintSkipped(intentId, code);
                continue;
            }
            sum += amount;
            ++executed;
        }
        _back(coin.token, sum);
        _useRate(sum);
    }

    function _context(uint256 scale_) private returns (Context memory) {
        return Context({
            // The last one is the present one, and their number was read with the first access to any.
            stablecoin: _stablecoins.length - 1,
            scale: scale_,
            perMint: _limits.perMint,
            dailyCap: _dailyCap(scale_),
            rateLeft: _rateLeft(),
            complianceEpoch: _nextComplianceEpoch()
        });
    }

    function _settle(Context memory context, Tally memory tally, Settlement calldata item) private {
        (address user, uint256 amount, bytes32 txRef) = (item.user, item.amount, item.txRef);
        bytes32 intentId = computeServiceIntentId(txRef);
        uint8 code = _admit(intentId, user, amount, context.perMint);
        if (code == SkipCodes.NONE) code = _clear(context, user, amount);
        if (code == SkipCodes.NONE) {
            _heads[intentId] = IntentHead.pack(user, IntentHead.EXECUTED, tally.executed, tally.batch);
            (code,) = _mint(context, user, amount);
            if (code != SkipCodes.NONE) _heads[intentId] = Head.wrap(0);
        }
        if (code != SkipCodes.NONE) {
            emit MintSkipped(intentId, code);
            return;
        }
        SettlementLog.put(tally.log, tally.executed, amount, txRef);
        tally.sum += amount;
        ++tally.executed;
        emit MintExecuted(intentId, user, amount, countryCode, txRef);
    }

    function _execute(Context memory context, bytes32 intentId, Head head)
        private
        returns (uint8 code, uint256 amount, bytes memory reason)
    {
        // The limits are in units of the present stablecoin, and so is what a token is worth.
        if (head.ref() != context.stablecoin) return (SkipCodes.OTHER_STABLECOIN, 0, "");
        address user = head.user();
        amount = _bodies[intentId].amount;
        // The limit may have been lowered since the deposit.
        if (context.perMint != 0 && amount > context.perMint) return (SkipCodes.OVER_PER_MINT_LIMIT, amount, "");
        code = _clear(context, user, amount);
        if (code != SkipCodes.NONE) return (code, amount, "");
        _heads[intentId] = head.withState(IntentHead.EXECUTED);
        (code, reason) = _mint(context, user, amount);
        if (code == SkipCodes.NONE) emit MintExecuted(intentId, user, amount, countryCode, _bodies[intentId].txRef);
        else _heads[intentId] = head;
    }

    /// @dev What was owed to payers is now owed to holders.
    function _back(address stablecoin, uint256 amount) private {
        Liabilities storage owed = _liabilities[stablecoin];
        owed.pending -= uint128(amount);
        owed.backing += uint128(amount);
    }

    function _useRate(uint256 amount) private {
        if (_limits.rated) _rate.consume(RAIL, amount);
    }

    /// @dev Compliance and the rate, read only. The daily limit is the token's to hold, for it keeps the sum.
    function _clear(Context memory context, address user, uint256 amount) private returns (uint8) {
        if (!_isCompliant(context.complianceEpoch, user)) return SkipCodes.NOT_COMPLIANT;
        if (amount <= context.rateLeft) return SkipCodes.NONE;
        // Of two limits the one that lasts longer is told.
        return _isOverDaily(context, user, amount) ? SkipCodes.OVER_DAILY_LIMIT : SkipCodes.RATE_LIMITED;
    }

    function _isOverDaily(Context memory context, address user, uint256 amount) private view returns (bool) {
        return context.dailyCap != 0 && amount * context.scale > countryToken.dailyRoom(user, context.dailyCap);
    }

    function _mint(Context memory context, address user, uint256 amount) private returns (uint8, bytes memory) {
        (bool minted, bytes memory reason) = _issue(user, amount * context.scale, context.dailyCap);
        if (minted) {
            context.rateLeft -= amount;
            return (SkipCodes.NONE, reason);
        }
        // Running out of gas leaves no reason. Skipping for it would report a sound payment as refused.
        if (reason.length < 4) revert MintCallFailed();
        bytes4 refusal = bytes4(reason);
        if (refusal == ICountryToken.DailyCapExceeded.selector) return (SkipCodes.OVER_DAILY_LIMIT, reason);
        if (refusal == ICountryToken.MinterAllowanceExceeded.selector) return (SkipCodes.MINTER_ALLOWANCE, reason);
        return (SkipCodes.TOKEN_REFUSED, reason);
    }

    /// @dev A cap of zero is none.
    function _issue(address user, uint256 tokens, uint256 dailyCap) private returns (bool, bytes memory reason) {
        if (dailyCap == 0) {
            try countryToken.mint(user, tokens) {
                return (true, reason);
            } catch (bytes memory refusal) {
                return (false, refusal);
            }
        }
        try countryToken.mintWithin(user, tokens, dailyCap) {
            return (true, reason);
        } catch (bytes memory refusal) {
            return (false, refusal);
        }
    }

    /// @dev One registry call per user and call of ours. The epoch keeps an answer from outliving the call it was given
    ///      in, because transient storage lasts for the whole transaction.
    function _isCompliant(uint256 epoch, address user) private returns (bool compliant) {
        TransientSlot.Uint256Slot answer = bytes32((epoch << 160) | uint160(user)).asUint256();
        uint256 known = answer.tload();
        if (known != 0) return known == 1;
        compliant = userRegistry.isCompliant(user);
        answer.tstore(compliant ? 1 : 2);
    }

    function _nextComplianceEpoch() private returns (uint256 epoch) {
        TransientSlot.Uint256Slot counter = bytes32(uint256(1)).asUint256();
        epoch = counter.tload() + 1;
        counter.tstore(epoch);
    }
}
