// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {MintEscrow} from "../../src/MintEscrow.sol";
import {IMintEscrow, IMintEscrowRail, RailTest, SkipCodes} from "../utils/RailTest.sol";
import {BlockingCoin, FalseReturningCoin, FeeOnTransferCoin, MockCoin, SilentCoin} from "../mocks/BadTokens.sol";

/// submitIntent
/// ├── when halted: reverts
/// ├── when the country code, the amount, the limit or the id is wrong: reverts
/// ├── when the stablecoin moves too little or answers false: reverts
/// └── otherwise: pending, event, money in, the id from payer and reference alone
/// submitIntentWithPermit, submitIntentWithAuthorization: as above, plus the signature
/// submitIntentsFor
/// ├── when the caller is no executor, halted, or the batch is too large: reverts
/// └── otherwise: one transfer for the accepted sum, bad items skipped with a code
contract EscrowDepositsTest is RailTest {
    function test_SubmitStoresPendingAndTakesTheMoney() public {
        bytes32 id = escrow.computeIntentId(alice, REF);
        vm.expectEmit(address(escrow));
        emit IMintEscrow.MintIntentSubmitted(id, alice, AMOUNT, KES, REF);
        assertEq(submit(alice, AMOUNT, REF), id);
        IMintEscrow.MintIntent memory intent = escrow.getIntent(id);
        assertEq(intent.user, alice);
        assertEq(intent.amount, AMOUNT);
        assertEq(intent.countryCode, KES);
        assertEq(intent.txRef, REF);
        assertEq(intent.timestamp, block.timestamp);
        assertStatus(id, IMintEscrow.MintStatus.Pending);
        assertEq(escrow.getPayer(id), alice);
        assertEq(escrow.getIntentStablecoin(id), address(usd));
        assertEq(stateOf(id), 1);
        assertEq(usd.balanceOf(address(escrow)), AMOUNT);
        assertLiabilities(AMOUNT, 0, 0);
    }

    function test_IdIsTheHashOfChainEscrowPayerAndReference() public view {
        assertEq(escrow.computeIntentId(alice, REF), keccak256(abi.encode(block.chainid, address(escrow), alice, REF)));
        assertEq(escrow.computeServiceIntentId(REF), escrow.computeIntentId(address(escrow), REF));
    }

    function test_IdDoesNotDependOnTime() public {
        bytes32 id = submit(alice, AMOUNT, REF);
        vm.warp(block.timestamp + 30 days);
        vm.prank(alice);
        vm.expectRevert(IMintEscrow.IntentAlreadyExists.selector);
        escrow.submitIntent(AMOUNT, KES, REF);
        assertEq(escrow.computeIntentId(alice, REF), id);
    }

    function test_TwoUsersMayUseOneReference() public {
        assertTrue(submit(alice, AMOUNT, REF) != submit(bob, 2 * AMOUNT, REF));
        assertLiabilities(3 * AMOUNT, 0, 0);
    }

    function test_RevertWhen_AmountIsZeroOrTooLarge() public {
        vm.startPrank(alice);
        vm.expectRevert(IMintEscrow.InvalidAmount.selector);
        escrow.submitIntent(0, KES, REF);
        vm.expectRevert(IMintEscrow.InvalidAmount.selector);
        escrow.submitIntent(uint256(type(uint96).max) + 1, KES, REF);
        usd.mint(alice, type(uint96).max);
        escrow.submitIntent(type(uint96).max, KES, REF);
        vm.stopPrank();
    }

    function test_RevertWhen_CountryCodeIsAnother() public {
        vm.prank(alice);
        vm.expectRevert(IMintEscrow.InvalidCountryCode.selector);
        escrow.submitIntent(AMOUNT, "UGX", REF);
    }

    function test_RevertWhen_OverPerMintLimit() public {
        escrow.setLimits(uint96(AMOUNT), 0);
        vm.prank(alice);
        vm.expectRevert(IMintEscrowRail.OverPerMintLimit.selector);
        escrow.submitIntent(AMOUNT + 1, KES, REF);
        submit(alice, AMOUNT, REF);
    }

    function test_RevertWhen_EscrowPaused() public {
        vm.prank(guardian);
        escrow.pause();
        expectHalted();
    }

    function test_RevertWhen_ManagerPaused() public {
        vm.prank(guardian);
        manager.pause();
        expectHalted();
    }

    function test_RevertWhen_TokenPaused() public {
        vm.prank(guardian);
        token.pause();
        expectHalted();
    }

    function expectHalted() internal {
        assertTrue(escrow.halted());
        vm.startPrank(alice);
        vm.expectRevert(IMintEscrowRail.SystemPaused.selector);
        escrow.submitIntent(AMOUNT, KES, REF);
        vm.expectRevert(IMintEscrowRail.SystemPaused.selector);
        escrow.submitIntentWithPermit(AMOUNT, KES, REF, 0, 0, 0, 0);
        vm.expectRevert(IMintEscrowRail.SystemPaused.selector);
        escrow.submitIntentWithAuthorization(alice, AMOUNT, KES, REF, 0, 0, 0, 0, 0);
        vm.expectRevert(IMintEscrowRail.SystemPaused.selector);
        escrow.redeem(1, alice);
        vm.expectRevert(IMintEscrowRail.SystemPaused.selector);
        escrow.redeemIn(address(usd), 1, alice);
        vm.stopPrank();
        vm.startPrank(executor);
        vm.expectRevert(IMintEscrowRail.SystemPaused.selector);
        escrow.submitIntentsFor(one(alice, AMOUNT, REF));
        vm.expectRevert(IMintEscrowRail.SystemPaused.selector);
        escrow.settleBatch(one(alice, AMOUNT, REF));
        vm.expectRevert(IMintEscrowRail.SystemPaused.selector);
        escrow.executeMint(REF);
        vm.expectRevert(IMintEscrowRail.SystemPaused.selector);
        escrow.executeMintBatch(ids(REF));
        vm.stopPrank();
    }

    function test_ManagerMayBeDetached() public {
        manager.pause();
        escrow.setComplianceManager(address(0));
        assertFalse(escrow.halted());
        submit(alice, AMOUNT, REF);
    }

    function test_RevertWhen_TheStablecoinKeepsAFee() public {
        FeeOnTransferCoin coin = new FeeOnTransferCoin();
        MintEscrow other = newEscrow(address(coin));
        coin.mint(alice, AMOUNT);
        coin.mint(treasury, AMOUNT);
        vm.startPrank(alice);
        coin.approve(address(other), AMOUNT);
        vm.expectRevert(IMintEscrow.TransferFailed.selector);
        other.submitIntent(AMOUNT, KES, REF);
        vm.stopPrank();
        vm.prank(treasury);
        coin.approve(address(other), AMOUNT);
        vm.prank(executor);
        vm.expectRevert(IMintEscrow.TransferFailed.selector);
        other.settleBatch(one(alice, AMOUNT, REF));
    }

    function test_RevertWhen_TheStablecoinAnswersFalse() public {
        FalseReturningCoin coin = new FalseReturningCoin();
        MintEscrow other = newEscrow(address(coin));
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSignature("SafeERC20FailedOperation(address)", address(coin)));
        other.submitIntent(AMOUNT, KES, REF);
    }

    function test_SilentStablecoinWorks() public {
        SilentCoin coin = new SilentCoin();
        MintEscrow other = newEscrow(address(coin));
        coin.mint(alice, AMOUNT);
        vm.startPrank(alice);
        coin.approve(address(other), AMOUNT);
        bytes32 id = other.submitIntent(AMOUNT, KES, REF);
        vm.stopPrank();
        assertEq(coin.balanceOf(address(other)), AMOUNT);
        vm.prank(executor);
        other.refundIntent(id, "changed mind");
        assertEq(coin.balanceOf(alice), AMOUNT);
    }

    function test_DecimalsAreReadFromTheStablecoin() public {
        MockCoin coin = new MockCoin(6);
        MintEscrow other = newEscrow(address(coin));
        assertEq(other.scale(), 1e12);
        coin.mint(treasury, 5e6);
        vm.prank(treasury);
        coin.approve(address(other), 5e6);
        vm.prank(executor);
        other.settleBatch(one(alice, 5e6, REF));
        assertEq(token.balanceOf(alice), 5e18);
        assertEq(other.getIntent(other.computeServiceIntentId(REF)).amount, 5e6);
    }

    // ---------------------------------------------------------------------------------------------- signatures

    function test_PermitApprovesAndDeposits() public {
        vm.prank(alice);
        usd.approve(address(escrow), 0);
        (uint8 v, bytes32 r, bytes32 s) = signPermit(AMOUNT);
        vm.prank(alice);
        bytes32 id = escrow.submitIntentWithPermit(AMOUNT, KES, REF, block.timestamp, v, r, s);
        assertEq(stateOf(id), 1);
        assertLiabilities(AMOUNT, 0, 0);
        assertEq(usd.balanceOf(address(escrow)), AMOUNT);
    }

    function test_PermitUsedBySomeoneElseDoesNoHarm() public {
        vm.prank(alice);
        usd.approve(address(escrow), 0);
        (uint8 v, bytes32 r, bytes32 s) = signPermit(AMOUNT);
        vm.prank(stranger);
        usd.permit(alice, address(escrow), AMOUNT, block.timestamp, v, r, s);
        vm.prank(alice);
        escrow.submitIntentWithPermit(AMOUNT, KES, REF, block.timestamp, v, r, s);
        assertLiabilities(AMOUNT, 0, 0);
    }

    function test_RevertWhen_PermitIsInvalidAndNothingApproved() public {
        vm.startPrank(alice);
        usd.approve(address(escrow), 0);
        vm.expectPartialRevert(bytes4(keccak256("ERC20InsufficientAllowance(address,uint256,uint256)")));
        escrow.submitIntentWithPermit(AMOUNT, KES, REF, block.timestamp, 27, REF, REF);
        vm.stopPrank();
    }

    function test_AnyoneRelaysAnAuthorizationBoundToTheIntent() public {
        (uint8 v, bytes32 r, bytes32 s) = signAuthorization(AMOUNT, REF);
        vm.prank(stranger);
        bytes32 id = escrow.submitIntentWithAuthorization(alice, AMOUNT, KES, REF, 0, block.timestamp + 1, v, r, s);
        assertEq(id, escrow.computeIntentId(alice, REF));
        assertEq(escrow.getIntent(id).user, alice);
        assertEq(escrow.getPayer(id), alice);
        assertEq(usd.balanceOf(address(escrow)), AMOUNT);
        assertLiabilities(AMOUNT, 0, 0);
    }

    function test_RevertWhen_AuthorizationIsForAnotherReferenceOrAmount() public {
        (uint8 v, bytes32 r, bytes32 s) = signAuthorization(AMOUNT, REF);
        vm.expectPartialRevert(bytes4(keccak256("ERC3009InvalidSignature()")));
        escrow.submitIntentWithAuthorization(alice, AMOUNT, KES, REF_2, 0, block.timestamp + 1, v, r, s);
        vm.expectPartialRevert(bytes4(keccak256("ERC3009InvalidSignature()")));
        escrow.submitIntentWithAuthorization(alice, AMOUNT - 1, KES, REF, 0, block.timestamp + 1, v, r, s);
    }

    function test_RevertWhen_AnAuthorizedStablecoinDeliversTooLittle() public {
        usd.mint(address(escrow), 1);
        (uint8 v, bytes32 r, bytes32 s) = signAuthorization(AMOUNT, REF);
        vm.mockCall(address(usd), abi.encodeWithSignature("balanceOf(address)", address(escrow)), abi.encode(7));
        vm.expectRevert(IMintEscrow.TransferFailed.selector);
        escrow.submitIntentWithAuthorization(alice, AMOUNT, KES, REF, 0, block.timestamp + 1, v, r, s);
    }

    // ------------------------------------------------------------------------------------- treasury-funded

    function test_SubmitForRecordsTheTreasuryAsPayer() public {
        vm.expectCall(
            address(usd),
            abi.encodeWithSignature("transferFrom(address,address,uint256)", treasury, address(escrow), 3 * AMOUNT),
            1
        );
        vm.expectEmit(address(escrow));
        emit IMintEscrow.MintIntentSubmitted(serviceId(REF), alice, AMOUNT, KES, REF);
        vm.prank(executor);
        assertEq(escrow.submitIntentsFor(two(alice, AMOUNT, REF, bob, 2 * AMOUNT, REF_2)), 2);
        IMintEscrow.MintIntent memory intent = escrow.getIntent(serviceId(REF_2));
        assertEq(intent.user, bob);
        assertEq(intent.amount, 2 * AMOUNT);
        assertEq(intent.txRef, REF_2);
        assertEq(escrow.getPayer(serviceId(REF)), treasury);
        assertLiabilities(3 * AMOUNT, 0, 0);
    }

    function test_CallerPaysWhenThereIsNoTreasury() public {
        escrow.setTreasury(address(0));
        usd.mint(executor, AMOUNT);
        vm.startPrank(executor);
        usd.approve(address(escrow), AMOUNT);
        escrow.submitIntentsFor(one(alice, AMOUNT, REF));
        vm.stopPrank();
        assertEq(escrow.getPayer(serviceId(REF)), executor);
        assertEq(usd.balanceOf(executor), 0);
    }

    function test_SubmitForSkipsBadItems() public {
        escrow.setLimits(uint96(AMOUNT), 0);
        IMintEscrowRail.Settlement[] memory items = new IMintEscrowRail.Settlement[](7);
        items[0] = IMintEscrowRail.Settlement(address(0), AMOUNT, "a");
        items[1] = IMintEscrowRail.Settlement(address(escrow), AMOUNT, "b");
        items[2] = IMintEscrowRail.Settlement(alice, 0, "c");
        items[3] = IMintEscrowRail.Settlement(alice, uint256(type(uint96).max) + 1, "d");
        items[4] = IMintEscrowRail.Settlement(alice, AMOUNT + 1, "e");
        items[5] = IMintEscrowRail.Settlement(alice, AMOUNT, "f");
        items[6] = IMintEscrowRail.Settlement(bob, AMOUNT, "f");
        expectSkip(serviceId("a"), SkipCodes.INVALID_USER);
        expectSkip(serviceId("b"), SkipCodes.INVALID_USER);
        expectSkip(serviceId("c"), SkipCodes.INVALID_AMOUNT);
        expectSkip(serviceId("d"), SkipCodes.INVALID_AMOUNT);
        expectSkip(serviceId("e"), SkipCodes.OVER_PER_MINT_LIMIT);
        expectSkip(serviceId("f"), SkipCodes.ALREADY_EXISTS);
        vm.prank(executor);
        assertEq(escrow.submitIntentsFor(items), 1);
        assertEq(escrow.getIntent(serviceId("f")).user, alice);
        assertEq(stateOf(serviceId("a")), 0);
        assertLiabilities(AMOUNT, 0, 0);
    }

    function test_NothingMovesWhenAllAreSkipped() public {
        vm.prank(treasury);
        usd.approve(address(escrow), 0);
        vm.prank(executor);
        assertEq(escrow.submitIntentsFor(one(alice, 0, REF)), 0);
    }

    function test_RevertWhen_SubmitForByStranger() public {
        bytes32 role = escrow.EXECUTOR_ROLE();
        vm.prank(stranger);
        expectUnauthorized(stranger, role);
        escrow.submitIntentsFor(one(alice, AMOUNT, REF));
    }

    function test_RevertWhen_BatchIsTooLarge() public {
        uint256 most = escrow.MAX_BATCH();
        assertEq(most, 256);
        vm.startPrank(executor);
        vm.expectRevert(IMintEscrowRail.BatchTooLarge.selector);
        escrow.submitIntentsFor(new IMintEscrowRail.Settlement[](most + 1));
        vm.expectRevert(IMintEscrowRail.BatchTooLarge.selector);
        escrow.settleBatch(new IMintEscrowRail.Settlement[](most + 1));
        vm.expectRevert(IMintEscrowRail.BatchTooLarge.selector);
        escrow.executeMintBatch(new bytes32[](most + 1));
        vm.expectRevert(IMintEscrowRail.BatchTooLarge.selector);
        escrow.refundBatch(new bytes32[](most + 1), "");
        assertEq(escrow.submitIntentsFor(new IMintEscrowRail.Settlement[](most)), 0);
        assertEq(escrow.settleBatch(new IMintEscrowRail.Settlement[](most)), 0);
        assertEq(escrow.executeMintBatch(new bytes32[](most)), 0);
        assertEq(escrow.refundBatch(new bytes32[](most), ""), 0);
        vm.stopPrank();
    }

    function test_RevertWhen_TheTreasuryIsShort() public {
        vm.prank(treasury);
        usd.approve(address(escrow), AMOUNT - 1);
        vm.prank(executor);
        vm.expectPartialRevert(bytes4(keccak256("ERC20InsufficientAllowance(address,uint256,uint256)")));
        escrow.submitIntentsFor(one(alice, AMOUNT, REF));
    }

    function signPermit(uint256 amount) internal view returns (uint8 v, bytes32 r, bytes32 s) {
        return sign(
            abi.encode(
                keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"),
                alice,
                address(escrow),
                amount,
                usd.nonces(alice),
                block.timestamp
            )
        );
    }

    function signAuthorization(uint256 amount, bytes32 ref) internal view returns (uint8 v, bytes32 r, bytes32 s) {
        return sign(
            abi.encode(
                keccak256(
                    "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
                ),
                alice,
                address(escrow),
                amount,
                0,
                block.timestamp + 1,
                escrow.computeIntentId(alice, ref)
            )
        );
    }

    function sign(bytes memory structure) private view returns (uint8 v, bytes32 r, bytes32 s) {
        return vm.sign(aliceKey, keccak256(abi.encodePacked("\x19\x01", usd.DOMAIN_SEPARATOR(), keccak256(structure))));
    }
}
