// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {MintEscrow} from "../../src/MintEscrow.sol";
import {IMintEscrow, IMintEscrowRail, RailTest} from "../utils/RailTest.sol";
import {ReentrantCoin} from "../mocks/BadTokens.sol";

/// A hostile stablecoin calls back into the escrow during every transfer, as executor, officer and admin would.
/// Each way in must refuse, and the outer call must end as if nothing had happened.
contract ReentrancyTest is RailTest {
    bytes4 internal constant REENTRANT = bytes4(keccak256("ReentrancyGuardReentrantCall()"));

    ReentrantCoin internal coin;
    MintEscrow internal other;
    bytes32 internal pending;

    function setUp() public override {
        super.setUp();
        coin = new ReentrantCoin();
        other = newEscrow(address(coin));
        other.grantRole(other.EXECUTOR_ROLE(), address(coin));
        other.grantRole(other.COMPLIANCE_OFFICER_ROLE(), address(coin));
        coin.mint(alice, FUNDS);
        coin.mint(treasury, FUNDS);
        vm.prank(alice);
        coin.approve(address(other), type(uint256).max);
        vm.prank(treasury);
        coin.approve(address(other), type(uint256).max);
        vm.prank(alice);
        pending = other.submitIntent(AMOUNT, KES, REF_2);
    }

    function test_EveryEntryRefusesReentryDuringADeposit() public {
        bytes[] memory payloads = entries();
        for (uint256 i = 0; i < payloads.length; ++i) {
            coin.arm(address(other), payloads[i]);
            vm.prank(alice);
            other.submitIntent(AMOUNT, KES, bytes32(i));
            assertRefused(i + 1);
        }
        assertEq(other.intentStates(ids(pending))[0], 1);
    }

    function test_EveryEntryRefusesReentryDuringASettlement() public {
        bytes[] memory payloads = entries();
        for (uint256 i = 0; i < payloads.length; ++i) {
            coin.arm(address(other), payloads[i]);
            vm.prank(executor);
            assertEq(other.settleBatch(one(alice, AMOUNT, keccak256(abi.encode(i)))), 1);
            assertRefused(i + 1);
        }
        assertEq(token.balanceOf(alice), payloads.length * AMOUNT);
        (uint256 owed, uint256 backing,) = other.liabilities(address(coin));
        assertEq(owed, AMOUNT);
        assertEq(backing, payloads.length * AMOUNT);
    }

    function test_EveryEntryRefusesReentryDuringARefund() public {
        bytes[] memory payloads = entries();
        for (uint256 i = 0; i < payloads.length; ++i) {
            vm.prank(alice);
            bytes32 id = other.submitIntent(AMOUNT, KES, bytes32(i));
            coin.arm(address(other), payloads[i]);
            uint256 before = coin.balanceOf(alice);
            vm.prank(executor);
            other.refundIntent(id, "");
            assertEq(coin.balanceOf(alice), before + AMOUNT);
            assertRefused(i + 1);
            coin.arm(address(0), "");
        }
    }

    function test_EveryEntryRefusesReentryDuringARedemption() public {
        bytes[] memory payloads = entries();
        vm.prank(executor);
        other.settleBatch(one(alice, AMOUNT, "backing"));
        vm.prank(alice);
        token.approve(address(other), AMOUNT);
        for (uint256 i = 0; i < payloads.length; ++i) {
            coin.arm(address(other), payloads[i]);
            vm.prank(alice);
            other.redeem(1, alice);
            assertRefused(i + 1);
        }
    }

    function entries() internal view returns (bytes[] memory payloads) {
        payloads = new bytes[](16);
        payloads[0] = abi.encodeCall(IMintEscrow.submitIntent, (AMOUNT, KES, REF));
        payloads[1] = abi.encodeCall(IMintEscrowRail.submitIntentWithPermit, (AMOUNT, KES, REF, 0, 0, 0, 0));
        payloads[2] =
            abi.encodeCall(IMintEscrowRail.submitIntentWithAuthorization, (alice, AMOUNT, KES, REF, 0, 0, 0, 0, 0));
        payloads[3] = abi.encodeCall(IMintEscrowRail.submitIntentsFor, (one(alice, AMOUNT, REF)));
        payloads[4] = abi.encodeCall(IMintEscrowRail.settleBatch, (one(alice, AMOUNT, REF)));
        payloads[5] = abi.encodeCall(IMintEscrow.executeMint, (pending));
        payloads[6] = abi.encodeCall(IMintEscrowRail.executeMintBatch, (ids(pending)));
        payloads[7] = abi.encodeCall(IMintEscrow.refundIntent, (pending, ""));
        payloads[8] = abi.encodeCall(IMintEscrowRail.refundBatch, (ids(pending), ""));
        payloads[9] = abi.encodeCall(IMintEscrowRail.selfRefund, (pending));
        payloads[10] = abi.encodeCall(IMintEscrowRail.blockIntent, (pending, ""));
        payloads[11] = abi.encodeCall(IMintEscrowRail.claim, (address(coin), alice));
        payloads[12] = abi.encodeCall(IMintEscrowRail.redeem, (1, alice));
        payloads[13] = abi.encodeCall(IMintEscrowRail.redeemIn, (address(coin), 1, alice));
        payloads[14] = abi.encodeCall(IMintEscrowRail.announceRefund, (pending));
        payloads[15] = abi.encodeCall(IMintEscrowRail.blockClaim, (address(coin), alice, ""));
    }

    function assertRefused(uint256 attempts) internal view {
        assertEq(coin.attempts(), attempts);
        assertFalse(coin.everSucceeded());
        assertEq(bytes32(coin.lastError()), bytes32(REENTRANT));
    }
}
