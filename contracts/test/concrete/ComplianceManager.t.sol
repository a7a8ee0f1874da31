// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
import {ComplianceManager} from "../../src/ComplianceManager.sol";
import {UserRegistry} from "../../src/UserRegistry.sol";
import {IComplianceManager} from "../../src/interfaces/IComplianceManager.sol";
import {RailTest} from "../utils/RailTest.sol";

/// ComplianceManager
/// ├── initialize: once, never on the implementation, needs a registry with code
/// ├── updateUserRisk, recordAttestation
/// │   ├── when the caller is no officer: Unauthorized
/// │   ├── when paused: SystemPaused
/// │   ├── when the fact is invalid: reverts
/// │   └── otherwise: changes that fact only
/// └── pause: guardian or admin; unpause: admin only
contract ComplianceManagerTest is RailTest {
    bytes32 internal constant OTHER_KYC = keccak256("other kyc");

    function test_InitialRolesAndWiring() public view {
        assertTrue(manager.hasRole(manager.DEFAULT_ADMIN_ROLE(), address(this)));
        assertTrue(manager.hasRole(keccak256("COMPLIANCE_OFFICER"), address(this)));
        assertTrue(manager.hasRole(keccak256("UPGRADER_ROLE"), address(this)));
        assertFalse(manager.hasRole(keccak256("GUARDIAN_ROLE"), address(this)));
        assertEq(address(manager.userRegistry()), address(registry));
        assertEq(manager.MAX_RISK_SCORE(), 83);
        assertEq(manager.version(), "1.0.0");
        assertEq(manager.UPGRADE_INTERFACE_VERSION(), "5.0.0");
        assertEq(manager.defaultAdminDelay(), 1 days);
    }

    function test_RevertWhen_InitializedAgain() public {
        vm.expectPartialRevert(bytes4(keccak256("InvalidInitialization()")));
        manager.initialize(stranger, address(registry));
    }

    function test_RevertWhen_InitializingTheImplementation() public {
        ComplianceManager bare = new ComplianceManager();
        vm.expectPartialRevert(bytes4(keccak256("InvalidInitialization()")));
        bare.initialize(stranger, address(registry));
    }

    function test_RevertWhen_RegistryHasNoCode() public {
        address bare = address(new ComplianceManager());
        vm.expectRevert(ComplianceManager.InvalidAddress.selector);
        new ERC1967Proxy(bare, abi.encodeCall(ComplianceManager.initialize, (address(this), stranger)));
        vm.expectRevert(ComplianceManager.InvalidAddress.selector);
        manager.setUserRegistry(stranger);
    }

    function test_UpdateUserRiskKeepsTheOtherFacts() public {
        vm.expectEmit(address(manager));
        emit IComplianceManager.UserRiskUpdated(alice, 42, address(this), block.timestamp);
        manager.updateUserRisk(alice, 42);
        assertEq(registry.getRiskScore(alice), 42);
        assertEq(registry.getAttestationHash(alice), KYC);
        assertTrue(registry.getUser(alice).isVerified);
        manager.updateUserRisk(alice, 100);
        assertFalse(manager.isCompliant(alice));
    }

    function test_UpdateUserRiskOfUnknownUserLeavesItUnverified() public {
        manager.updateUserRisk(stranger, 1);
        assertTrue(registry.isRegistered(stranger));
        assertFalse(registry.getUser(stranger).isVerified);
        assertFalse(manager.isCompliant(stranger));
    }

    function test_RecordAttestationKeepsTheOtherFacts() public {
        vm.expectEmit(address(manager));
        emit IComplianceManager.AttestationRecorded(alice, OTHER_KYC, keccak256("passport"), address(this));
        manager.recordAttestation(alice, OTHER_KYC, keccak256("passport"));
        assertEq(registry.getAttestationHash(alice), OTHER_KYC);
        assertEq(registry.getRiskScore(alice), 10);
        assertTrue(registry.getUser(alice).isVerified);
    }

    function test_RevertWhen_OfficerCallsByStranger() public {
        vm.startPrank(stranger);
        vm.expectRevert(IComplianceManager.Unauthorized.selector);
        manager.updateUserRisk(alice, 1);
        vm.expectRevert(IComplianceManager.Unauthorized.selector);
        manager.recordAttestation(alice, KYC, KYC);
        vm.stopPrank();
    }

    function test_RevertWhen_FactIsInvalid() public {
        vm.expectRevert(IComplianceManager.InvalidRiskScore.selector);
        manager.updateUserRisk(alice, 101);
        vm.expectRevert(IComplianceManager.InvalidAttestation.selector);
        manager.recordAttestation(alice, bytes32(0), KYC);
    }

    function test_RevertWhen_OfficerCallsWhilePaused() public {
        manager.pause();
        vm.expectRevert(IComplianceManager.SystemPaused.selector);
        manager.updateUserRisk(alice, 1);
        vm.expectRevert(IComplianceManager.SystemPaused.selector);
        manager.recordAttestation(alice, KYC, KYC);
        assertTrue(manager.isCompliant(alice), "reads go on");
        manager.unpause();
        manager.updateUserRisk(alice, 1);
    }

    function test_GuardianPausesAndCannotUnpause() public {
        vm.prank(guardian);
        manager.pause();
        assertTrue(manager.paused());
        vm.prank(guardian);
        expectUnauthorized(guardian, bytes32(0));
        manager.unpause();
    }

    function test_RevertWhen_StrangerPauses() public {
        bytes32 role = manager.GUARDIAN_ROLE();
        vm.prank(stranger);
        expectUnauthorized(stranger, role);
        manager.pause();
    }

    function test_AdminPointsToAnotherRegistry() public {
        UserRegistry other = new UserRegistry();
        vm.expectEmit(address(manager));
        emit ComplianceManager.UserRegistryChanged(address(other));
        manager.setUserRegistry(address(other));
        assertEq(address(manager.userRegistry()), address(other));
        assertFalse(manager.isCompliant(alice));
        vm.prank(stranger);
        expectUnauthorized(stranger, bytes32(0));
        manager.setUserRegistry(address(registry));
    }
}
