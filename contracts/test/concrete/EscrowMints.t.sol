// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {MintEscrow} from "../../src/MintEscrow.sol";
import {ICountryToken} from "../../src/interfaces/ICountryToken.sol";
import {IMintEscrow, IMintEscrowRail, RailTest, SkipCodes} from "../utils/RailTest.sol";
import {MockCoin} from "../mocks/BadTokens.sol";

/// executeMint
/// ├── when the caller is no executor, the id is unknown or terminal: reverts
/// ├── when the user is not compliant, a limit is hit or the token refuses: reverts, the intent stays pending
/// └── otherwise: executed, minted, pending becomes backing
/// executeMintBatch: the same, but a bad item is skipped with its code (settleBatch: EscrowSettlements.t.sol)
contract EscrowMintsTest is RailTest {
    function execute(bytes32 id) internal {
        vm.prank(executor);
        escrow.executeMint(id);
    }

    function executeBatch(bytes32[] memory list) internal returns (uint256) {
        vm.prank(executor);
        return escrow.executeMintBatch(list);
    }

    // ---------------------------------------------------------------------------------------------- executeMint

    function test_ExecuteMintsToTheUser() public {
        bytes32 id = submit(alice, AMOUNT, REF);
        vm.expectEmit(address(escrow));
        emit IMintEscrow.MintExecuted(id, alice, AMOUNT, KES, REF);
        execute(id);
        assertEq(token.balanceOf(alice), AMOUNT);
        assertEq(token.balanceOf(executor), 0);
        assertStatus(id, IMintEscrow.MintStatus.Executed);
        assertEq(stateOf(id), 2);
        assertLiabilities(0, AMOUNT, 0);
        assertEq(escrow.getIntent(id).timestamp, block.timestamp);
    }

    function test_RevertWhen_ExecuteByStranger() public {
        bytes32 id = submit(alice, AMOUNT, REF);
        bytes32 role = escrow.EXECUTOR_ROLE();
        vm.startPrank(stranger);
        expectUnauthorized(stranger, role);
        escrow.executeMint(id);
        expectUnauthorized(stranger, role);
        escrow.executeMintBatch(ids(id));
        expectUnauthorized(stranger, role);
        escrow.settleBatch(one(alice, AMOUNT, REF));
        vm.stopPrank();
    }

    function test_RevertWhen_ExecuteUnknown() public {
        vm.expectRevert(IMintEscrow.IntentNotFound.selector);
        execute("nothing");
    }

    function test_RevertWhen_ExecuteTwice() public {
        bytes32 id = submit(alice, AMOUNT, REF);
        execute(id);
        vm.expectRevert(IMintEscrow.IntentAlreadyExecuted.selector);
        execute(id);
    }

    function test_RevertWhen_ExecuteRefunded() public {
        bytes32 id = submit(alice, AMOUNT, REF);
        vm.prank(executor);
        escrow.refundIntent(id, "");
        vm.expectRevert(IMintEscrow.IntentAlreadyExecuted.selector);
        execute(id);
    }

    function test_RevertWhen_UserIsNotCompliant() public {
        bytes32 id = submit(alice, AMOUNT, REF);
        unclear(alice);
        vm.expectRevert(IMintEscrow.UserNotCompliant.selector);
        execute(id);
        assertStatus(id, IMintEscrow.MintStatus.Pending);
        clear(alice);
        execute(id);
    }

    function test_RevertWhen_PerMintLimitWasLowered() public {
        bytes32 id = submit(alice, AMOUNT, REF);
        escrow.setLimits(uint96(AMOUNT - 1), 0);
        vm.expectRevert(IMintEscrowRail.OverPerMintLimit.selector);
        execute(id);
        expectSkip(id, SkipCodes.OVER_PER_MINT_LIMIT);
        assertEq(executeBatch(ids(id)), 0);
        escrow.setLimits(uint96(AMOUNT), 0);
        execute(id);
    }

    function test_RevertWhen_DailyLimitIsUsedUp() public {
        escrow.setLimits(0, uint96(AMOUNT + 1));
        execute(submit(alice, AMOUNT, REF));
        assertEq(escrow.dailyAllowance(alice), 1);
        bytes32 id = submit(alice, 2, REF_2);
        vm.expectRevert(IMintEscrowRail.OverDailyLimit.selector);
        execute(id);
        execute(submit(alice, 1, REF_3));
        assertEq(escrow.dailyAllowance(alice), 0);
        execute(submit(bob, AMOUNT + 1, REF));
        vm.warp((block.timestamp / 1 days + 1) * 1 days - 1);
        vm.expectRevert(IMintEscrowRail.OverDailyLimit.selector);
        execute(id);
        vm.warp(block.timestamp + 1);
        assertEq(escrow.dailyAllowance(alice), AMOUNT + 1);
        execute(id);
        escrow.setLimits(0, 1);
        assertEq(escrow.dailyAllowance(alice), 0);
        escrow.setLimits(0, 0);
        assertEq(escrow.dailyAllowance(alice), type(uint256).max);
    }

    function test_TheDailyLimitCountsWhatWasMintedBeforeItWasSet() public {
        settle(one(alice, AMOUNT, REF));
        assertEq(escrow.dailyAllowance(alice), type(uint256).max);
        escrow.setLimits(0, uint96(AMOUNT + 1));
        assertEq(escrow.dailyAllowance(alice), 1);
        expectSkip(serviceId(REF_2), SkipCodes.OVER_DAILY_LIMIT);
        assertEq(settle(two(alice, 2, REF_2, alice, 1, REF_3)), 1);
    }

    function test_TheDailyLimitCountsOtherMintersToo() public {
        escrow.setLimits(0, uint96(AMOUNT));
        token.addMinter(stranger);
        vm.prank(stranger);
        token.mint(alice, AMOUNT - 1);
        assertEq(escrow.dailyAllowance(alice), 1);
        MintEscrow successor = newEscrow(address(usd));
        successor.setLimits(0, uint96(AMOUNT));
        assertEq(successor.dailyAllowance(alice), 1);
        expectSkip(serviceId(REF), SkipCodes.OVER_DAILY_LIMIT);
        assertEq(settle(two(alice, 2, REF, alice, 1, REF_2)), 1);
    }

    function test_BurningAndPassingOnGiveNoRoomBack() public {
        escrow.setLimits(0, uint96(AMOUNT));
        settle(one(alice, AMOUNT, REF));
        vm.startPrank(alice);
        token.transfer(bob, AMOUNT / 4);
        token.burn(AMOUNT / 4);
        token.approve(address(escrow), AMOUNT / 4);
        escrow.redeem(AMOUNT / 4, alice);
        vm.stopPrank();
        assertEq(escrow.dailyAllowance(alice), 0);
        assertEq(escrow.dailyAllowance(bob), AMOUNT);
        expectSkip(serviceId(REF_2), SkipCodes.OVER_DAILY_LIMIT);
        assertEq(settle(one(alice, 1, REF_2)), 0);
    }

    function test_TheDailyLimitIsOfStablecoinUnits() public {
        MockCoin coin = new MockCoin(6);
        escrow.setStablecoin(address(coin));
        coin.mint(treasury, 10);
        vm.prank(treasury);
        coin.approve(address(escrow), 10);
        escrow.setLimits(0, 5);
        expectSkip(serviceId(REF), SkipCodes.OVER_DAILY_LIMIT);
        assertEq(settle(two(alice, 6, REF, alice, 4, REF_2)), 1);
        assertEq(token.balanceOf(alice), 4e12);
        assertEq(escrow.dailyAllowance(alice), 1);
        // Less than a unit is no room.
        token.addMinter(stranger);
        vm.prank(stranger);
        token.mint(alice, 1);
        assertEq(escrow.dailyAllowance(alice), 0);
        expectSkip(serviceId(REF_3), SkipCodes.OVER_DAILY_LIMIT);
        assertEq(settle(one(alice, 1, REF_3)), 0);
    }

    /// A limit that scaled up has more bits than the token's sum still holds, at the greatest sum.
    function test_ADailyLimitTooLargeForTheSumStillHolds() public {
        MockCoin coin = new MockCoin(0);
        escrow.setStablecoin(address(coin));
        coin.mint(treasury, type(uint96).max);
        vm.prank(treasury);
        coin.approve(address(escrow), type(uint96).max);
        escrow.setLimits(0, type(uint96).max);
        uint256 most = type(uint96).max / 1e18;
        assertEq(escrow.dailyAllowance(alice), most);
        expectSkip(serviceId(REF), SkipCodes.OVER_DAILY_LIMIT);
        assertEq(settle(two(alice, most + 1, REF, alice, most, REF_2)), 1);
        assertEq(escrow.dailyAllowance(alice), 0);
    }

    function test_AnAmountBeyondTheSupplyIsRefusedAndRefundable() public {
        MockCoin coin = new MockCoin(0);
        escrow.setStablecoin(address(coin));
        coin.mint(alice, type(uint96).max);
        vm.startPrank(alice);
        coin.approve(address(escrow), type(uint96).max);
        bytes32 id = escrow.submitIntent(type(uint96).max, KES, REF);
        vm.stopPrank();
        expectSkip(id, SkipCodes.TOKEN_REFUSED);
        assertEq(executeBatch(ids(id)), 0);
        vm.prank(executor);
        escrow.refundIntent(id, "");
        assertEq(coin.balanceOf(alice), type(uint96).max);
    }

    function test_OfTwoLimitsTheDailyOneIsTold() public {
        escrow.setLimits(0, uint96(AMOUNT));
        escrow.setRateLimit(1 days, uint208(AMOUNT));
        expectSkip(serviceId(REF), SkipCodes.OVER_DAILY_LIMIT);
        settle(one(alice, AMOUNT + 1, REF));
        settle(one(alice, AMOUNT, REF_2));
        expectSkip(serviceId(REF), SkipCodes.RATE_LIMITED);
        settle(one(bob, AMOUNT, REF));
        bytes32 id = submit(alice, 1, REF);
        vm.expectRevert(IMintEscrowRail.OverDailyLimit.selector);
        execute(id);
        // At once as much as the day leaves room for: the rate alone is in the way.
        escrow.setLimits(0, uint96(AMOUNT + 1));
        vm.expectRevert(IMintEscrowRail.RateLimited.selector);
        execute(id);
    }

    function test_TheRateHoldsWithinABatchAndAcrossThem() public {
        escrow.setRateLimit(1 days, uint208(2 * AMOUNT));
        expectSkip(serviceId(REF_2), SkipCodes.RATE_LIMITED);
        assertEq(settle(two(alice, AMOUNT, REF, bob, AMOUNT + 1, REF_2)), 1);
        assertEq(escrow.rateAllowance(), AMOUNT);
        bytes32[] memory list = ids(submit(alice, AMOUNT - 1, REF), submit(bob, 2, REF));
        expectSkip(list[1], SkipCodes.RATE_LIMITED);
        assertEq(executeBatch(list), 1);
        assertEq(escrow.rateAllowance(), 1);
    }

    function test_RevertWhen_TheRateIsUsedUp() public {
        assertEq(escrow.rateAllowance(), type(uint256).max);
        escrow.setRateLimit(100, uint208(AMOUNT));
        execute(submit(alice, AMOUNT, REF));
        assertEq(escrow.rateAllowance(), 0);
        bytes32 id = submit(bob, AMOUNT / 2, REF);
        vm.expectRevert(IMintEscrowRail.RateLimited.selector);
        execute(id);
        vm.warp(block.timestamp + 49);
        vm.expectRevert(IMintEscrowRail.RateLimited.selector);
        execute(id);
        vm.warp(block.timestamp + 1);
        assertEq(escrow.rateAllowance(), AMOUNT / 2);
        execute(id);
        escrow.setRateLimit(100, uint208(AMOUNT));
        assertEq(escrow.rateAllowance(), AMOUNT);
    }

    function test_RevertWhen_TheTokenRefuses() public {
        bytes32 id = submit(alice, AMOUNT, REF);
        token.setDenied(alice, true);
        vm.expectRevert(abi.encodeWithSelector(ICountryToken.AccountDenied.selector, alice));
        execute(id);
        token.setMinterAllowance(address(escrow), AMOUNT - 1);
        token.setDenied(alice, false);
        vm.expectRevert(
            abi.encodeWithSelector(ICountryToken.MinterAllowanceExceeded.selector, address(escrow), AMOUNT - 1, AMOUNT)
        );
        execute(id);
        assertStatus(id, IMintEscrow.MintStatus.Pending);
    }

    function test_RevertWhen_TheMintFailsWithoutAReason() public {
        bytes32 id = submit(alice, AMOUNT, REF);
        vm.mockCallRevert(address(token), abi.encodeWithSelector(ICountryToken.mint.selector), "");
        vm.mockCallRevert(address(token), abi.encodeWithSelector(ICountryToken.mintWithin.selector), "");
        vm.expectRevert(IMintEscrowRail.MintCallFailed.selector);
        execute(id);
        vm.prank(executor);
        vm.expectRevert(IMintEscrowRail.MintCallFailed.selector);
        escrow.settleBatch(one(alice, AMOUNT, REF_2));
        escrow.setLimits(0, uint96(AMOUNT));
        vm.expectRevert(IMintEscrowRail.MintCallFailed.selector);
        execute(id);
    }

    // ----------------------------------------------------------------------------------------- executeMintBatch

    function test_ExecuteBatchSkipsBadItems() public {
        address carol = makeAddr("carol");
        clear(carol);
        usd.mint(carol, AMOUNT);
        vm.prank(carol);
        usd.approve(address(escrow), AMOUNT);
        bytes32[] memory list = new bytes32[](6);
        list[0] = submit(alice, AMOUNT, REF);
        list[1] = submit(bob, AMOUNT, REF);
        list[2] = submit(carol, AMOUNT, REF);
        list[3] = list[0];
        list[4] = submit(alice, 2 * AMOUNT, REF_2);
        list[5] = "nothing";
        unclear(bob);
        token.setDenied(carol, true);
        expectSkip(list[1], SkipCodes.NOT_COMPLIANT);
        expectSkip(list[2], SkipCodes.TOKEN_REFUSED);
        expectSkip(list[3], SkipCodes.NOT_PENDING);
        expectSkip(list[5], SkipCodes.NOT_PENDING);
        assertEq(executeBatch(list), 2);
        assertEq(token.balanceOf(alice), 3 * AMOUNT);
        assertStatus(list[1], IMintEscrow.MintStatus.Pending);
        assertStatus(list[2], IMintEscrow.MintStatus.Pending);
        assertLiabilities(2 * AMOUNT, 3 * AMOUNT, 0);
    }
}
