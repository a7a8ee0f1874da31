// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
import {ComplianceManager} from "../../src/ComplianceManager.sol";
import {CountryToken} from "../../src/CountryToken.sol";
import {MintEscrow} from "../../src/MintEscrow.sol";
import {USDStablecoin} from "../../src/USDStablecoin.sol";
import {UserRegistry} from "../../src/UserRegistry.sol";
import {IMintEscrow} from "../../src/interfaces/IMintEscrow.sol";
import {IMintEscrowRail} from "../../src/interfaces/IMintEscrowRail.sol";
import {SkipCodes} from "../../src/libraries/SkipCodes.sol";
import {Vm} from "../../script/utils/Vm.sol";
import {Test} from "./Test.sol";

/// @notice A whole rail: this contract is the admin; alice and bob are compliant and hold stablecoin.
abstract contract RailTest is Test {
    bytes32 internal constant KES = bytes32("KES");
    bytes32 internal constant KYC = keccak256("kyc");
    bytes32 internal constant REF = keccak256("payment 1");
    bytes32 internal constant REF_2 = keccak256("payment 2");
    bytes32 internal constant REF_3 = keccak256("payment 3");
    uint256 internal constant AMOUNT = 100e18;
    uint256 internal constant FUNDS = 1e30;

    USDStablecoin internal usd;
    CountryToken internal token;
    UserRegistry internal registry;
    ComplianceManager internal manager;
    MintEscrow internal escrow;

    address internal executor;
    address internal treasury;
    address internal guardian;
    address internal officer;
    address internal stranger;
    address internal blocked;
    address internal alice;
    address internal bob;
    uint256 internal aliceKey;

    function setUp() public virtual {
        executor = makeAddr("executor");
        treasury = makeAddr("treasury");
        guardian = makeAddr("guardian");
        officer = makeAddr("officer");
        stranger = makeAddr("stranger");
        blocked = makeAddr("blocked");
        (alice, aliceKey) = makeAddrAndKey("alice");
        bob = makeAddr("bob");

        usd = new USDStablecoin();
        token = new CountryToken();
        registry = new UserRegistry();
        manager = ComplianceManager(
            address(
                new ERC1967Proxy(
                    address(new ComplianceManager()),
                    abi.encodeCall(ComplianceManager.initialize, (address(this), address(registry)))
                )
            )
        );
        escrow = newEscrow(address(usd));

        registry.addComplianceOfficer(address(this));
        registry.addComplianceOfficer(address(manager));
        manager.grantRole(manager.GUARDIAN_ROLE(), guardian);
        token.grantRole(token.GUARDIAN_ROLE(), guardian);
        token.grantRole(token.DENYLISTER_ROLE(), address(this));
        clear(alice);
        clear(bob);
        usd.mint(alice, FUNDS);
        usd.mint(bob, FUNDS);
        usd.mint(treasury, FUNDS);
        vm.prank(alice);
        usd.approve(address(escrow), type(uint256).max);
        vm.prank(bob);
        usd.approve(address(escrow), type(uint256).max);
        vm.prank(treasury);
        usd.approve(address(escrow), type(uint256).max);
        vm.warp(1_700_000_000);
    }

    function newEscrow(address stablecoin) internal returns (MintEscrow made) {
        made = new MintEscrow(stablecoin, address(token), address(registry), KES);
        token.addMinter(address(made));
        made.setComplianceManager(address(manager));
        made.setTreasury(treasury);
        made.setBlockedAccount(blocked);
        made.grantRole(made.EXECUTOR_ROLE(), executor);
        made.grantRole(made.GUARDIAN_ROLE(), guardian);
        made.grantRole(made.COMPLIANCE_OFFICER_ROLE(), officer);
    }

    function clear(address user) internal {
        registry.updateUser(user, 10, KYC, true);
    }

    function unclear(address user) internal {
        registry.updateUser(user, 84, KYC, true);
    }

    function submit(address user, uint256 amount, bytes32 ref) internal returns (bytes32) {
        vm.prank(user);
        return escrow.submitIntent(amount, KES, ref);
    }

    function one(address user, uint256 amount, bytes32 ref)
        internal
        pure
        returns (IMintEscrowRail.Settlement[] memory items)
    {
        items = new IMintEscrowRail.Settlement[](1);
        items[0] = IMintEscrowRail.Settlement({user: user, amount: amount, txRef: ref});
    }

    function two(address first, uint256 firstAmount, bytes32 firstRef, address second, uint256 amount, bytes32 ref)
        internal
        pure
        returns (IMintEscrowRail.Settlement[] memory items)
    {
        items = new IMintEscrowRail.Settlement[](2);
        items[0] = IMintEscrowRail.Settlement({user: first, amount: firstAmount, txRef: firstRef});
        items[1] = IMintEscrowRail.Settlement({user: second, amount: amount, txRef: ref});
    }

    function settle(IMintEscrowRail.Settlement[] memory items) internal returns (uint256) {
        vm.prank(executor);
        return escrow.settleBatch(items);
    }

    function ids(bytes32 id) internal pure returns (bytes32[] memory list) {
        list = new bytes32[](1);
        list[0] = id;
    }

    function ids(bytes32 first, bytes32 second) internal pure returns (bytes32[] memory list) {
        list = new bytes32[](2);
        list[0] = first;
        list[1] = second;
    }

    function expectSkip(bytes32 id, uint8 code) internal {
        vm.expectEmit(address(escrow));
        emit IMintEscrowRail.MintSkipped(id, code);
    }

    function serviceId(bytes32 ref) internal view returns (bytes32) {
        return escrow.computeServiceIntentId(ref);
    }

    function stateOf(bytes32 id) internal view returns (uint8) {
        return escrow.intentStates(ids(id))[0];
    }

    function assertStatus(bytes32 id, IMintEscrow.MintStatus status) internal view {
        assertEq(uint256(escrow.getIntentStatus(id)), uint256(status));
    }

    function assertLiabilities(uint256 pending, uint256 backing, uint256 claimable) internal view {
        (uint256 isPending, uint256 isBacking, uint256 isClaimable) = escrow.liabilities(address(usd));
        assertEq(isPending, pending);
        assertEq(isBacking, backing);
        assertEq(isClaimable, claimable);
    }

    function expectUnauthorized(address account, bytes32 role) internal {
        vm.expectRevert(abi.encodeWithSignature("AccessControlUnauthorizedAccount(address,bytes32)", account, role));
    }
}
