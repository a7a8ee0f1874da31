// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {MintEscrow} from "../../src/MintEscrow.sol";
import {RailTest} from "../utils/RailTest.sol";
import {BlockingCoin} from "../mocks/BadTokens.sol";
import {RailHandler} from "./RailHandler.sol";

/// The numbered invariants of the rail. (The batch law, I8, is a fuzz test: EscrowFuzzTest.)
contract RailInvariantTest is RailTest {
    RailHandler internal handler;
    BlockingCoin internal coin;
    MintEscrow internal rail;

    function setUp() public override {
        super.setUp();
        coin = new BlockingCoin();
        rail = newEscrow(address(coin));
        coin.mint(treasury, 1e40);
        vm.prank(treasury);
        coin.approve(address(rail), type(uint256).max);
        handler = new RailHandler(rail, token, registry, manager, coin, address(this), treasury);
        rail.grantRole(rail.EXECUTOR_ROLE(), address(handler));
        rail.grantRole(rail.COMPLIANCE_OFFICER_ROLE(), address(handler));
        registry.addComplianceOfficer(address(handler));
        token.grantRole(token.DENYLISTER_ROLE(), address(handler));
        token.addMinter(address(handler));
        for (uint256 i = 0; i < handler.userCount(); ++i) {
            clear(handler.users(i));
        }
    }

    /// The handler is no stranger to any state: otherwise the invariants would hold for want of events.
    function test_TheHandlerReachesEveryState() public {
        for (uint256 i = 0; i < 400; ++i) {
            uint256 r = uint256(keccak256(abi.encode(i)));
            if (i % 4 == 0) handler.submit(r, r >> 8, r >> 16);
            if (i % 4 == 1) handler.settle(r, r >> 8, r >> 16, r >> 24);
            if (i % 4 == 2) handler.executeBatch(r, r >> 8);
            if (i % 16 == 3) handler.refund(r);
            if (i % 16 == 7) handler.blockIntent(r);
            if (i % 16 == 11) handler.redeem(r, r >> 8);
        }
        uint256[5] memory seen;
        for (uint256 i = 0; i < handler.intentCount(); ++i) {
            ++seen[rail.intentStates(ids(handler.intents(i)))[0]];
        }
        assertTrue(seen[2] > 0 && seen[3] > 0 && seen[4] > 0, "executed, refunded and failed");
        assertTrue(handler.executed() > 0 && handler.redeemed() > 0, "money moved");
    }

    /// forge asks for the contracts to call by this name.
    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// I1: the escrow holds at least what it owes: pending deposits, backing and unclaimed payouts.
    function invariant_I1_BalanceCoversLiabilities() public view {
        (uint256 pending, uint256 backing, uint256 claimable) = rail.liabilities(address(coin));
        assertLe(pending + backing + claimable, coin.balanceOf(address(rail)));
    }

    /// I2: token supply = executed + minted by others - burned.
    function invariant_I2_SupplyIsMintedMinusBurned() public view {
        assertEq(token.totalSupply(), handler.executed() + handler.aside() - handler.burned());
    }

    /// I3: executed, refunded and failed stay so; *forbidden*: any transition out of them.
    function invariant_I3_TerminalStaysTerminal() public view {
        assertFalse(handler.terminalChanged());
    }

    /// I4: nothing executes for a user who is not compliant.
    function invariant_I4_NothingExecutesUncleared() public view {
        assertFalse(handler.mintedUncleared());
    }

    /// I5: the per-mint and daily limits hold when configured, the daily one over everything minted on the day.
    function invariant_I5_CapsHold() public view {
        assertFalse(handler.overCap());
    }

    /// I6: paused, be it escrow, manager or token, means no mint.
    function invariant_I6_PausedMeansNoMint() public view {
        assertFalse(handler.mintedHalted());
    }

    /// I7: pending is the sum of the pending intents; backing is what was executed less what was redeemed.
    function invariant_I7_LiabilitiesMatchTheIntents() public view {
        uint256 sum;
        for (uint256 i = 0; i < handler.intentCount(); ++i) {
            bytes32 id = handler.intents(i);
            if (rail.intentStates(ids(id))[0] == 1) sum += rail.getIntent(id).amount;
        }
        (uint256 pending, uint256 backing,) = rail.liabilities(address(coin));
        assertEq(pending, sum);
        assertEq(backing, handler.executed() - handler.redeemed());
    }

    /// I9: the balances are the supply.
    function invariant_I9_BalancesSumToTheSupply() public view {
        uint256 sum;
        for (uint256 i = 0; i < handler.userCount(); ++i) {
            sum += token.balanceOf(handler.users(i));
        }
        assertEq(sum, token.totalSupply());
    }

    /// I10: the day's sum that the token keeps for a holder is what was minted to them today.
    function invariant_I10_TheSumOfTheDayIsWhatWasMinted() public view {
        for (uint256 i = 0; i < handler.userCount(); ++i) {
            address user = handler.users(i);
            assertEq(token.mintedToday(user), handler.countedOn(user, block.timestamp / 1 days));
        }
    }
}
