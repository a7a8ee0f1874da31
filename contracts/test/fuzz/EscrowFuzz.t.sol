// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {MintEscrow} from "../../src/MintEscrow.sol";
import {IMintEscrow, IMintEscrowRail, RailTest} from "../utils/RailTest.sol";
import {MockCoin} from "../mocks/BadTokens.sol";

contract EscrowFuzzTest is RailTest {
    function testFuzz_DepositIsExecutedOrRefundedExactly(uint96 amount, bytes32 ref, bool execute) public {
        amount = uint96(bound(amount, 1, type(uint96).max));
        usd.mint(alice, amount);
        uint256 before = usd.balanceOf(alice);
        bytes32 id = submit(alice, amount, ref);
        vm.startPrank(executor);
        if (execute) escrow.executeMint(id);
        else escrow.refundIntent(id, "");
        vm.stopPrank();
        assertEq(token.balanceOf(alice), execute ? amount : 0);
        assertEq(usd.balanceOf(alice), execute ? before - amount : before);
        assertLiabilities(0, execute ? amount : 0, 0);
    }

    function testFuzz_IdsOfDifferentPayersOrReferencesDiffer(address a, address b, bytes32 x, bytes32 y) public view {
        vm.assume(a != b || x != y);
        assertTrue(escrow.computeIntentId(a, x) != escrow.computeIntentId(b, y));
    }

    function testFuzz_IdsDifferBetweenChainsAndEscrows(uint64 chain, address payer, bytes32 ref) public {
        vm.assume(chain != block.chainid && chain != 0);
        bytes32 id = escrow.computeIntentId(payer, ref);
        assertTrue(newEscrow(address(usd)).computeIntentId(payer, ref) != id);
        vm.chainId(chain);
        assertTrue(escrow.computeIntentId(payer, ref) != id);
    }

    function testFuzz_ValueIsKeptAcrossDecimals(uint8 decimals, uint96 amount, uint96 back) public {
        decimals = uint8(bound(decimals, 0, 18));
        uint256 scale = 10 ** (18 - decimals);
        // Beyond its supply the token refuses.
        amount = uint96(bound(amount, 1, Math.min(type(uint96).max, type(uint128).max / scale)));
        back = uint96(bound(back, 1, amount));
        MockCoin coin = new MockCoin(decimals);
        MintEscrow other = newEscrow(address(coin));
        coin.mint(treasury, amount);
        vm.prank(treasury);
        coin.approve(address(other), amount);
        vm.prank(executor);
        other.settleBatch(one(alice, amount, REF));
        assertEq(token.balanceOf(alice), amount * scale);
        vm.startPrank(alice);
        token.approve(address(other), type(uint256).max);
        other.redeem(back * scale, alice);
        vm.stopPrank();
        assertEq(coin.balanceOf(alice), back);
        assertEq(token.totalSupply(), coin.balanceOf(address(other)) * scale);
    }

    /// The cap in units of the stablecoin is kept exactly, whatever its decimals and however the day was shared out.
    function testFuzz_TheDailyLimitIsKeptAcrossDecimals(uint8 decimals, uint96 limit, uint96 aside, uint96 amount)
        public
    {
        decimals = uint8(bound(decimals, 0, 18));
        amount = uint96(bound(amount, 1, type(uint96).max));
        MockCoin coin = new MockCoin(decimals);
        MintEscrow other = newEscrow(address(coin));
        coin.mint(treasury, amount);
        vm.prank(treasury);
        coin.approve(address(other), amount);
        other.setLimits(0, limit);
        token.addMinter(address(this));
        token.mint(alice, aside);
        uint256 scale = 10 ** (18 - decimals);
        uint256 cap = Math.min(limit * scale, type(uint96).max);
        bool fits = limit == 0 ? aside + amount * scale <= type(uint128).max : aside + amount * scale <= cap;
        uint256 room = cap > aside ? (cap - aside) / scale : 0;
        assertEq(other.dailyAllowance(alice), limit == 0 ? type(uint256).max : room);
        vm.prank(executor);
        assertEq(other.settleBatch(one(alice, amount, REF)), fits ? 1 : 0);
        assertEq(token.balanceOf(alice), fits ? aside + amount * scale : aside);
    }

    function testFuzz_OnlyCompliantUsersAreMintedTo(uint8 score, bytes32 attestation, bool verified) public {
        score = uint8(bound(score, 0, 100));
        registry.updateUser(alice, score, attestation, verified);
        bool compliant = verified && attestation != 0 && score <= 83;
        assertEq(settle(one(alice, AMOUNT, REF)), compliant ? 1 : 0);
        assertEq(token.balanceOf(alice), compliant ? AMOUNT : 0);
    }

    /// A batch leaves the same state as its items sent one by one, failures included.
    function testFuzz_BatchEqualsTheSequenceOfSingles(uint256 seed, uint8 size) public {
        uint256 count = bound(size, 1, 12);
        disturb(seed);
        bytes32[] memory list = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            address user = user_(seed, i);
            bytes32 ref = bytes32(uint256(keccak256(abi.encode(seed, i, "ref"))) % 16);
            if (stateOf(escrow.computeIntentId(user, ref)) == 0) submit(user, amount_(seed, i), ref);
            list[i] = escrow.computeIntentId(user, ref);
        }
        uint256 start = vm.snapshotState();
        vm.prank(executor);
        escrow.executeMintBatch(list);
        bytes32 together = fingerprint(list);
        vm.revertToState(start);
        for (uint256 i = 0; i < count; ++i) {
            vm.prank(executor);
            try escrow.executeMint(list[i]) {} catch {}
        }
        assertEq(fingerprint(list), together);
    }

    /// settleBatch of many equals settleBatch of each, and what is read back is what was sent.
    function testFuzz_SettlementEqualsTheSequenceOfSingles(uint256 seed, uint8 size) public {
        uint256 count = bound(size, 1, 12);
        disturb(seed);
        IMintEscrowRail.Settlement[] memory items = new IMintEscrowRail.Settlement[](count);
        bytes32[] memory list = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            bytes32 ref = bytes32(uint256(keccak256(abi.encode(seed, i, "ref"))) % 16);
            items[i] = IMintEscrowRail.Settlement(user_(seed, i), amount_(seed, i), ref);
            list[i] = serviceId(ref);
        }
        uint256 start = vm.snapshotState();
        uint256 together = settle(items);
        bytes32 after_ = fingerprint(list);
        readBack(items);
        vm.revertToState(start);
        uint256 singly;
        for (uint256 i = 0; i < count; ++i) {
            singly += settle(one(items[i].user, items[i].amount, items[i].txRef));
        }
        assertEq(singly, together);
        assertEq(fingerprint(list), after_);
        readBack(items);
    }

    function readBack(IMintEscrowRail.Settlement[] memory items) internal view {
        for (uint256 i = 0; i < items.length; ++i) {
            if (stateOf(serviceId(items[i].txRef)) == 0) continue;
            IMintEscrow.MintIntent memory intent = escrow.getIntent(serviceId(items[i].txRef));
            assertEq(intent.txRef, items[i].txRef);
            bool known;
            for (uint256 j = 0; j < items.length; ++j) {
                bool same = items[j].txRef == intent.txRef && items[j].user == intent.user;
                if (same && items[j].amount == intent.amount) known = true;
            }
            assertTrue(known, "read back as sent");
        }
    }

    function disturb(uint256 seed) internal {
        if (seed & 1 != 0) escrow.setLimits(0, uint96(3 * AMOUNT));
        if (seed & 2 != 0) escrow.setRateLimit(1 days, uint208(8 * AMOUNT));
        if (seed & 4 != 0) token.setMinterAllowance(address(escrow), 6 * AMOUNT);
        if (seed & 8 != 0) token.setDenied(bob, true);
        if (seed & 16 != 0) unclear(alice);
    }

    function user_(uint256 seed, uint256 i) internal view returns (address) {
        return uint256(keccak256(abi.encode(seed, i, "user"))) % 2 == 0 ? alice : bob;
    }

    function amount_(uint256 seed, uint256 i) internal pure returns (uint256) {
        return 1 + uint256(keccak256(abi.encode(seed, i, "amount"))) % (2 * AMOUNT);
    }

    function fingerprint(bytes32[] memory list) internal view returns (bytes32) {
        (uint256 pending, uint256 backing, uint256 claimable) = escrow.liabilities(address(usd));
        bytes32 money = keccak256(
            abi.encode(
                token.balanceOf(alice),
                token.balanceOf(bob),
                token.totalSupply(),
                usd.balanceOf(address(escrow)),
                usd.balanceOf(treasury)
            )
        );
        bytes32 room = keccak256(
            abi.encode(
                token.minterAllowance(address(escrow)),
                escrow.dailyAllowance(alice),
                escrow.dailyAllowance(bob),
                escrow.rateAllowance()
            )
        );
        return keccak256(abi.encode(escrow.intentStates(list), pending, backing, claimable, money, room));
    }
}
