// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IMintEscrow} from "../interfaces/IMintEscrow.sol";
import {IMintEscrowRail} from "../interfaces/IMintEscrowRail.sol";
import {Head, IntentHead} from "../libraries/IntentHead.sol";
import {SettlementLog} from "../libraries/SettlementLog.sol";
import {EscrowBase} from "./EscrowBase.sol";

/// @title EscrowViews
/// @notice Everything that only reads.
abstract contract EscrowViews is EscrowBase {
    function usdStablecoin() external view returns (IERC20) {
        return IERC20(_stablecoins[_stablecoin].token);
    }

    /// @inheritdoc IMintEscrow
    function getIntent(bytes32 intentId) external view returns (MintIntent memory) {
        Head head = _knownHead(intentId);
        (uint256 amount, bytes32 txRef) = (_bodies[intentId].amount, _bodies[intentId].txRef);
        if (head.batch() != 0) (amount, txRef) = SettlementLog.item(_batches[head.batch()].log, head.ref());
        return MintIntent({
            user: head.user(),
            amount: amount,
            countryCode: countryCode,
            txRef: txRef,
            timestamp: head.timestamp(),
            status: _status(head)
        });
    }

    /// @inheritdoc IMintEscrow
    function getIntentStatus(bytes32 intentId) external view returns (MintStatus) {
        return _status(_knownHead(intentId));
    }

    /// @inheritdoc IMintEscrowRail
    function intentStates(bytes32[] calldata intentIds) external view returns (uint8[] memory states) {
        states = new uint8[](intentIds.length);
        for (uint256 i = 0; i < intentIds.length; ++i) {
            states[i] = _heads[intentIds[i]].state();
        }
    }

    /// @inheritdoc IMintEscrowRail
    function getPayer(bytes32 intentId) external view returns (address) {
        Head head = _knownHead(intentId);
        if (head.batch() == 0) return _bodies[intentId].payer;
        return SettlementLog.payerOf(_batches[head.batch()].log);
    }

    /// @notice The stablecoin that an intent was paid in, which outlives `setStablecoin`.
    function getIntentStablecoin(bytes32 intentId) external view returns (address) {
        Head head = _knownHead(intentId);
        return _stablecoins[head.batch() == 0 ? head.ref() : _batches[head.batch()].stablecoin].token;
    }

    /// @inheritdoc IMintEscrowRail
    function refundWindow(bytes32 intentId) external view returns (uint256 from, uint256 until) {
        from = _refundableFrom[intentId];
        until = from == 0 ? 0 : from + REFUND_WINDOW_SECONDS;
    }

    /// @inheritdoc IMintEscrowRail
    function liabilities(address stablecoin)
        external
        view
        returns (uint256 pending, uint256 backing, uint256 claimable)
    {
        Liabilities memory owed = _liabilities[stablecoin];
        return (owed.pending, owed.backing, owed.claimable);
    }

    function claimableOf(address stablecoin, address account) external view returns (uint256) {
        return _claims[stablecoin][account];
    }

    /// @notice Country token units per stablecoin unit.
    function scale() external view returns (uint256) {
        return _stablecoins[_stablecoin].scale;
    }

    function limits() external view returns (uint256 perMint, uint256 dailyPerUser) {
        return (_limits.perMint, _limits.dailyPerUser);
    }

    /// @notice What `user` may still be minted today, in whole stablecoin units; the maximum when no daily limit is set.
    function dailyAllowance(address user) external view returns (uint256) {
        uint256 scale_ = _stablecoins[_stablecoin].scale;
        uint256 cap = _dailyCap(scale_);
        return cap == 0 ? type(uint256).max : countryToken.dailyRoom(user, cap) / scale_;
    }

    /// @notice What the rail may mint right now; the maximum when no rate limit is set.
    function rateAllowance() external view returns (uint256) {
        return _rateLeft();
    }

    function _status(Head head) private pure returns (MintStatus) {
        return MintStatus(head.state() - 1);
    }
}
