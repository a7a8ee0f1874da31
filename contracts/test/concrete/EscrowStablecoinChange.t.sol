// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {MockCoin} from "../mocks/BadTokens.sol";
import {IMintEscrow, IMintEscrowRail, RailTest, SkipCodes} from "../utils/RailTest.sol";

/// setStablecoin
/// ├── when something is pending and the escrow runs: refused
/// ├── when the escrow itself is paused: allowed, whatever is pending
/// └── what was pending then: never minted, refunded and blocked in the coin that it came in
contract EscrowStablecoinChangeTest is RailTest {
    MockCoin internal coin;

    function setUp() public override {
        super.setUp();
        coin = new MockCoin(6);
    }

    function change() internal {
        escrow.pause();
        escrow.setStablecoin(address(coin));
        escrow.unpause();
    }

    function test_DustDoesNotHoldUpTheChange() public {
        submit(alice, 1, REF);
        vm.expectRevert(IMintEscrowRail.DepositsPending.selector);
        escrow.setStablecoin(address(coin));
        change();
        assertEq(address(escrow.usdStablecoin()), address(coin));
    }

    function test_APauseElsewhereIsNoDecisionAboutThisEscrow() public {
        submit(alice, 1, REF);
        manager.pause();
        token.pause();
        vm.expectRevert(IMintEscrowRail.DepositsPending.selector);
        escrow.setStablecoin(address(coin));
    }

    function test_WhatWasPendingIsNotMintedAgainstTheNewStablecoin() public {
        bytes32 id = submit(alice, AMOUNT, REF);
        change();
        vm.prank(executor);
        vm.expectRevert(IMintEscrowRail.OtherStablecoin.selector);
        escrow.executeMint(id);
        expectSkip(id, SkipCodes.OTHER_STABLECOIN);
        vm.prank(executor);
        assertEq(escrow.executeMintBatch(ids(id)), 0);
        assertEq(token.totalSupply(), 0);
        assertLiabilities(AMOUNT, 0, 0);
        assertStatus(id, IMintEscrow.MintStatus.Pending);
    }

    function test_WhatWasPendingGoesBackInItsOwnStablecoin() public {
        bytes32 first = submit(alice, AMOUNT, REF);
        bytes32 second = submit(alice, AMOUNT, REF_2);
        bytes32 third = submit(bob, AMOUNT, REF);
        change();
        vm.prank(executor);
        escrow.refundIntent(first, "");
        vm.startPrank(alice);
        vm.warp(escrow.announceRefund(second));
        escrow.selfRefund(second);
        vm.stopPrank();
        vm.prank(officer);
        escrow.blockIntent(third, "");
        assertEq(usd.balanceOf(alice), FUNDS);
        assertEq(usd.balanceOf(blocked), AMOUNT);
        assertLiabilities(0, 0, 0);
    }

    function test_DepositsOfBothStablecoinsAreToldApartInOneBatch() public {
        bytes32 old = submit(alice, AMOUNT, REF);
        change();
        coin.mint(bob, 7e6);
        vm.startPrank(bob);
        coin.approve(address(escrow), 7e6);
        bytes32 fresh = escrow.submitIntent(7e6, KES, REF);
        vm.stopPrank();
        expectSkip(old, SkipCodes.OTHER_STABLECOIN);
        vm.prank(executor);
        assertEq(escrow.executeMintBatch(ids(old, fresh)), 1);
        assertEq(token.balanceOf(bob), 7e18);
        assertLiabilities(AMOUNT, 0, 0);
        (uint256 pending, uint256 backing,) = escrow.liabilities(address(coin));
        assertEq(pending, 0);
        assertEq(backing, 7e6);
    }
}
