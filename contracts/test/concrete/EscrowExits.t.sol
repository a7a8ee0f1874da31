// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {MintEscrow} from "../../src/MintEscrow.sol";
import {IMintEscrow, IMintEscrowRail, RailTest, SkipCodes} from "../utils/RailTest.sol";
import {BlockingCoin, MockCoin} from "../mocks/BadTokens.sol";

/// refundIntent, refundBatch
/// ├── when the caller is no executor, the id unknown or terminal: reverts, or skips
/// ├── when the payer is denied: reverts, or skips
/// ├── when the stablecoin refuses the payer: refunded, and claimable
/// └── otherwise: refunded to the payer, even while paused
/// selfRefund: the payer alone, announced, after the timeout, even while paused and without any executor
/// blockIntent: compliance officer, to the blocked account, failed
/// claim: what could not be pushed, once, never to a denied account
/// redeem: burns, pays out of the backing
contract EscrowExitsTest is RailTest {
    function refund(bytes32 id) internal {
        vm.prank(executor);
        escrow.refundIntent(id, "why");
    }

    function test_RefundPaysThePayer() public {
        bytes32 id = submit(alice, AMOUNT, REF);
        vm.expectEmit(address(escrow));
        emit IMintEscrow.MintRefunded(id, alice, AMOUNT, "why");
        refund(id);
        assertEq(usd.balanceOf(alice), FUNDS);
        assertStatus(id, IMintEscrow.MintStatus.Refunded);
        assertEq(stateOf(id), 3);
        assertLiabilities(0, 0, 0);
    }

    function test_RefundOfATreasuryDepositPaysTheTreasuryThatPaid() public {
        vm.prank(executor);
        escrow.submitIntentsFor(one(alice, AMOUNT, REF));
        escrow.setTreasury(stranger);
        refund(serviceId(REF));
        assertEq(usd.balanceOf(treasury), FUNDS);
        assertEq(usd.balanceOf(alice), FUNDS);
    }

    function test_RefundWorksWhilePaused() public {
        bytes32 id = submit(alice, AMOUNT, REF);
        escrow.pause();
        manager.pause();
        refund(id);
        assertEq(usd.balanceOf(alice), FUNDS);
    }

    function test_RevertWhen_RefundIsNotPossible() public {
        vm.expectRevert(IMintEscrow.IntentNotFound.selector);
        refund("nothing");
        bytes32 id = submit(alice, AMOUNT, REF);
        bytes32 role = escrow.EXECUTOR_ROLE();
        vm.startPrank(alice);
        expectUnauthorized(alice, role);
        escrow.refundIntent(id, "");
        expectUnauthorized(alice, role);
        escrow.refundBatch(ids(id), "");
        vm.stopPrank();
        refund(id);
        vm.expectRevert(IMintEscrow.IntentAlreadyExecuted.selector);
        refund(id);
        settle(one(alice, AMOUNT, REF));
        bytes32 settled = serviceId(REF);
        vm.expectRevert(IMintEscrow.IntentAlreadyExecuted.selector);
        refund(settled);
    }

    function test_RevertWhen_ThePayerIsDenied() public {
        bytes32 id = submit(alice, AMOUNT, REF);
        token.setDenied(alice, true);
        vm.expectRevert(IMintEscrowRail.RecipientDenied.selector);
        refund(id);
        expectSkip(id, SkipCodes.PAYER_DENIED);
        vm.prank(executor);
        assertEq(escrow.refundBatch(ids(id), ""), 0);
        vm.startPrank(alice);
        vm.warp(escrow.announceRefund(id));
        vm.expectRevert(IMintEscrowRail.RecipientDenied.selector);
        escrow.selfRefund(id);
        vm.stopPrank();
        assertLiabilities(AMOUNT, 0, 0);
    }

    function test_RefundBatchSkipsWhatIsNotPending() public {
        bytes32 first = submit(alice, AMOUNT, REF);
        bytes32 second = submit(bob, 2 * AMOUNT, REF);
        bytes32[] memory list = new bytes32[](4);
        list[0] = first;
        list[1] = first;
        list[2] = "nothing";
        list[3] = second;
        expectSkip(first, SkipCodes.NOT_PENDING);
        expectSkip("nothing", SkipCodes.NOT_PENDING);
        vm.prank(executor);
        assertEq(escrow.refundBatch(list, "closing"), 2);
        assertEq(usd.balanceOf(alice), FUNDS);
        assertEq(usd.balanceOf(bob), FUNDS);
        assertLiabilities(0, 0, 0);
    }

    // ----------------------------------------------------------------------------------------------- selfRefund

    function test_PayerTakesTheDepositBackAfterTheTimeout() public {
        bytes32 id = submit(alice, AMOUNT, REF);
        escrow.revokeRole(escrow.EXECUTOR_ROLE(), executor);
        escrow.pause();
        token.pause();
        vm.prank(alice);
        escrow.announceRefund(id);
        vm.warp(block.timestamp + 7 days - 1);
        vm.prank(alice);
        vm.expectRevert(IMintEscrowRail.RefundNotDue.selector);
        escrow.selfRefund(id);
        vm.warp(block.timestamp + 1);
        vm.prank(bob);
        vm.expectRevert(IMintEscrowRail.NotPayer.selector);
        escrow.selfRefund(id);
        vm.expectEmit(address(escrow));
        emit IMintEscrow.MintRefunded(id, alice, AMOUNT, "refund timeout");
        vm.prank(alice);
        escrow.selfRefund(id);
        assertEq(usd.balanceOf(alice), FUNDS);
        vm.prank(alice);
        vm.expectRevert(IMintEscrow.IntentAlreadyExecuted.selector);
        escrow.selfRefund(id);
    }

    function test_TheUserOfATreasuryDepositCannotRefundIt() public {
        vm.prank(executor);
        escrow.submitIntentsFor(one(alice, AMOUNT, REF));
        bytes32 id = serviceId(REF);
        vm.prank(treasury);
        vm.warp(escrow.announceRefund(id));
        vm.prank(alice);
        vm.expectRevert(IMintEscrowRail.NotPayer.selector);
        escrow.selfRefund(id);
        vm.prank(treasury);
        escrow.selfRefund(id);
        assertEq(usd.balanceOf(treasury), FUNDS);
    }

    // ---------------------------------------------------------------------------------------------- blockIntent

    function test_SanctionedDepositGoesToTheBlockedAccount() public {
        bytes32 id = submit(alice, AMOUNT, REF);
        token.setDenied(alice, true);
        vm.expectEmit(address(escrow));
        emit IMintEscrowRail.IntentBlocked(id, alice, AMOUNT, "sanctions");
        vm.prank(officer);
        escrow.blockIntent(id, "sanctions");
        assertEq(usd.balanceOf(blocked), AMOUNT);
        assertStatus(id, IMintEscrow.MintStatus.Failed);
        assertLiabilities(0, 0, 0);
        vm.prank(executor);
        vm.expectRevert(IMintEscrow.IntentAlreadyExecuted.selector);
        escrow.executeMint(id);
        vm.prank(officer);
        vm.expectRevert(IMintEscrow.IntentAlreadyExecuted.selector);
        escrow.blockIntent(id, "");
    }

    function test_RevertWhen_BlockingIsNotPossible() public {
        bytes32 id = submit(alice, AMOUNT, REF);
        bytes32 role = escrow.COMPLIANCE_OFFICER_ROLE();
        vm.prank(executor);
        expectUnauthorized(executor, role);
        escrow.blockIntent(id, "");
        escrow.setBlockedAccount(address(0));
        vm.prank(officer);
        vm.expectRevert(IMintEscrowRail.BlockedAccountUnset.selector);
        escrow.blockIntent(id, "");
    }

    // ---------------------------------------------------------------------------------------------------- claim

    function test_WhatCannotBePushedIsClaimed() public {
        BlockingCoin coin = new BlockingCoin();
        MintEscrow other = newEscrow(address(coin));
        coin.mint(alice, AMOUNT);
        coin.mint(bob, AMOUNT);
        bytes32 first = deposit(other, coin, alice);
        bytes32 second = deposit(other, coin, bob);
        coin.setBlocked(alice, true);
        vm.expectEmit(address(other));
        emit IMintEscrowRail.PayoutDeferred(alice, address(coin), AMOUNT);
        vm.prank(executor);
        assertEq(other.refundBatch(ids(first, second), ""), 2);
        assertEq(coin.balanceOf(bob), AMOUNT);
        assertEq(other.claimableOf(address(coin), alice), AMOUNT);
        (uint256 pending,, uint256 claimable) = other.liabilities(address(coin));
        assertEq(pending, 0);
        assertEq(claimable, AMOUNT);

        other.pause();
        token.setDenied(stranger, true);
        vm.startPrank(alice);
        vm.expectRevert("blocked");
        other.claim(address(coin), alice);
        vm.expectRevert(IMintEscrowRail.RecipientDenied.selector);
        other.claim(address(coin), stranger);
        vm.expectEmit(address(other));
        emit IMintEscrowRail.Claimed(alice, address(coin), guardian, AMOUNT);
        assertEq(other.claim(address(coin), guardian), AMOUNT);
        vm.expectRevert(IMintEscrowRail.NothingToClaim.selector);
        other.claim(address(coin), guardian);
        vm.stopPrank();
        assertEq(coin.balanceOf(guardian), AMOUNT);
        assertEq(other.claimableOf(address(coin), alice), 0);
        (,, claimable) = other.liabilities(address(coin));
        assertEq(claimable, 0);
    }

    function test_RevertWhen_ADeniedAccountClaims() public {
        BlockingCoin coin = new BlockingCoin();
        MintEscrow other = newEscrow(address(coin));
        coin.mint(alice, AMOUNT);
        bytes32 id = deposit(other, coin, alice);
        coin.setBlocked(alice, true);
        vm.prank(executor);
        other.refundIntent(id, "");
        token.setDenied(alice, true);
        vm.prank(alice);
        vm.expectRevert(IMintEscrowRail.RecipientDenied.selector);
        other.claim(address(coin), bob);
    }

    function deposit(MintEscrow other, MockCoin coin, address user) internal returns (bytes32 id) {
        vm.startPrank(user);
        coin.approve(address(other), AMOUNT);
        id = other.submitIntent(AMOUNT, KES, REF);
        vm.stopPrank();
    }

    // --------------------------------------------------------------------------------------------------- redeem

    function test_RedeemBurnsAndPaysOutOfTheBacking() public {
        settle(one(alice, AMOUNT, REF));
        vm.startPrank(alice);
        token.approve(address(escrow), AMOUNT);
        vm.expectEmit(address(escrow));
        emit IMintEscrowRail.Redeemed(alice, stranger, address(usd), AMOUNT - 1, AMOUNT - 1);
        assertEq(escrow.redeem(AMOUNT - 1, stranger), AMOUNT - 1);
        vm.stopPrank();
        assertEq(usd.balanceOf(stranger), AMOUNT - 1);
        assertEq(token.totalSupply(), 1);
        assertLiabilities(0, 1, 0);
    }

    function test_RevertWhen_RedeemIsNotPossible() public {
        settle(two(alice, AMOUNT, REF, bob, AMOUNT, REF_2));
        vm.startPrank(alice);
        vm.expectRevert(IMintEscrow.InvalidAmount.selector);
        escrow.redeem(0, alice);
        vm.expectPartialRevert(bytes4(keccak256("ERC20InsufficientAllowance(address,uint256,uint256)")));
        escrow.redeem(AMOUNT, alice);
        token.approve(address(escrow), type(uint256).max);
        vm.expectRevert(IMintEscrowRail.InsufficientBacking.selector);
        escrow.redeem(2 * AMOUNT + 1, alice);
        vm.expectPartialRevert(bytes4(keccak256("ERC20InsufficientBalance(address,uint256,uint256)")));
        escrow.redeem(2 * AMOUNT, alice);
        vm.expectRevert(IMintEscrowRail.InvalidAddress.selector);
        escrow.redeemIn(address(token), AMOUNT, alice);
        vm.stopPrank();
        token.setDenied(stranger, true);
        vm.prank(alice);
        vm.expectRevert(IMintEscrowRail.RecipientDenied.selector);
        escrow.redeem(AMOUNT, stranger);
        unclear(alice);
        vm.prank(alice);
        vm.expectRevert(IMintEscrow.UserNotCompliant.selector);
        escrow.redeem(AMOUNT, alice);
    }

    function test_RedeemNeedsWholeStablecoinUnits() public {
        MockCoin coin = new MockCoin(6);
        MintEscrow other = newEscrow(address(coin));
        coin.mint(treasury, 5e6);
        vm.prank(treasury);
        coin.approve(address(other), 5e6);
        vm.prank(executor);
        other.settleBatch(one(alice, 5e6, REF));
        vm.startPrank(alice);
        token.approve(address(other), type(uint256).max);
        vm.expectRevert(IMintEscrow.InvalidAmount.selector);
        other.redeem(1e12 + 1, alice);
        assertEq(other.redeem(3e18, alice), 3e6);
        vm.stopPrank();
        assertEq(coin.balanceOf(alice), 3e6);
        (, uint256 backing,) = other.liabilities(address(coin));
        assertEq(backing, 2e6);
    }

    function test_RedeemInAnEarlierStablecoin() public {
        settle(one(alice, AMOUNT, REF));
        MockCoin coin = new MockCoin(6);
        escrow.setStablecoin(address(coin));
        vm.startPrank(alice);
        token.approve(address(escrow), AMOUNT);
        vm.expectRevert(IMintEscrowRail.InsufficientBacking.selector);
        escrow.redeem(AMOUNT, alice);
        assertEq(escrow.redeemIn(address(usd), AMOUNT, alice), AMOUNT);
        vm.stopPrank();
        assertEq(usd.balanceOf(alice), FUNDS + AMOUNT);
        assertEq(escrow.getIntentStablecoin(serviceId(REF)), address(usd));
    }
}
