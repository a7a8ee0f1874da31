// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {Deploy} from "../../script/Deploy.s.sol";
import {StablecoinBase} from "../../src/StablecoinBase.sol";
import {NamedStablecoin, USDStablecoin} from "../../src/USDStablecoin.sol";
import {MockCoin} from "../mocks/BadTokens.sol";
import {Test} from "../utils/Test.sol";

/// @dev Answers `currency()` with words that are no string.
contract MumblingCoin is MockCoin(18) {
    function currency() external pure returns (uint256, uint256) {
        return (type(uint256).max, type(uint256).max);
    }
}

/// The coin behind each country's token
/// ├── when the coin says another currency than is wanted: refused, naming both
/// ├── when it says the same, or nothing that can be read: taken
/// ├── when two countries share a coin and want different currencies of it: refused
/// └── when none is given, on a local chain: one stand-in per currency
contract DeployCoinsTest is Test {
    Deploy internal script;
    address internal deployer;

    function setUp() public {
        script = new Deploy();
        deployer = address(script);
    }

    function config(string[3] memory currencies, address[3] memory coins)
        internal
        view
        returns (Deploy.Config memory made)
    {
        made.countryCodes = new string[](3);
        made.currencies = new string[](3);
        made.stablecoins = new address[](3);
        made.countryCodes[0] = "KES";
        made.countryCodes[1] = "UGX";
        made.countryCodes[2] = "TZS";
        for (uint256 i = 0; i < 3; ++i) {
            made.currencies[i] = currencies[i];
            made.stablecoins[i] = coins[i];
        }
        made.maxRiskScore = 83;
        made.executors = new address[](1);
        made.executors[0] = deployer;
        (made.complianceOfficer, made.guardian, made.blockedAccount) = (deployer, deployer, deployer);
        (made.treasury, made.admin) = (deployer, deployer);
        made.minterAllowance = type(uint256).max;
    }

    function none() internal pure returns (address[3] memory coins) {}

    function all(address coin) internal pure returns (address[3] memory coins) {
        return [coin, coin, coin];
    }

    function test_RevertWhen_TheCoinSaysAnotherCurrency() public {
        address dollar = address(new NamedStablecoin("USD"));
        address[3] memory coins = [address(new MockCoin(18)), dollar, address(new MockCoin(18))];
        vm.expectRevert(abi.encodeWithSelector(Deploy.CurrencyMismatch.selector, "UGX", dollar, "USD", "UGX"));
        script.deploy(config(["KES", "UGX", "TZS"], coins), deployer);
        // The other way round: a shilling coin where dollars are wanted.
        address shilling = address(new USDStablecoin());
        vm.expectRevert(abi.encodeWithSelector(Deploy.CurrencyMismatch.selector, "KES", shilling, "KES", "USD"));
        script.deploy(config(["USD", "USD", "USD"], all(shilling)), deployer);
    }

    function test_ACoinThatSaysNothingIsTrusted() public {
        address[3] memory coins = [address(new MockCoin(6)), address(new MumblingCoin()), address(new MockCoin(18))];
        Deploy.Deployment memory done = script.deploy(config(["USD", "EUR", "TZS"], coins), deployer);
        for (uint256 i = 0; i < 3; ++i) {
            assertEq(done.countries[i].stablecoin, coins[i]);
            assertEq(address(done.countries[i].escrow.usdStablecoin()), coins[i]);
        }
        assertEq(done.countries[1].currency, "EUR");
        assertEq(done.countries[0].escrow.scale(), 1e12);
    }

    function test_CountriesShareACoinOfOneCurrency() public {
        address dollar = address(new NamedStablecoin("USD"));
        Deploy.Deployment memory done = script.deploy(config(["USD", "USD", "USD"], all(dollar)), deployer);
        assertEq(address(done.countries[2].escrow.usdStablecoin()), dollar);
    }

    function test_RevertWhen_OneCoinIsToBeTwoCurrencies() public {
        address silent = address(new MockCoin(18));
        vm.expectRevert(abi.encodeWithSelector(Deploy.StablecoinShared.selector, silent, "USD", "EUR"));
        script.deploy(config(["USD", "USD", "EUR"], all(silent)), deployer);
    }

    function test_OneStandInPerCurrencyOnALocalChain() public {
        Deploy.Deployment memory done = script.deploy(config(["KES", "USD", "USD"], none()), deployer);
        address shilling = done.countries[0].stablecoin;
        address dollar = done.countries[1].stablecoin;
        assertEq(StablecoinBase(shilling).currency(), "KES");
        assertEq(StablecoinBase(dollar).currency(), "USD");
        assertEq(done.countries[2].stablecoin, dollar);
        assertTrue(shilling != dollar);
        for (uint256 i = 0; i < 3; ++i) {
            StablecoinBase coin = StablecoinBase(done.countries[i].stablecoin);
            assertEq(coin.balanceOf(deployer), 1e27);
            assertEq(coin.allowance(deployer, address(done.countries[i].escrow)), type(uint256).max);
        }
    }

    function test_AStandInIsNotSharedWithAGivenCoin() public {
        address[3] memory coins = [address(new MockCoin(18)), address(0), address(0)];
        Deploy.Deployment memory done = script.deploy(config(["USD", "USD", "USD"], coins), deployer);
        assertTrue(done.countries[1].stablecoin != coins[0]);
        assertEq(done.countries[2].stablecoin, done.countries[1].stablecoin);
        assertEq(MockCoin(coins[0]).balanceOf(deployer), 0);
    }

    function test_RevertWhen_TheListsDiffer() public {
        Deploy.Config memory made = config(["KES", "UGX", "TZS"], none());
        made.currencies = new string[](2);
        vm.expectRevert(abi.encodeWithSelector(Deploy.CountryListsDiffer.selector, 3, 2, 3));
        script.deploy(made, deployer);
        made = config(["KES", "UGX", "TZS"], none());
        made.stablecoins = new address[](4);
        vm.expectRevert(abi.encodeWithSelector(Deploy.CountryListsDiffer.selector, 3, 3, 4));
        script.deploy(made, deployer);
    }

    function test_TheAddressBookNamesEachCountrysCoin() public {
        Deploy.Deployment memory done = script.deploy(config(["KES", "USD", "TZS"], none()), deployer);
        string memory book = script.addressBook(done);
        assertEq(vm.parseJsonAddress(book, ".contracts.USDStablecoin"), done.countries[0].stablecoin);
        assertEq(vm.parseJsonAddress(book, ".contracts.UGX.Stablecoin"), done.countries[1].stablecoin);
        assertEq(vm.parseJsonString(book, ".contracts.UGX.stablecoinCurrency"), "USD");
        assertEq(vm.parseJsonAddress(book, ".contracts.TZS.Stablecoin"), done.countries[2].stablecoin);
        assertEq(vm.parseJsonString(book, ".contracts.TZS.stablecoinCurrency"), "TZS");
    }
}
