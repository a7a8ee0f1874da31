// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {IMintEscrow, IMintEscrowRail, RailTest} from "../utils/RailTest.sol";

/// announceRefund, selfRefund: a payer cannot leave in front of the officer who is about to block the deposit
/// ├── when it is not announced, not yet due, or the window is over: refused
/// ├── when it is announced before the timeout: due with the timeout, or a day later, whichever is later
/// ├── within the day of notice: the officer blocks, whatever the payer sends in front
/// └── when the window is over: announced again, so that no deposit is ever stranded
contract EscrowAnnouncedRefundsTest is RailTest {
    bytes32 internal id;

    function setUp() public override {
        super.setUp();
        id = submit(alice, AMOUNT, REF);
    }

    function announce() internal returns (uint256) {
        vm.prank(alice);
        return escrow.announceRefund(id);
    }

    function expectNotDue() internal {
        vm.prank(alice);
        vm.expectRevert(IMintEscrowRail.RefundNotDue.selector);
        escrow.selfRefund(id);
    }

    function test_AFlaggedPayerCannotTakeTheDepositBackInFrontOfTheOfficer() public {
        vm.warp(block.timestamp + 30 days);
        // Both calls of the payer come first, as they do from whoever watches the pool of transactions.
        announce();
        expectNotDue();
        vm.prank(officer);
        escrow.blockIntent(id, "sanctions");
        assertEq(usd.balanceOf(blocked), AMOUNT);
        assertEq(usd.balanceOf(alice), FUNDS - AMOUNT);
    }

    function test_RevertWhen_ItWasNotAnnounced() public {
        vm.warp(block.timestamp + 30 days);
        expectNotDue();
    }

    function test_AfterTheTimeoutADaysNoticeIsGiven() public {
        vm.warp(block.timestamp + 30 days);
        uint256 from = block.timestamp + 1 days;
        vm.expectEmit(address(escrow));
        emit IMintEscrowRail.RefundAnnounced(id, alice, from, from + 3 days);
        assertEq(announce(), from);
        vm.warp(from - 1);
        expectNotDue();
        vm.warp(from);
        vm.prank(alice);
        escrow.selfRefund(id);
        assertEq(usd.balanceOf(alice), FUNDS);
    }

    function test_AnnouncedBeforeTheTimeoutItIsDueWithTheTimeout() public {
        uint256 deposited = block.timestamp;
        assertEq(announce(), deposited + 7 days);
        vm.warp(deposited + 6 days + 1);
        assertEq(announce(), deposited + 7 days + 1);
    }

    function test_ADepositThatWasNotCollectedIsAnnouncedAgain() public {
        uint256 from = announce();
        vm.warp(from + 3 days - 1);
        uint256 snapshot = vm.snapshotState();
        vm.prank(alice);
        escrow.selfRefund(id);
        assertTrue(vm.revertToState(snapshot));
        vm.warp(from + 3 days);
        expectNotDue();
        vm.warp(announce());
        vm.prank(alice);
        escrow.selfRefund(id);
        assertStatus(id, IMintEscrow.MintStatus.Refunded);
    }

    function test_ALongerTimeoutDoesNotTouchWhatIsAnnounced() public {
        uint256 from = announce();
        escrow.setRefundTimeout(30 days);
        vm.warp(from);
        vm.prank(alice);
        escrow.selfRefund(id);
        assertEq(usd.balanceOf(alice), FUNDS);
    }

    function test_RevertWhen_SomebodyElseAnnouncesOrNothingIsPending() public {
        vm.prank(bob);
        vm.expectRevert(IMintEscrowRail.NotPayer.selector);
        escrow.announceRefund(id);
        vm.startPrank(alice);
        vm.expectRevert(IMintEscrow.IntentNotFound.selector);
        escrow.announceRefund("nothing");
        vm.stopPrank();
        vm.prank(executor);
        escrow.refundIntent(id, "");
        vm.prank(alice);
        vm.expectRevert(IMintEscrow.IntentAlreadyExecuted.selector);
        escrow.announceRefund(id);
    }

    function test_AnAnnouncedDepositMayStillBeMinted() public {
        vm.warp(announce());
        vm.prank(executor);
        escrow.executeMint(id);
        assertEq(token.balanceOf(alice), AMOUNT);
        vm.prank(alice);
        vm.expectRevert(IMintEscrow.IntentAlreadyExecuted.selector);
        escrow.selfRefund(id);
    }

    function test_TheWindowCanBeRead() public {
        (uint256 from, uint256 until) = escrow.refundWindow(id);
        assertEq(from + until, 0);
        uint256 announced = announce();
        (from, until) = escrow.refundWindow(id);
        assertEq(from, announced);
        assertEq(until, announced + 3 days);
    }
}
