// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import "../../src/ComplianceManager.sol";
import "../../src/CountryToken.sol";
import "../../src/MintEscrow.sol";
import "../../src/USDStablecoin.sol";
import "../../src/UserRegistry.sol";
import "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
import {Test} from "../utils/Test.sol";

/// Others import the contract files whole and find the interfaces through them: names and constructors stay.
contract PlainImportsTest is Test {
    function test_NamesConstructorsAndDeployerRoles() public {
        USDStablecoin usd = new USDStablecoin();
        CountryToken token = new CountryToken();
        UserRegistry registry = new UserRegistry();
        MintEscrow escrow = new MintEscrow(address(usd), address(token), address(registry), bytes32("KES"));
        token.addMinter(address(escrow));
        registry.addComplianceOfficer(address(this));
        registry.updateUser(address(this), 50, keccak256("kyc"), true);
        usd.mint(address(this), 5);
        usd.approve(address(escrow), 5);
        bytes32 id = escrow.submitIntent(5, bytes32("KES"), keccak256("ref"));
        IMintEscrow.MintIntent memory intent = escrow.getIntent(id);
        assertEq(uint256(intent.status), uint256(IMintEscrow.MintStatus.Pending));
        escrow.executeMint(id);
        assertEq(token.balanceOf(address(this)), 5);
        assertEq(uint256(escrow.getIntentStatus(id)), uint256(IMintEscrow.MintStatus.Executed));
        IUserRegistry.UserCompliance memory record = registry.getUser(address(this));
        assertEq(record.riskScore, 50);
        ComplianceManager manager = ComplianceManager(
            address(
                new ERC1967Proxy(
                    address(new ComplianceManager()),
                    abi.encodeWithSelector(ComplianceManager.initialize.selector, address(this), address(registry))
                )
            )
        );
        vm.expectRevert(IComplianceManager.InvalidRiskScore.selector);
        manager.updateUserRisk(address(this), 101);
    }
}
