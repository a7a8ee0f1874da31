// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {Head, IntentHead} from "../../src/libraries/IntentHead.sol";
import {SettlementLog} from "../../src/libraries/SettlementLog.sol";
import {SkipCodes} from "../../src/libraries/SkipCodes.sol";
import {Test} from "../utils/Test.sol";

contract LibrariesTest is Test {
    /// Services store these numbers: a change here breaks them.
    function test_SkipCodesNeverChange() public pure {
        assertEq(SkipCodes.NONE, 0);
        assertEq(SkipCodes.ALREADY_EXISTS, 1);
        assertEq(SkipCodes.NOT_COMPLIANT, 2);
        assertEq(SkipCodes.INVALID_AMOUNT, 3);
        assertEq(SkipCodes.OVER_PER_MINT_LIMIT, 4);
        assertEq(SkipCodes.OVER_DAILY_LIMIT, 5);
        assertEq(SkipCodes.RATE_LIMITED, 6);
        assertEq(SkipCodes.MINTER_ALLOWANCE, 7);
        assertEq(SkipCodes.TOKEN_REFUSED, 8);
        assertEq(SkipCodes.NOT_PENDING, 9);
        assertEq(SkipCodes.INVALID_USER, 10);
        assertEq(SkipCodes.PAYER_DENIED, 11);
    }

    function testFuzz_HeadKeepsEveryField(address user, uint8 state, uint8 next, uint16 ref, uint32 batch, uint40 at)
        public
    {
        vm.warp(at);
        Head head = IntentHead.pack(user, state, ref, batch);
        assertEq(head.state(), state);
        head = head.withState(next);
        assertEq(head.user(), user);
        assertEq(head.state(), next);
        assertEq(head.timestamp(), at);
        assertEq(head.ref(), ref);
        assertEq(head.batch(), batch);
    }

    function testFuzz_LogGivesBackWhatWasPut(address payer, uint96 seed, uint8 capacity, uint8 used) public {
        uint256 items = bound(used, 1, bound(capacity, 1, 255));
        bytes memory buffer = SettlementLog.open(payer, bound(capacity, 1, 255));
        for (uint256 i = 0; i < items; ++i) {
            SettlementLog.put(buffer, i, amountOf(seed, i), keccak256(abi.encode(seed, i)));
        }
        address log = SettlementLog.write(buffer, items);
        assertEq(log.code.length, 21 + 44 * items);
        assertEq(uint8(log.code[0]), 0);
        assertEq(SettlementLog.payerOf(log), payer);
        for (uint256 i = 0; i < items; ++i) {
            (uint256 amount, bytes32 txRef) = SettlementLog.item(log, i);
            assertEq(amount, amountOf(seed, i));
            assertEq(txRef, keccak256(abi.encode(seed, i)));
        }
    }

    function test_LogHoldsTheLargestBatch() public {
        bytes memory buffer = SettlementLog.open(address(this), SettlementLog.MAX_ITEMS);
        SettlementLog.put(buffer, SettlementLog.MAX_ITEMS - 1, type(uint96).max, bytes32(type(uint256).max));
        address log = SettlementLog.write(buffer, SettlementLog.MAX_ITEMS);
        assertLe(log.code.length, 24_576);
        (uint256 amount, bytes32 txRef) = SettlementLog.item(log, SettlementLog.MAX_ITEMS - 1);
        assertEq(amount, type(uint96).max);
        assertEq(txRef, bytes32(type(uint256).max));
    }

    function test_RevertWhen_TheLogCannotBeCreated() public {
        vm.expectRevert(SettlementLog.LogNotWritten.selector);
        this.writeLargest{gas: 300_000}();
    }

    function writeLargest() external {
        SettlementLog.write(SettlementLog.open(address(this), SettlementLog.MAX_ITEMS), SettlementLog.MAX_ITEMS);
    }

    function amountOf(uint96 seed, uint256 index) private pure returns (uint256) {
        return uint96(uint256(keccak256(abi.encode(index, seed))));
    }
}
