// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {IUserRegistry} from "../../src/interfaces/IUserRegistry.sol";
import {IMintEscrow, IMintEscrowRail, RailTest, SkipCodes, Vm} from "../utils/RailTest.sol";

/// settleBatch
/// ├── when an item is known, bad, not compliant or over a limit: it is skipped with its code, once
/// ├── when the treasury cannot pay: reverts
/// └── otherwise: each is recorded as executed and minted, and the treasury pays once for all
contract EscrowSettlementsTest is RailTest {
    function test_SettleMintsRecordsAndPaysOnce() public {
        vm.expectCall(
            address(usd),
            abi.encodeWithSignature("transferFrom(address,address,uint256)", treasury, address(escrow), 3 * AMOUNT),
            1
        );
        vm.expectEmit(address(escrow));
        emit IMintEscrow.MintExecuted(serviceId(REF), alice, AMOUNT, KES, REF);
        vm.expectEmit(address(escrow));
        emit IMintEscrow.MintExecuted(serviceId(REF_2), bob, 2 * AMOUNT, KES, REF_2);
        vm.expectEmit(address(escrow));
        emit IMintEscrowRail.BatchSettled(1, treasury, 2, 3 * AMOUNT);
        assertEq(settle(two(alice, AMOUNT, REF, bob, 2 * AMOUNT, REF_2)), 2);
        IMintEscrow.MintIntent memory intent = escrow.getIntent(serviceId(REF_2));
        assertEq(intent.user, bob);
        assertEq(intent.amount, 2 * AMOUNT);
        assertEq(intent.countryCode, KES);
        assertEq(intent.txRef, REF_2);
        assertEq(intent.timestamp, block.timestamp);
        assertStatus(serviceId(REF), IMintEscrow.MintStatus.Executed);
        assertEq(escrow.getIntent(serviceId(REF)).amount, AMOUNT);
        assertEq(escrow.getPayer(serviceId(REF)), treasury);
        assertEq(escrow.getIntentStablecoin(serviceId(REF)), address(usd));
        assertEq(escrow.batchCount(), 1);
        assertEq(token.balanceOf(bob), 2 * AMOUNT);
        assertLiabilities(0, 3 * AMOUNT, 0);
        assertEq(settle(one(alice, AMOUNT, REF_3)), 1);
        assertEq(escrow.batchCount(), 2);
        assertEq(escrow.getIntent(serviceId(REF)).txRef, REF);
    }

    function test_SettlesAPaymentOnceWhicheverSignerOrTreasury() public {
        settle(one(alice, AMOUNT, REF));
        address lane = makeAddr("second lane");
        escrow.grantRole(escrow.EXECUTOR_ROLE(), lane);
        expectSkip(serviceId(REF), SkipCodes.ALREADY_EXISTS);
        vm.prank(lane);
        assertEq(escrow.settleBatch(one(alice, AMOUNT, REF)), 0);
        escrow.setTreasury(address(0));
        expectSkip(serviceId(REF), SkipCodes.ALREADY_EXISTS);
        vm.prank(lane);
        assertEq(escrow.settleBatch(one(bob, AMOUNT, REF)), 0);
        assertEq(token.totalSupply(), AMOUNT);
        assertEq(escrow.batchCount(), 1);
    }

    function test_SettleSkipsWhatIsPendingInTheServicePath() public {
        vm.prank(executor);
        escrow.submitIntentsFor(one(alice, AMOUNT, REF));
        expectSkip(serviceId(REF), SkipCodes.ALREADY_EXISTS);
        assertEq(settle(one(alice, AMOUNT, REF)), 0);
        assertEq(token.totalSupply(), 0);
    }

    function test_SettleSkipsEachBadItemWithItsCode() public {
        escrow.setLimits(uint96(AMOUNT), uint96(2 * AMOUNT));
        token.setDenied(bob, true);
        clear(stranger);
        IMintEscrowRail.Settlement[] memory items = new IMintEscrowRail.Settlement[](10);
        items[0] = IMintEscrowRail.Settlement(alice, AMOUNT, "a");
        items[1] = IMintEscrowRail.Settlement(alice, AMOUNT, "a");
        items[2] = IMintEscrowRail.Settlement(address(0), AMOUNT, "b");
        items[3] = IMintEscrowRail.Settlement(alice, 0, "c");
        items[4] = IMintEscrowRail.Settlement(alice, AMOUNT + 1, "d");
        items[5] = IMintEscrowRail.Settlement(guardian, AMOUNT, "e");
        items[6] = IMintEscrowRail.Settlement(bob, AMOUNT, "f");
        items[7] = IMintEscrowRail.Settlement(alice, AMOUNT, "g");
        items[8] = IMintEscrowRail.Settlement(alice, 1, "h");
        items[9] = IMintEscrowRail.Settlement(stranger, 7, "i");
        expectSkip(serviceId("a"), SkipCodes.ALREADY_EXISTS);
        expectSkip(serviceId("b"), SkipCodes.INVALID_USER);
        expectSkip(serviceId("c"), SkipCodes.INVALID_AMOUNT);
        expectSkip(serviceId("d"), SkipCodes.OVER_PER_MINT_LIMIT);
        expectSkip(serviceId("e"), SkipCodes.NOT_COMPLIANT);
        expectSkip(serviceId("f"), SkipCodes.TOKEN_REFUSED);
        expectSkip(serviceId("h"), SkipCodes.OVER_DAILY_LIMIT);
        assertEq(settle(items), 3);
        assertEq(token.balanceOf(alice), 2 * AMOUNT);
        assertEq(usd.balanceOf(address(escrow)), 2 * AMOUNT + 7);
        assertLiabilities(0, 2 * AMOUNT + 7, 0);
        assertEq(stateOf(serviceId("f")), 0);
        assertEq(escrow.getIntent(serviceId("g")).txRef, "g");
        assertEq(escrow.getIntent(serviceId("i")).amount, 7);
        token.setDenied(bob, false);
        IMintEscrowRail.Settlement[] memory again = one(bob, AMOUNT, "f");
        assertEq(settle(again), 1);
    }

    function test_SettleSkipsOverTheRateAndTheMinterAllowance() public {
        escrow.setRateLimit(1 days, uint208(AMOUNT));
        expectSkip(serviceId(REF), SkipCodes.RATE_LIMITED);
        assertEq(settle(two(alice, AMOUNT + 1, REF, bob, AMOUNT, REF_2)), 1);
        escrow.setRateLimit(0, 0);
        token.setMinterAllowance(address(escrow), AMOUNT);
        expectSkip(serviceId(REF), SkipCodes.MINTER_ALLOWANCE);
        assertEq(settle(two(alice, AMOUNT + 1, REF, bob, AMOUNT, REF_3)), 1);
        assertEq(token.minterAllowance(address(escrow)), 0);
    }

    function test_ARefusedMintUsesUpNoLimit() public {
        escrow.setLimits(0, uint96(AMOUNT));
        escrow.setRateLimit(1 days, uint208(AMOUNT));
        token.setDenied(alice, true);
        assertEq(settle(one(alice, AMOUNT, REF)), 0);
        assertEq(escrow.dailyAllowance(alice), AMOUNT);
        assertEq(escrow.rateAllowance(), AMOUNT);
        token.setDenied(alice, false);
        assertEq(settle(one(alice, AMOUNT, REF)), 1);
        assertEq(escrow.dailyAllowance(alice), 0);
        assertEq(escrow.rateAllowance(), 0);
    }

    function test_EmptyBatchesAreHarmless() public {
        vm.startPrank(executor);
        assertEq(escrow.settleBatch(new IMintEscrowRail.Settlement[](0)), 0);
        assertEq(escrow.executeMintBatch(new bytes32[](0)), 0);
        assertEq(escrow.submitIntentsFor(new IMintEscrowRail.Settlement[](0)), 0);
        assertEq(escrow.refundBatch(new bytes32[](0), ""), 0);
        vm.stopPrank();
        assertEq(escrow.batchCount(), 0);
    }

    function test_RevertWhen_TheTreasuryCannotPay() public {
        vm.prank(treasury);
        usd.approve(address(escrow), AMOUNT - 1);
        vm.expectPartialRevert(bytes4(keccak256("ERC20InsufficientAllowance(address,uint256,uint256)")));
        settle(one(alice, AMOUNT, REF));
        assertEq(stateOf(serviceId(REF)), 0);
        assertEq(token.totalSupply(), 0);
    }

    function test_TheRegistryIsAskedOncePerUserAndCall() public {
        vm.expectCall(address(registry), abi.encodeCall(IUserRegistry.isCompliant, (alice)), 2);
        assertEq(settle(two(alice, 1, REF, alice, 2, REF_2)), 2);
        // The answer must not outlive its call, even within one transaction.
        registry.updateUser(alice, 84, KYC, true);
        expectSkip(serviceId(REF_3), SkipCodes.NOT_COMPLIANT);
        assertEq(settle(one(alice, 3, REF_3)), 0);
    }

    function test_EverySkippedItemIsReportedOnce() public {
        unclear(alice);
        vm.recordLogs();
        settle(two(alice, 1, REF, alice, 2, REF_2));
        Vm.Log[] memory logs = vm.getRecordedLogs();
        assertEq(logs.length, 2);
        assertEq(logs[0].topics[0], IMintEscrowRail.MintSkipped.selector);
        assertEq(logs[1].topics[1], serviceId(REF_2));
    }
}
