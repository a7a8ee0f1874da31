// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {Deploy} from "../../script/Deploy.s.sol";
import {DeployV1} from "../../script/DeployV1.s.sol";
import {ComplianceManager} from "../../src/ComplianceManager.sol";
import {CountryTokenBase} from "../../src/CountryTokenBase.sol";
import {MintEscrow} from "../../src/MintEscrow.sol";
import {USDStablecoin} from "../../src/USDStablecoin.sol";
import {UserRegistryBase} from "../../src/UserRegistryBase.sol";
import {IMintEscrowRail} from "../../src/interfaces/IMintEscrowRail.sol";
import {MockCoin} from "../mocks/BadTokens.sol";
import {Test} from "../utils/Test.sol";

/// The deploy script: run it, then assert every role on the result.
contract DeployTest is Test {
    bytes32 internal constant ADMIN = bytes32(0);
    bytes32 internal constant EXECUTOR = keccak256("EXECUTOR_ROLE");
    bytes32 internal constant GUARDIAN = keccak256("GUARDIAN_ROLE");
    bytes32 internal constant MINTER = keccak256("MINTER_ROLE");
    bytes32 internal constant DENYLISTER = keccak256("DENYLISTER_ROLE");
    bytes32 internal constant OFFICER = keccak256("COMPLIANCE_OFFICER_ROLE");
    bytes32 internal constant MANAGER_OFFICER = keccak256("COMPLIANCE_OFFICER");
    bytes32 internal constant UPGRADER = keccak256("UPGRADER_ROLE");

    Deploy internal script;
    // The script's calls come from itself when no broadcast is open, so it is its own deployer.
    address internal deployer;
    address internal lane1 = address(0x1A1);
    address internal lane2 = address(0x1A2);
    address internal officer = address(0x0FF1);
    address internal guardian = address(0x60A);
    address internal blocked = address(0xB10C);
    address internal treasury = address(0x7EA);
    address internal admin = address(0xAD);

    function setUp() public {
        script = new Deploy();
        deployer = address(script);
    }

    function production() internal returns (Deploy.Config memory config) {
        config.countryCodes = new string[](2);
        config.countryCodes[0] = "KES";
        config.countryCodes[1] = "UGX";
        config.currencies = new string[](2);
        config.currencies[0] = "KES";
        config.currencies[1] = "UGX";
        config.stablecoins = new address[](2);
        config.stablecoins[0] = address(new MockCoin(6));
        config.stablecoins[1] = address(new MockCoin(6));
        config.maxRiskScore = 60;
        config.executors = new address[](2);
        config.executors[0] = lane1;
        config.executors[1] = lane2;
        config.complianceOfficer = officer;
        config.guardian = guardian;
        config.blockedAccount = blocked;
        config.treasury = treasury;
        config.admin = admin;
        config.minterAllowance = 1e24;
        config.perMintLimit = 1e9;
        config.dailyLimit = 2e9;
        config.rateCapacity = 3e9;
        config.rateWindowSeconds = 1 hours;
    }

    function test_EveryRoleAfterAProductionDeployment() public {
        Deploy.Config memory config = production();
        vm.chainId(8453);
        Deploy.Deployment memory done = script.deploy(config, deployer);
        assertManager(done.manager, address(done.registry));
        assertRegistry(done.registry, address(done.manager));
        assertEq(done.countries.length, 2);
        assertEq(done.countries[0].token.symbol(), "KES");
        assertEq(done.countries[0].token.name(), "Kenya Shilling Token");
        assertEq(done.countries[1].token.symbol(), "UGX");
        assertEq(done.countries[1].escrow.countryCode(), "UGX");
        for (uint256 i = 0; i < 2; ++i) {
            assertEq(done.countries[i].stablecoin, config.stablecoins[i]);
            assertToken(done.countries[i].token, address(done.countries[i].escrow));
            assertEscrow(done, done.countries[i]);
        }
    }

    /// With another admin the deployer is left with one thing: the admin role that awaits its acceptance.
    function test_TheDeployerKeepsNoRoleButTheOneThatIsOffered() public {
        vm.chainId(8453);
        Deploy.Deployment memory done = script.deploy(production(), deployer);
        assertOnlyOffered(address(done.registry));
        assertOnlyOffered(address(done.manager));
        for (uint256 i = 0; i < 2; ++i) {
            assertOnlyOffered(address(done.countries[i].token));
            assertOnlyOffered(address(done.countries[i].escrow));
        }
    }

    /// Every role of every contract, whether or not this contract knows it.
    function assertOnlyOffered(address target) internal view {
        bytes32[7] memory roles = [EXECUTOR, GUARDIAN, MINTER, DENYLISTER, OFFICER, MANAGER_OFFICER, UPGRADER];
        MintEscrow controlled = MintEscrow(target);
        for (uint256 i = 0; i < roles.length; ++i) {
            assertFalse(controlled.hasRole(roles[i], deployer));
        }
        assertEq(controlled.defaultAdmin(), deployer);
        (address next,) = controlled.pendingDefaultAdmin();
        assertEq(next, admin);
    }

    function test_RevertWhen_ARoleIsMeantForADeployerThatKeepsNone() public {
        bytes memory refusal = abi.encodeWithSelector(Deploy.DeployerKeepsRole.selector, deployer);
        Deploy.Config memory config = production();
        config.guardian = deployer;
        vm.expectRevert(refusal);
        script.deploy(config, deployer);
        config = production();
        config.complianceOfficer = deployer;
        vm.expectRevert(refusal);
        script.deploy(config, deployer);
        config = production();
        config.executors[1] = deployer;
        vm.expectRevert(refusal);
        script.deploy(config, deployer);
    }

    function assertManager(ComplianceManager manager, address registry) internal view {
        assertEq(address(manager.userRegistry()), registry);
        assertTrue(manager.hasRole(MANAGER_OFFICER, officer));
        assertFalse(manager.hasRole(MANAGER_OFFICER, deployer));
        assertTrue(manager.hasRole(UPGRADER, admin));
        assertFalse(manager.hasRole(UPGRADER, deployer));
        assertTrue(manager.hasRole(GUARDIAN, guardian));
        assertEq(manager.defaultAdmin(), deployer);
        (address next,) = manager.pendingDefaultAdmin();
        assertEq(next, admin);
    }

    function assertRegistry(UserRegistryBase registry, address manager) internal view {
        assertEq(registry.MAX_RISK_SCORE(), 60);
        assertTrue(registry.hasRole(OFFICER, officer));
        assertTrue(registry.hasRole(OFFICER, manager));
        assertFalse(registry.hasRole(OFFICER, deployer));
        (address next,) = registry.pendingDefaultAdmin();
        assertEq(next, admin);
    }

    function assertToken(CountryTokenBase token, address escrow) internal view {
        assertTrue(token.hasRole(MINTER, escrow));
        assertFalse(token.hasRole(MINTER, deployer));
        assertEq(token.minterAllowance(escrow), 1e24);
        assertTrue(token.hasRole(DENYLISTER, officer));
        assertFalse(token.hasRole(DENYLISTER, deployer));
        assertTrue(token.hasRole(GUARDIAN, guardian));
        (address next,) = token.pendingDefaultAdmin();
        assertEq(next, admin);
    }

    function assertEscrow(Deploy.Deployment memory done, Deploy.Country memory country) internal view {
        MintEscrow escrow = country.escrow;
        assertTrue(escrow.hasRole(EXECUTOR, lane1));
        assertTrue(escrow.hasRole(EXECUTOR, lane2));
        assertFalse(escrow.hasRole(EXECUTOR, deployer));
        assertTrue(escrow.hasRole(OFFICER, officer));
        assertTrue(escrow.hasRole(GUARDIAN, guardian));
        assertFalse(escrow.hasRole(ADMIN, admin));
        (address next,) = escrow.pendingDefaultAdmin();
        assertEq(next, admin);
        assertEq(escrow.treasury(), treasury);
        assertEq(escrow.blockedAccount(), blocked);
        assertEq(escrow.complianceManager(), address(done.manager));
        assertEq(address(escrow.userRegistry()), address(done.registry));
        assertEq(address(escrow.usdStablecoin()), country.stablecoin);
        assertEq(address(escrow.countryToken()), address(country.token));
        assertEq(country.token.countryCode(), escrow.countryCode());
        (uint256 perMint, uint256 daily) = escrow.limits();
        assertEq(perMint, 1e9);
        assertEq(daily, 2e9);
        assertEq(escrow.rateAllowance(), 3e9);
    }

    function test_TheAdminTakesOverAfterADay() public {
        Deploy.Deployment memory done = script.deploy(production(), deployer);
        vm.warp(block.timestamp + 1 days + 1);
        vm.startPrank(admin);
        done.manager.acceptDefaultAdminTransfer();
        done.countries[0].escrow.acceptDefaultAdminTransfer();
        vm.stopPrank();
        assertTrue(done.countries[0].escrow.hasRole(ADMIN, admin));
        assertFalse(done.countries[0].escrow.hasRole(ADMIN, deployer));
        assertFalse(done.manager.hasRole(ADMIN, deployer));
    }

    function test_ALocalDeploymentSettlesAtOnce() public {
        Deploy.Config memory config = script.configFromEnvironment(deployer);
        Deploy.Deployment memory done = script.deploy(config, deployer);
        MintEscrow escrow = done.countries[0].escrow;
        assertEq(escrow.treasury(), deployer);
        assertEq(done.registry.MAX_RISK_SCORE(), 83);
        assertTrue(escrow.hasRole(EXECUTOR, deployer));
        assertTrue(done.manager.hasRole(MANAGER_OFFICER, deployer));
        assertTrue(done.manager.hasRole(UPGRADER, deployer));
        vm.startPrank(deployer);
        done.registry.updateUser(lane1, 1, "kyc", true);
        IMintEscrowRail.Settlement[] memory items = new IMintEscrowRail.Settlement[](1);
        items[0] = IMintEscrowRail.Settlement(lane1, 5e18, "ref");
        assertEq(escrow.settleBatch(items), 1);
        vm.stopPrank();
        assertEq(done.countries[0].token.balanceOf(lane1), 5e18);
    }

    function test_ALocalDeploymentFundsEveryPayer() public {
        Deploy.Config memory config = production();
        delete config.stablecoins[0];
        Deploy.Deployment memory done = script.deploy(config, deployer);
        USDStablecoin usd = USDStablecoin(done.countries[0].stablecoin);
        assertEq(usd.balanceOf(treasury), 1e27);
        assertEq(usd.balanceOf(lane1), 1e27);
        assertEq(usd.balanceOf(lane2), 1e27);
        assertEq(usd.allowance(deployer, address(done.countries[0].escrow)), type(uint256).max);
    }

    function test_RevertWhen_TheStandInWouldLeaveLocalChains() public {
        Deploy.Config memory config = production();
        delete config.stablecoins[1];
        // 1337 is what private chains have, and money may be behind one.
        uint256[2] memory chains = [uint256(8453), 1337];
        for (uint256 i = 0; i < chains.length; ++i) {
            vm.chainId(chains[i]);
            vm.expectRevert(abi.encodeWithSelector(Deploy.StablecoinRequired.selector, chains[i]));
            script.deploy(config, deployer);
        }
    }

    function test_RevertWhen_TheCountryCodeIsNone() public {
        Deploy.Config memory config = production();
        config.countryCodes[0] = "";
        vm.expectRevert(abi.encodeWithSelector(Deploy.InvalidCountryCode.selector, ""));
        script.deploy(config, deployer);
    }

    function test_RunWritesTheAddressBook() public {
        string memory path = "deployments/test-address-book.json";
        vm.setEnv("FR_OUT", path);
        Deploy.Deployment memory done = script.run();
        string memory book = vm.readFile(path);
        assertEq(vm.parseJsonUint(book, ".chainId"), block.chainid);
        assertEq(vm.parseJsonAddress(book, ".contracts.UserRegistry"), address(done.registry));
        assertEq(vm.parseJsonAddress(book, ".contracts.ComplianceManager.proxy"), address(done.manager));
        assertEq(vm.parseJsonAddress(book, ".contracts.ComplianceManager.implementation"), done.implementation);
        assertEq(vm.parseJsonAddress(book, ".contracts.USDStablecoin"), done.countries[0].stablecoin);
        assertEq(vm.parseJsonAddress(book, ".contracts.KES.Stablecoin"), done.countries[0].stablecoin);
        assertEq(vm.parseJsonString(book, ".contracts.KES.stablecoinCurrency"), "KES");
        assertEq(vm.parseJsonAddress(book, ".contracts.KES.CountryToken"), address(done.countries[0].token));
        assertEq(vm.parseJsonAddress(book, ".contracts.KES.MintEscrow"), address(done.countries[0].escrow));
        assertEq(done.manager.implementation(), done.implementation);
    }

    function test_DeployV1YieldsARollbackTarget() public {
        ComplianceManager target = ComplianceManager(new DeployV1().run());
        assertEq(target.version(), "1.0.0");
        Deploy.Deployment memory done = script.deploy(production(), deployer);
        vm.prank(admin);
        done.manager.upgradeTo(address(target));
        assertEq(done.manager.implementation(), address(target));
    }
}
