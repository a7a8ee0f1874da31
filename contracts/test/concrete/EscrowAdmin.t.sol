// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {MintEscrow} from "../../src/MintEscrow.sol";
import {UserRegistry} from "../../src/UserRegistry.sol";
import {IMintEscrow, IMintEscrowRail, RailTest} from "../utils/RailTest.sol";
import {MockCoin} from "../mocks/BadTokens.sol";

/// MintEscrow, construction and administration: every setter is the admin's; the guardian pauses and nothing else.
contract EscrowAdminTest is RailTest {
    function test_InitialStateAndRoles() public view {
        assertEq(address(escrow.usdStablecoin()), address(usd));
        assertEq(address(escrow.countryToken()), address(token));
        assertEq(address(escrow.userRegistry()), address(registry));
        assertEq(escrow.countryCode(), KES);
        assertTrue(escrow.hasRole(escrow.DEFAULT_ADMIN_ROLE(), address(this)));
        assertTrue(escrow.hasRole(keccak256("EXECUTOR_ROLE"), address(this)));
        assertFalse(escrow.hasRole(keccak256("GUARDIAN_ROLE"), address(this)));
        assertEq(escrow.refundTimeoutSeconds(), 7 days);
        assertEq(escrow.scale(), 1);
        assertEq(escrow.defaultAdminDelay(), 1 days);
        (uint256 perMint, uint256 daily) = escrow.limits();
        assertEq(perMint + daily, 0);
    }

    function test_TheContractFitsTheSizeLimit() public view {
        assertLe(address(escrow).code.length, 24_576);
        assertLe(address(token).code.length, 24_576);
        assertLe(address(registry).code.length, 24_576);
    }

    function test_RevertWhen_ConstructedWithNonsense() public {
        vm.expectRevert(IMintEscrowRail.InvalidAddress.selector);
        new MintEscrow(stranger, address(token), address(registry), KES);
        vm.expectRevert(IMintEscrowRail.InvalidAddress.selector);
        new MintEscrow(address(usd), stranger, address(registry), KES);
        vm.expectRevert(IMintEscrowRail.InvalidAddress.selector);
        new MintEscrow(address(usd), address(token), stranger, KES);
        vm.expectRevert(IMintEscrow.InvalidCountryCode.selector);
        new MintEscrow(address(usd), address(token), address(registry), 0);
        vm.expectRevert(IMintEscrowRail.InvalidAddress.selector);
        new MintEscrow(address(token), address(token), address(registry), KES);
        address precise = address(new MockCoin(19));
        vm.expectRevert(IMintEscrowRail.UnsupportedDecimals.selector);
        new MintEscrow(precise, address(token), address(registry), KES);
    }

    function test_StablecoinWithoutDecimalsWorks() public {
        MintEscrow other = new MintEscrow(address(new MockCoin(0)), address(token), address(registry), KES);
        assertEq(other.scale(), 1e18);
    }

    function test_RevertWhen_StrangerAdministers() public {
        bytes32 guardianRole = escrow.GUARDIAN_ROLE();
        vm.startPrank(stranger);
        expectUnauthorized(stranger, guardianRole);
        escrow.pause();
        expectUnauthorized(stranger, bytes32(0));
        escrow.unpause();
        expectUnauthorized(stranger, bytes32(0));
        escrow.setUserRegistry(address(registry));
        expectUnauthorized(stranger, bytes32(0));
        escrow.setStablecoin(address(usd));
        expectUnauthorized(stranger, bytes32(0));
        escrow.setComplianceManager(address(0));
        expectUnauthorized(stranger, bytes32(0));
        escrow.setTreasury(stranger);
        expectUnauthorized(stranger, bytes32(0));
        escrow.setBlockedAccount(stranger);
        expectUnauthorized(stranger, bytes32(0));
        escrow.setRefundTimeout(1 hours);
        expectUnauthorized(stranger, bytes32(0));
        escrow.setLimits(1, 1);
        expectUnauthorized(stranger, bytes32(0));
        escrow.setRateLimit(1, 1);
        expectUnauthorized(stranger, bytes32(0));
        escrow.rescue(address(usd), stranger, 0);
        vm.stopPrank();
    }

    function test_GuardianPausesAndCannotUnpause() public {
        vm.startPrank(guardian);
        escrow.pause();
        assertTrue(escrow.paused());
        expectUnauthorized(guardian, bytes32(0));
        escrow.unpause();
        vm.stopPrank();
        escrow.unpause();
        assertFalse(escrow.paused());
        assertFalse(escrow.halted());
        escrow.pause();
        assertTrue(escrow.halted());
    }

    function test_SetUserRegistry() public {
        UserRegistry other = new UserRegistry();
        vm.expectEmit(address(escrow));
        emit IMintEscrowRail.UserRegistryChanged(address(other));
        escrow.setUserRegistry(address(other));
        assertEq(address(escrow.userRegistry()), address(other));
        assertEq(settle(one(alice, AMOUNT, REF)), 0);
        vm.expectRevert(IMintEscrowRail.InvalidAddress.selector);
        escrow.setUserRegistry(stranger);
    }

    function test_SetStablecoinIsRefusedWhileDepositsArePending() public {
        MockCoin coin = new MockCoin(6);
        bytes32 id = submit(alice, AMOUNT, REF);
        vm.expectRevert(IMintEscrowRail.DepositsPending.selector);
        escrow.setStablecoin(address(coin));
        vm.prank(executor);
        escrow.refundIntent(id, "");
        vm.expectEmit(address(escrow));
        emit IMintEscrowRail.StablecoinChanged(address(coin), 1e12);
        escrow.setStablecoin(address(coin));
        assertEq(address(escrow.usdStablecoin()), address(coin));
        assertEq(escrow.scale(), 1e12);
        assertEq(escrow.getIntentStablecoin(id), address(usd));
        vm.expectRevert(IMintEscrowRail.InvalidAddress.selector);
        escrow.setStablecoin(stranger);
    }

    function test_SettersEmitAndStore() public {
        vm.expectEmit(address(escrow));
        emit IMintEscrowRail.ComplianceManagerChanged(address(0));
        escrow.setComplianceManager(address(0));
        assertEq(escrow.complianceManager(), address(0));
        vm.expectEmit(address(escrow));
        emit IMintEscrowRail.ComplianceManagerChanged(address(manager));
        escrow.setComplianceManager(address(manager));
        vm.expectEmit(address(escrow));
        emit IMintEscrowRail.TreasuryChanged(bob);
        escrow.setTreasury(bob);
        assertEq(escrow.treasury(), bob);
        vm.expectEmit(address(escrow));
        emit IMintEscrowRail.BlockedAccountChanged(bob);
        escrow.setBlockedAccount(bob);
        assertEq(escrow.blockedAccount(), bob);
        vm.expectEmit(address(escrow));
        emit IMintEscrowRail.RefundTimeoutChanged(1 hours);
        escrow.setRefundTimeout(1 hours);
        assertEq(escrow.refundTimeoutSeconds(), 1 hours);
        escrow.setRefundTimeout(30 days);
        vm.expectEmit(address(escrow));
        emit IMintEscrowRail.LimitsChanged(3, 4);
        escrow.setLimits(3, 4);
        (uint256 perMint, uint256 daily) = escrow.limits();
        assertEq(perMint, 3);
        assertEq(daily, 4);
        vm.expectEmit(address(escrow));
        emit IMintEscrowRail.RateLimitChanged(5, 6);
        escrow.setRateLimit(5, 6);
        assertEq(escrow.rateAllowance(), 6);
    }

    function test_RevertWhen_SettersGetNonsense() public {
        vm.expectRevert(IMintEscrowRail.InvalidAddress.selector);
        escrow.setComplianceManager(stranger);
        vm.expectRevert(IMintEscrowRail.InvalidAddress.selector);
        escrow.setTreasury(address(escrow));
        vm.expectRevert(IMintEscrowRail.InvalidAddress.selector);
        escrow.setBlockedAccount(address(escrow));
        vm.expectRevert(IMintEscrowRail.InvalidTimeout.selector);
        escrow.setRefundTimeout(1 hours - 1);
        vm.expectRevert(IMintEscrowRail.InvalidTimeout.selector);
        escrow.setRefundTimeout(30 days + 1);
    }

    function test_RescueReachesOnlyWhatNobodyIsOwed() public {
        submit(alice, AMOUNT, REF);
        settle(one(bob, AMOUNT, REF));
        usd.mint(address(escrow), 5);
        vm.expectRevert(IMintEscrowRail.InsufficientSurplus.selector);
        escrow.rescue(address(usd), stranger, 6);
        vm.expectEmit(address(escrow));
        emit IMintEscrowRail.Rescued(address(usd), stranger, 5);
        escrow.rescue(address(usd), stranger, 5);
        assertEq(usd.balanceOf(stranger), 5);
        vm.expectRevert(IMintEscrowRail.InsufficientSurplus.selector);
        escrow.rescue(address(usd), stranger, 1);
    }

    function test_RescueLeavesClaimsAlone() public {
        bytes32 id = submit(alice, AMOUNT, REF);
        vm.mockCallRevert(address(usd), abi.encodeWithSignature("transfer(address,uint256)", alice, AMOUNT), "refused");
        vm.prank(executor);
        escrow.refundIntent(id, "");
        vm.clearMockedCalls();
        assertLiabilities(0, 0, AMOUNT);
        vm.expectRevert(IMintEscrowRail.InsufficientSurplus.selector);
        escrow.rescue(address(usd), stranger, 1);
    }

    function test_UnknownIntentsAreNeverPending() public {
        vm.expectRevert(IMintEscrow.IntentNotFound.selector);
        escrow.getIntentStatus("nothing");
        vm.expectRevert(IMintEscrow.IntentNotFound.selector);
        escrow.getIntent("nothing");
        vm.expectRevert(IMintEscrow.IntentNotFound.selector);
        escrow.getPayer("nothing");
        vm.expectRevert(IMintEscrow.IntentNotFound.selector);
        escrow.getIntentStablecoin("nothing");
        assertEq(stateOf("nothing"), 0);
    }
}
