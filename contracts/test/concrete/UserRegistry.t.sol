// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {UserRegistry, UserRegistryWithMaximum} from "../../src/UserRegistry.sol";
import {IUserRegistry} from "../../src/interfaces/IUserRegistry.sol";
import {Test} from "../utils/Test.sol";

/// UserRegistry
/// ├── updateUser
/// │   ├── when the caller is no officer: reverts
/// │   ├── when the user is zero or the score is above 100: reverts
/// │   └── otherwise: replaces the record and emits
/// ├── isCompliant: verified, attested, score at most the maximum, each alone decides
/// ├── removeUser: erases; reverts for an unknown user
/// └── admin: two steps and a day
contract UserRegistryTest is Test {
    bytes32 internal constant KYC = keccak256("kyc");
    address internal constant USER = address(0xA11CE);
    address internal constant OTHER = address(0xB0B);

    UserRegistry internal registry;

    function setUp() public {
        vm.warp(1_700_000_000);
        registry = new UserRegistry();
        registry.addComplianceOfficer(address(this));
    }

    function test_RevertWhen_UpdateUserByStranger() public {
        vm.prank(OTHER);
        vm.expectRevert(IUserRegistry.Unauthorized.selector);
        registry.updateUser(USER, 1, KYC, true);
    }

    function test_RevertWhen_UpdateUserAfterOfficerRemoved() public {
        registry.removeComplianceOfficer(address(this));
        vm.expectRevert(IUserRegistry.Unauthorized.selector);
        registry.updateUser(USER, 1, KYC, true);
    }

    function test_RevertWhen_UserIsZero() public {
        vm.expectRevert(IUserRegistry.UserNotFound.selector);
        registry.updateUser(address(0), 1, KYC, true);
    }

    function test_RevertWhen_ScoreAbove100() public {
        registry.updateUser(USER, 100, KYC, true);
        vm.expectRevert(IUserRegistry.InvalidRiskScore.selector);
        registry.updateUser(USER, 101, KYC, true);
    }

    function test_UpdateUserReplacesTheRecordAndEmits() public {
        registry.updateUser(USER, 1, bytes32(0), false);
        vm.warp(block.timestamp + 9);
        vm.expectEmit(address(registry));
        emit IUserRegistry.UserComplianceUpdated(USER, 7, KYC, true);
        registry.updateUser(USER, 7, KYC, true);
        IUserRegistry.UserCompliance memory record = registry.getUser(USER);
        assertEq(record.riskScore, 7);
        assertEq(record.attestationHash, KYC);
        assertEq(record.lastUpdated, block.timestamp);
        assertTrue(record.isVerified);
        assertEq(registry.getRiskScore(USER), 7);
        assertEq(registry.getAttestationHash(USER), KYC);
        assertTrue(registry.isRegistered(USER));
    }

    function test_UnknownUserReadsAsZeroAndIsNotCompliant() public view {
        IUserRegistry.UserCompliance memory record = registry.getUser(OTHER);
        assertEq(record.riskScore, 0);
        assertEq(record.attestationHash, bytes32(0));
        assertEq(record.lastUpdated, 0);
        assertFalse(record.isVerified);
        assertFalse(registry.isRegistered(OTHER));
        assertFalse(registry.isCompliant(OTHER));
    }

    function test_ComplianceNeedsAllThreeFacts() public {
        registry.updateUser(USER, 83, KYC, true);
        assertTrue(registry.isCompliant(USER));
        registry.updateUser(USER, 84, KYC, true);
        assertFalse(registry.isCompliant(USER));
        registry.updateUser(USER, 0, KYC, false);
        assertFalse(registry.isCompliant(USER));
        registry.updateUser(USER, 0, bytes32(0), true);
        assertFalse(registry.isCompliant(USER));
        registry.updateUser(USER, 0, KYC, true);
        assertTrue(registry.isCompliant(USER));
    }

    function test_RemoveUserErasesTheRecord() public {
        registry.updateUser(USER, 5, KYC, true);
        vm.expectEmit(address(registry));
        emit IUserRegistry.UserComplianceUpdated(USER, 0, bytes32(0), false);
        registry.removeUser(USER);
        assertFalse(registry.isRegistered(USER));
        assertFalse(registry.isCompliant(USER));
        assertEq(registry.getAttestationHash(USER), bytes32(0));
    }

    function test_RevertWhen_RemovingUnknownUser() public {
        vm.expectRevert(IUserRegistry.UserNotFound.selector);
        registry.removeUser(USER);
    }

    function test_RevertWhen_RemoveUserByStranger() public {
        registry.updateUser(USER, 5, KYC, true);
        vm.prank(OTHER);
        vm.expectRevert(IUserRegistry.Unauthorized.selector);
        registry.removeUser(USER);
    }

    function test_RevertWhen_StrangerAppointsOfficers() public {
        vm.startPrank(OTHER);
        vm.expectPartialRevert(bytes4(keccak256("AccessControlUnauthorizedAccount(address,bytes32)")));
        registry.addComplianceOfficer(OTHER);
        vm.expectPartialRevert(bytes4(keccak256("AccessControlUnauthorizedAccount(address,bytes32)")));
        registry.removeComplianceOfficer(address(this));
        vm.stopPrank();
    }

    function test_MaximumIsChosenAtDeployment() public {
        assertEq(registry.MAX_RISK_SCORE(), 83);
        UserRegistryWithMaximum strict = new UserRegistryWithMaximum(20);
        strict.addComplianceOfficer(address(this));
        assertEq(strict.MAX_RISK_SCORE(), 20);
        strict.updateUser(USER, 20, KYC, true);
        assertTrue(strict.isCompliant(USER));
        strict.updateUser(USER, 21, KYC, true);
        assertFalse(strict.isCompliant(USER));
        new UserRegistryWithMaximum(100);
        vm.expectRevert(IUserRegistry.InvalidRiskScore.selector);
        new UserRegistryWithMaximum(101);
    }

    function test_AdminMovesInTwoStepsAfterADay() public {
        registry.beginDefaultAdminTransfer(OTHER);
        vm.prank(OTHER);
        vm.expectRevert();
        registry.acceptDefaultAdminTransfer();
        vm.warp(block.timestamp + 1 days + 1);
        vm.prank(OTHER);
        registry.acceptDefaultAdminTransfer();
        assertEq(registry.defaultAdmin(), OTHER);
    }
}
