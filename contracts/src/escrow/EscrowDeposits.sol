// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {IERC3009} from "@openzeppelin/contracts/interfaces/draft-IERC3009.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {IMintEscrow} from "../interfaces/IMintEscrow.sol";
import {IMintEscrowRail} from "../interfaces/IMintEscrowRail.sol";
import {Head, IntentHead} from "../libraries/IntentHead.sol";
import {SkipCodes} from "../libraries/SkipCodes.sol";
import {EscrowBase} from "./EscrowBase.sol";

/// @title EscrowDeposits
/// @notice The four ways in that leave an intent pending.
abstract contract EscrowDeposits is EscrowBase {
    /// @inheritdoc IMintEscrow
    function submitIntent(uint256 amount, bytes32 countryCode_, bytes32 txRef)
        external
        nonReentrant
        whenMinting
        returns (bytes32 intentId)
    {
        address token;
        (intentId, token) = _open(msg.sender, amount, countryCode_, txRef);
        _pull(IERC20(token), msg.sender, amount);
    }

    /// @inheritdoc IMintEscrowRail
    function submitIntentWithPermit(
        uint256 amount,
        bytes32 countryCode_,
        bytes32 txRef,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external nonReentrant whenMinting returns (bytes32 intentId) {
        address token;
        (intentId, token) = _open(msg.sender, amount, countryCode_, txRef);
        // Anyone can use a published permit first; the allowance is then there and the deposit goes on.
        try IERC20Permit(token).permit(msg.sender, address(this), amount, deadline, v, r, s) {} catch {}
        _pull(IERC20(token), msg.sender, amount);
    }

    /// @inheritdoc IMintEscrowRail
    function submitIntentWithAuthorization(
        address from,
        uint256 amount,
        bytes32 countryCode_,
        bytes32 txRef,
        uint256 validAfter,
        uint256 validBefore,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external nonReentrant whenMinting returns (bytes32 intentId) {
        address token;
        (intentId, token) = _open(from, amount, countryCode_, txRef);
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC3009(token)
            .receiveWithAuthorization(from, address(this), amount, validAfter, validBefore, intentId, v, r, s);
        _requireReceived(IERC20(token), before, amount);
    }

    /// @inheritdoc IMintEscrowRail
    function submitIntentsFor(Settlement[] calldata items)
        external
        nonReentrant
        onlyRole(EXECUTOR_ROLE)
        whenMinting
        returns (uint256 accepted)
    {
        if (items.length > MAX_BATCH) revert BatchTooLarge();
        address payer = _funder();
        uint16 coin = _stablecoin;
        uint256 perMint = _limits.perMint;
        uint256 sum;
        for (uint256 i = 0; i < items.length; ++i) {
            Settlement calldata item = items[i];
            bytes32 intentId = computeServiceIntentId(item.txRef);
            uint8 code = _admit(intentId, item.user, item.amount, perMint);
            if (code != SkipCodes.NONE) {
                emit MintSkipped(intentId, code);
                continue;
            }
            _store(intentId, item.user, payer, item.amount, item.txRef, coin);
            sum += item.amount;
            ++accepted;
        }
        if (accepted == 0) return 0;
        address token = _stablecoins[coin].token;
        _liabilities[token].pending += uint128(sum);
        _pull(IERC20(token), payer, sum);
    }

    function _open(address payer, uint256 amount, bytes32 countryCode_, bytes32 txRef)
        private
        returns (bytes32 intentId, address token)
    {
        if (countryCode_ != countryCode) revert InvalidCountryCode();
        intentId = computeIntentId(payer, txRef);
        uint8 code = _admit(intentId, payer, amount, _limits.perMint);
        if (code != SkipCodes.NONE) _raise(code, "");
        uint16 coin = _stablecoin;
        token = _stablecoins[coin].token;
        _store(intentId, payer, payer, amount, txRef, coin);
        _liabilities[token].pending += uint128(amount);
    }

    function _store(bytes32 intentId, address user, address payer, uint256 amount, bytes32 txRef, uint16 coin) private {
        _heads[intentId] = IntentHead.pack(user, IntentHead.PENDING, coin, 0);
        _bodies[intentId] = Body({amount: uint96(amount), payer: payer, txRef: txRef});
        emit MintIntentSubmitted(intentId, user, amount, countryCode, txRef);
    }
}
