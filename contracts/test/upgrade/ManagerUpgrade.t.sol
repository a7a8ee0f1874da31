// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {ComplianceManager} from "../../src/ComplianceManager.sol";
import {IComplianceManager} from "../../src/interfaces/IComplianceManager.sol";
import {RailTest} from "../utils/RailTest.sol";
import {BrokenComplianceManager, ComplianceManagerV2, NotUpgradeable} from "../mocks/ComplianceManagerV2.sol";

/// upgradeTo, as the runbook calls it
/// ├── when the caller is no upgrader, the target is not UUPS or the call is direct: reverts
/// ├── forward: state, roles and pause survive; the new version works
/// └── back: state survives, what the new version wrote is kept for the next attempt
contract ManagerUpgradeTest is RailTest {
    bytes32 internal constant IMPLEMENTATION_SLOT = 0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc;
    bytes32 internal constant MANAGER_SLOT = 0x1f2d399ac953908b1f973ae83b7b15db65a7e614581fbb4906237760363fb500;

    function liveState() internal view returns (bytes32) {
        return keccak256(
            abi.encode(
                address(manager.userRegistry()),
                manager.defaultAdmin(),
                manager.hasRole(manager.COMPLIANCE_OFFICER(), address(this)),
                manager.hasRole(manager.UPGRADER_ROLE(), address(this)),
                manager.hasRole(manager.GUARDIAN_ROLE(), guardian),
                manager.paused(),
                registry.getRiskScore(alice)
            )
        );
    }

    function test_UpgradeAndRollBackWithLiveState() public {
        manager.updateUserRisk(alice, 33);
        vm.prank(guardian);
        manager.pause();
        address first = manager.implementation();
        bytes32 before = liveState();

        ComplianceManagerV2 second = new ComplianceManagerV2();
        manager.upgradeTo(address(second));
        assertEq(manager.implementation(), address(second));
        assertEq(address(uint160(uint256(vm.load(address(manager), IMPLEMENTATION_SLOT)))), address(second));
        assertEq(manager.version(), "2.0.0");
        assertEq(liveState(), before);
        manager.unpause();
        ComplianceManagerV2(address(manager)).recordReview(alice);
        assertEq(ComplianceManagerV2(address(manager)).reviewedAt(alice), block.timestamp);
        manager.updateUserRisk(alice, 44);
        before = liveState();

        manager.upgradeTo(first);
        assertEq(manager.implementation(), first);
        assertEq(manager.version(), "1.0.0");
        assertEq(liveState(), before);
        manager.updateUserRisk(alice, 55);
        assertTrue(manager.isCompliant(alice));

        manager.upgradeTo(address(second));
        assertTrue(ComplianceManagerV2(address(manager)).reviewedAt(alice) != 0, "kept across the rollback");
    }

    function test_TheRailStopsAndResumesAroundARollback() public {
        address good = manager.implementation();
        manager.upgradeTo(address(new BrokenComplianceManager()));
        assertTrue(manager.isCompliant(stranger));
        // The escrow asks the registry, so even this upgrade mints to nobody unknown.
        assertEq(settle(one(stranger, AMOUNT, REF)), 0);
        manager.pause();
        assertTrue(escrow.halted());
        manager.upgradeTo(good);
        manager.unpause();
        assertFalse(manager.isCompliant(stranger));
        assertEq(settle(one(alice, AMOUNT, REF_2)), 1);
    }

    function test_UpgradeToAndCallStillWorks() public {
        address second = address(new ComplianceManagerV2());
        manager.upgradeToAndCall(second, abi.encodeCall(ComplianceManagerV2.recordReview, (bob)));
        assertEq(ComplianceManagerV2(address(manager)).reviewedAt(bob), block.timestamp);
    }

    function test_RevertWhen_UpgraderRoleIsMissing() public {
        address second = address(new ComplianceManagerV2());
        bytes32 role = manager.UPGRADER_ROLE();
        vm.startPrank(stranger);
        expectUnauthorized(stranger, role);
        manager.upgradeTo(second);
        expectUnauthorized(stranger, role);
        manager.upgradeToAndCall(second, "");
        vm.stopPrank();
    }

    function test_RevertWhen_TheTargetIsNotUUPS() public {
        address wrong = address(new NotUpgradeable());
        vm.expectRevert(abi.encodeWithSignature("ERC1967InvalidImplementation(address)", wrong));
        manager.upgradeTo(wrong);
        vm.expectRevert();
        manager.upgradeTo(stranger);
    }

    function test_RevertWhen_CalledOnTheImplementation() public {
        ComplianceManager bare = ComplianceManager(manager.implementation());
        vm.expectPartialRevert(bytes4(keccak256("UUPSUnauthorizedCallContext()")));
        bare.upgradeTo(address(bare));
        vm.expectPartialRevert(bytes4(keccak256("UUPSUnauthorizedCallContext()")));
        bare.implementation();
    }

    function test_StorageSlotsArePinned() public view {
        bytes32 computed = keccak256(abi.encode(uint256(keccak256("fiatrails.storage.ComplianceManager")) - 1))
            & ~bytes32(uint256(0xff));
        assertEq(computed, MANAGER_SLOT);
        assertEq(address(uint160(uint256(vm.load(address(manager), MANAGER_SLOT)))), address(registry));
        assertEq(vm.load(address(manager), bytes32(0)), bytes32(0));
    }

    function test_RevertWhen_OfficerCallsWithoutRegistryRole() public {
        registry.removeComplianceOfficer(address(manager));
        vm.expectRevert(IComplianceManager.Unauthorized.selector);
        manager.updateUserRisk(alice, 1);
    }
}
