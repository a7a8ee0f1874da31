// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {BlockingCoin} from "../mocks/BadTokens.sol";
import {IMintEscrowRail, RailTest} from "../utils/RailTest.sol";
import {MintEscrow} from "../../src/MintEscrow.sol";

/// blockClaim: what could not be pushed to an account that is denied goes to the blocked account
/// ├── when the caller is no officer, or there is no blocked account: refused
/// ├── when the account is not denied, or is owed nothing: refused
/// └── otherwise: paid, or claimable by the blocked account when the coin refuses that one too
contract EscrowBlockedClaimsTest is RailTest {
    BlockingCoin internal coin;
    MintEscrow internal rail;

    function setUp() public override {
        super.setUp();
        coin = new BlockingCoin();
        rail = newEscrow(address(coin));
        coin.mint(alice, AMOUNT);
        vm.startPrank(alice);
        coin.approve(address(rail), AMOUNT);
        bytes32 id = rail.submitIntent(AMOUNT, KES, REF);
        vm.stopPrank();
        coin.setBlocked(alice, true);
        vm.prank(executor);
        rail.refundIntent(id, "");
        coin.setBlocked(alice, false);
        token.setDenied(alice, true);
    }

    function assertOwed(address account, uint256 amount) internal view {
        assertEq(rail.claimableOf(address(coin), account), amount);
        (uint256 pending, uint256 backing, uint256 claimable) = rail.liabilities(address(coin));
        assertEq(pending + backing, 0);
        assertEq(claimable, amount);
        assertEq(coin.balanceOf(address(rail)), amount);
    }

    function test_ADeniedAccountsClaimGoesToTheBlockedAccount() public {
        assertOwed(alice, AMOUNT);
        vm.expectEmit(address(rail));
        emit IMintEscrowRail.ClaimBlocked(alice, address(coin), AMOUNT, "sanctions");
        vm.prank(officer);
        assertEq(rail.blockClaim(address(coin), alice, "sanctions"), AMOUNT);
        assertEq(coin.balanceOf(blocked), AMOUNT);
        assertOwed(alice, 0);
        token.setDenied(alice, false);
        vm.prank(alice);
        vm.expectRevert(IMintEscrowRail.NothingToClaim.selector);
        rail.claim(address(coin), alice);
    }

    function test_ItWorksWhilePaused() public {
        rail.pause();
        vm.prank(officer);
        assertEq(rail.blockClaim(address(coin), alice, ""), AMOUNT);
    }

    function test_ABlockedAccountThatTheCoinRefusesIsOwedIt() public {
        coin.setBlocked(blocked, true);
        vm.prank(officer);
        rail.blockClaim(address(coin), alice, "");
        assertOwed(blocked, AMOUNT);
        assertEq(rail.claimableOf(address(coin), alice), 0);
    }

    function test_RevertWhen_TheAccountIsNotDenied() public {
        token.setDenied(alice, false);
        vm.prank(officer);
        vm.expectRevert(IMintEscrowRail.AccountNotDenied.selector);
        rail.blockClaim(address(coin), alice, "");
        assertOwed(alice, AMOUNT);
    }

    function test_RevertWhen_NothingIsOwed() public {
        token.setDenied(bob, true);
        vm.startPrank(officer);
        vm.expectRevert(IMintEscrowRail.NothingToClaim.selector);
        rail.blockClaim(address(coin), bob, "");
        vm.expectRevert(IMintEscrowRail.NothingToClaim.selector);
        rail.blockClaim(address(usd), alice, "");
        vm.stopPrank();
    }

    function test_RevertWhen_TheCallerIsNoOfficer() public {
        bytes32 role = rail.COMPLIANCE_OFFICER_ROLE();
        address[3] memory others = [executor, guardian, address(this)];
        for (uint256 i = 0; i < others.length; ++i) {
            vm.prank(others[i]);
            expectUnauthorized(others[i], role);
            rail.blockClaim(address(coin), alice, "");
        }
        rail.setBlockedAccount(address(0));
        vm.prank(officer);
        vm.expectRevert(IMintEscrowRail.BlockedAccountUnset.selector);
        rail.blockClaim(address(coin), alice, "");
    }
}
