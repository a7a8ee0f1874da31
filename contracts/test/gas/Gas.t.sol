// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {IMintEscrowRail, RailTest} from "../utils/RailTest.sol";

/// @notice Gas per intent in batches of 100, every user a new holder, every control on that is on by default plus a
///         finite minter allowance. Medians of five batches after a first one. Isolated: each call is a transaction of its
///         own with cold storage and its intrinsic cost.
/// forge-config: default.isolate = true
contract GasTest is RailTest {
    uint256 internal constant BATCH = 100;
    uint256 internal constant ROUNDS = 5;

    uint256 internal constant SUBMIT_FOR_GOAL = 80_000;
    uint256 internal constant EXECUTE_BATCH_GOAL = 50_000;
    uint256 internal constant SETTLE_GOAL = 75_000;

    uint256 private _users;

    function setUp() public override {
        super.setUp();
        token.setMinterAllowance(address(escrow), 1e36);
        settle(batch(1));
        IMintEscrowRail.Settlement[] memory items = batch(1);
        vm.prank(executor);
        escrow.submitIntentsFor(items);
    }

    function test_GasSettleBatch() public {
        record("settleBatch per intent, batch 100", median(settlements()), SETTLE_GOAL);
    }

    function test_GasSubmitIntentsForThenExecuteMintBatch() public {
        uint256[] memory submits = new uint256[](ROUNDS);
        uint256[] memory executions = new uint256[](ROUNDS);
        for (uint256 i = 0; i < ROUNDS; ++i) {
            IMintEscrowRail.Settlement[] memory items = batch(BATCH);
            bytes32[] memory list = new bytes32[](BATCH);
            for (uint256 j = 0; j < BATCH; ++j) {
                list[j] = serviceId(items[j].txRef);
            }
            vm.prank(executor);
            escrow.submitIntentsFor(items);
            submits[i] = spent() / BATCH;
            vm.prank(executor);
            escrow.executeMintBatch(list);
            executions[i] = spent() / BATCH;
        }
        record("submitIntentsFor per intent, batch 100", median(submits), SUBMIT_FOR_GOAL);
        record("executeMintBatch per intent, batch 100", median(executions), EXECUTE_BATCH_GOAL);
    }

    function test_GasSettleBatchWithEveryLimit() public {
        escrow.setLimits(1e24, 1e24);
        escrow.setRateLimit(1 days, 1e30);
        settle(batch(1));
        record("settleBatch per intent, batch 100, every limit on", median(settlements()), SETTLE_GOAL);
    }

    function test_GasSingles() public {
        uint256[] memory submits = new uint256[](ROUNDS);
        uint256[] memory executions = new uint256[](ROUNDS);
        uint256[] memory settled = new uint256[](ROUNDS);
        for (uint256 i = 0; i < ROUNDS; ++i) {
            IMintEscrowRail.Settlement[] memory items = batch(1);
            address user = items[0].user;
            usd.mint(user, AMOUNT);
            vm.prank(user);
            usd.approve(address(escrow), AMOUNT);
            vm.prank(user);
            bytes32 id = escrow.submitIntent(AMOUNT, KES, REF);
            submits[i] = spent();
            vm.prank(executor);
            escrow.executeMint(id);
            executions[i] = spent();
            items = batch(1);
            vm.prank(executor);
            escrow.settleBatch(items);
            settled[i] = spent();
        }
        // The reference implementation, measured: 178,187 and 132,749.
        record("submitIntent", median(submits), 178_187);
        record("executeMint", median(executions), 132_749);
        record("settleBatch of one", median(settled), 310_936);
    }

    /// Most of all what a holder pays for. The bounds are the figures with balance and denylist in a word each.
    function test_GasToken() public {
        address minter = makeAddr("minter");
        token.addMinter(minter);
        vm.prank(minter);
        token.mint(alice, AMOUNT);
        record("token mint to a new holder", spent(), 62_498);
        vm.prank(minter);
        token.mint(alice, AMOUNT);
        record("token mint to a holder", spent(), 45_398);
        vm.prank(alice);
        token.transfer(bob, AMOUNT / 4);
        record("token transfer to a new holder", spent(), 58_465);
        vm.prank(alice);
        token.transfer(bob, AMOUNT / 4);
        record("token transfer to a holder", spent(), 41_365);
        vm.prank(alice);
        token.burn(AMOUNT / 4);
        record("token burn", spent(), 38_414);
    }

    function settlements() internal returns (uint256[] memory samples) {
        samples = new uint256[](ROUNDS);
        for (uint256 i = 0; i < ROUNDS; ++i) {
            IMintEscrowRail.Settlement[] memory items = batch(BATCH);
            vm.prank(executor);
            escrow.settleBatch(items);
            samples[i] = spent() / BATCH;
        }
    }

    function batch(uint256 size) internal returns (IMintEscrowRail.Settlement[] memory items) {
        items = new IMintEscrowRail.Settlement[](size);
        for (uint256 i = 0; i < size; ++i) {
            bytes32 seed = keccak256(abi.encode("user", _users++));
            address user = address(uint160(uint256(seed)));
            clear(user);
            items[i] = IMintEscrowRail.Settlement({user: user, amount: 1_234_500_000_000_000_000_000, txRef: seed});
        }
    }

    function spent() internal view returns (uint256 total) {
        (, total,,,) = vm.lastCallGas();
    }

    function record(string memory name, uint256 value, uint256 goal) internal {
        vm.snapshotValue("Rail", name, value);
        assertLe(value, goal);
    }

    function median(uint256[] memory samples) internal pure returns (uint256) {
        for (uint256 i = 1; i < samples.length; ++i) {
            for (uint256 j = i; j > 0 && samples[j] < samples[j - 1]; --j) {
                (samples[j], samples[j - 1]) = (samples[j - 1], samples[j]);
            }
        }
        return samples[samples.length / 2];
    }
}
