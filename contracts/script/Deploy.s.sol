// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {ComplianceManager} from "../src/ComplianceManager.sol";
import {CountryToken, NamedCountryToken} from "../src/CountryToken.sol";
import {CountryTokenBase} from "../src/CountryTokenBase.sol";
import {MintEscrow} from "../src/MintEscrow.sol";
import {StablecoinBase} from "../src/StablecoinBase.sol";
import {NamedStablecoin, USDStablecoin} from "../src/USDStablecoin.sol";
import {UserRegistry, UserRegistryWithMaximum} from "../src/UserRegistry.sol";
import {UserRegistryBase} from "../src/UserRegistryBase.sol";
import {Console, VM} from "./utils/Vm.sol";

/// @title Deploy
/// @notice Deploys and wires the rail, hands the roles out, writes the address book.
/// @dev forge script script/Deploy.s.sol --rpc-url X --broadcast --private-key K --offline
///      Environment, all optional on a local chain:
///        FR_COUNTRY_CODE        "KES", or several, comma separated: one token and escrow each
///        FR_CURRENCY            what the countries' stablecoins are worth one of, in the same order; default the country
///                               codes. A coin that says another `currency()` is refused; one that says none is trusted
///        FR_STABLECOIN          one address, or one per country in the same order; required outside local chains, where
///                               the open-mint stand-ins are refused. Countries share a coin only if they share a currency
///        FR_MAX_RISK_SCORE      83
///        FR_EXECUTORS           addresses, comma separated (FR_EXECUTOR for one); default the admin
///        FR_COMPLIANCE_OFFICER, FR_GUARDIAN, FR_BLOCKED_ACCOUNT   default the admin
///        FR_TREASURY            default the deployer on a local chain, elsewhere none: each executor pays itself
///        FR_MINTER_ALLOWANCE    country token units an escrow may mint in total; default unlimited
///        FR_PER_MINT_LIMIT, FR_DAILY_LIMIT, FR_RATE_CAPACITY, FR_RATE_WINDOW   stablecoin units, seconds; default off
///        FR_ADMIN               default the deployer. Another address is offered the admin role of every contract and
///                               must accept after a day (acceptDefaultAdminTransfer). The deployer keeps no other role,
///                               so none may be meant for it then
///        FR_OUT                 default deployments/<chain id>.json
contract Deploy {
    // solhint-disable-next-line var-name-mixedcase
    bool public IS_SCRIPT = true;

    uint256 internal constant LOCAL_FUNDS_WHOLE_UNITS = 1_000_000_000;

    struct Config {
        string[] countryCodes;
        string[] currencies;
        address[] stablecoins; // one per country; the zero address asks for a stand-in
        uint8 maxRiskScore;
        address[] executors;
        address complianceOfficer;
        address guardian;
        address blockedAccount;
        address treasury;
        address admin;
        uint256 minterAllowance;
        uint96 perMintLimit;
        uint96 dailyLimit;
        uint208 rateCapacity;
        uint48 rateWindowSeconds;
    }

    struct Country {
        string code;
        string currency;
        address stablecoin;
        CountryTokenBase token;
        MintEscrow escrow;
    }

    struct Deployment {
        UserRegistryBase registry;
        ComplianceManager manager;
        address implementation;
        Country[] countries;
    }

    error StablecoinRequired(uint256 chainId);
    error InvalidCountryCode(string code);
    error InvalidMaxRiskScore(uint256 score);
    error CountryListsDiffer(uint256 countryCodes, uint256 currencies, uint256 stablecoins);
    /// @notice The coin is worth one of `said`, and the country's token is to be backed by `wanted`.
    error CurrencyMismatch(string countryCode, address stablecoin, string said, string wanted);
    /// @notice One coin cannot be worth one of two currencies.
    error StablecoinShared(address stablecoin, string currency, string otherCurrency);
    error DeployerKeepsRole(address deployer);

    function run() external returns (Deployment memory done) {
        // The account that a broadcast without arguments sends from.
        address deployer = tx.origin;
        Config memory config = configFromEnvironment(deployer);
        VM.startBroadcast();
        done = deploy(config, deployer);
        VM.stopBroadcast();
        VM.createDir("deployments", true);
        string memory path = VM.envOr("FR_OUT", string.concat("deployments/", VM.toString(block.chainid), ".json"));
        VM.writeFile(path, addressBook(done));
        Console.log("Implementation deployed:", done.implementation);
        Console.log("Address book:", path);
    }

    function configFromEnvironment(address deployer) public view returns (Config memory config) {
        string[] memory codes = new string[](1);
        codes[0] = "KES";
        config.admin = VM.envOr("FR_ADMIN", deployer);
        address[] memory executors = new address[](1);
        executors[0] = VM.envOr("FR_EXECUTOR", config.admin);
        uint256 maxRiskScore = VM.envOr("FR_MAX_RISK_SCORE", uint256(83));
        if (maxRiskScore > 100) revert InvalidMaxRiskScore(maxRiskScore);
        config.countryCodes = VM.envOr("FR_COUNTRY_CODE", ",", codes);
        config.currencies = VM.envOr("FR_CURRENCY", ",", config.countryCodes);
        config.stablecoins = _perCountry(VM.envOr("FR_STABLECOIN", ",", new address[](0)), config.countryCodes.length);
        config.maxRiskScore = uint8(maxRiskScore);
        config.executors = VM.envOr("FR_EXECUTORS", ",", executors);
        config.complianceOfficer = VM.envOr("FR_COMPLIANCE_OFFICER", config.admin);
        config.guardian = VM.envOr("FR_GUARDIAN", config.admin);
        config.blockedAccount = VM.envOr("FR_BLOCKED_ACCOUNT", config.admin);
        config.treasury = VM.envOr("FR_TREASURY", isLocal() ? deployer : address(0));
        config.minterAllowance = VM.envOr("FR_MINTER_ALLOWANCE", type(uint256).max);
        config.perMintLimit = SafeCast.toUint96(VM.envOr("FR_PER_MINT_LIMIT", uint256(0)));
        config.dailyLimit = SafeCast.toUint96(VM.envOr("FR_DAILY_LIMIT", uint256(0)));
        config.rateCapacity = SafeCast.toUint208(VM.envOr("FR_RATE_CAPACITY", uint256(0)));
        config.rateWindowSeconds = SafeCast.toUint48(VM.envOr("FR_RATE_WINDOW", uint256(1 days)));
    }

    /// @dev Every call below is one transaction of `deployer`: run it inside a broadcast or a prank.
    function deploy(Config memory config, address deployer) public returns (Deployment memory done) {
        if (config.admin != deployer) _requireNoRoleFor(deployer, config);
        done.countries = _countries(config);
        done.registry = config.maxRiskScore == 83
            ? UserRegistryBase(new UserRegistry())
            : new UserRegistryWithMaximum(config.maxRiskScore);
        done.implementation = address(new ComplianceManager());
        // Initialized in the same transaction: nobody can take the proxy over in between.
        done.manager = ComplianceManager(
            address(
                new ERC1967Proxy(
                    done.implementation,
                    abi.encodeCall(ComplianceManager.initialize, (deployer, address(done.registry)))
                )
            )
        );
        for (uint256 i = 0; i < done.countries.length; ++i) {
            _deployCountry(config, done, done.countries[i], deployer);
        }
        _wireCompliance(config, done, deployer);
        for (uint256 i = 0; i < done.countries.length; ++i) {
            if (config.stablecoins[i] == address(0)) _fundLocally(config, done, i, deployer);
        }
        if (config.admin != deployer) _handOver(config, done, deployer);
    }

    function addressBook(Deployment memory done) public view returns (string memory json) {
        json = string.concat(
            '{"chainId":',
            VM.toString(block.chainid),
            ',"block":',
            VM.toString(block.number),
            ',"contracts":{"UserRegistry":"',
            VM.toString(address(done.registry)),
            '","ComplianceManager":{"proxy":"',
            VM.toString(address(done.manager)),
            '","implementation":"',
            VM.toString(done.implementation),
            '"},"USDStablecoin":"',
            VM.toString(done.countries[0].stablecoin),
            '"'
        );
        for (uint256 i = 0; i < done.countries.length; ++i) {
            json = string.concat(json, ",", _entry(done.countries[i]));
        }
        json = string.concat(json, "}}\n");
    }

    function isLocal() public view returns (bool) {
        return block.chainid == 31337;
    }

    /// @notice What the coin says it is worth one of; `answers` is false when it says nothing, as most coins do.
    function currencyOf(address stablecoin) public view returns (bool answers, string memory currency) {
        (bool done, bytes memory said) = stablecoin.staticcall(abi.encodeCall(StablecoinBase.currency, ()));
        if (!done || said.length < 64) return (false, "");
        uint256 offset;
        uint256 length;
        assembly ("memory-safe") {
            offset := mload(add(said, 32))
            length := mload(add(said, 64))
        }
        // Looked at first, because words that are no string revert whoever decodes them.
        if (offset != 32 || length > said.length - 64) return (false, "");
        return (true, abi.decode(said, (string)));
    }

    function _countries(Config memory config) private returns (Country[] memory countries) {
        uint256 count = config.countryCodes.length;
        if (count == 0 || config.currencies.length != count || config.stablecoins.length != count) {
            revert CountryListsDiffer(count, config.currencies.length, config.stablecoins.length);
        }
        countries = new Country[](count);
        for (uint256 i = 0; i < count; ++i) {
            countries[i].code = config.countryCodes[i];
            countries[i].currency = config.currencies[i];
            address given = config.stablecoins[i];
            countries[i].stablecoin = given == address(0) ? _standIn(config, countries, i) : given;
            _requireCurrency(countries, i);
        }
    }

    /// @dev One per currency: that of an earlier country, or a new one.
    function _standIn(Config memory config, Country[] memory countries, uint256 index) private returns (address) {
        if (!isLocal()) revert StablecoinRequired(block.chainid);
        string memory currency = countries[index].currency;
        for (uint256 i = 0; i < index; ++i) {
            bool isStandIn = config.stablecoins[i] == address(0);
            if (isStandIn && _same(countries[i].currency, currency)) return countries[i].stablecoin;
        }
        return _same(currency, "KES") ? address(new USDStablecoin()) : address(new NamedStablecoin(currency));
    }

    function _requireCurrency(Country[] memory countries, uint256 index) private view {
        Country memory country = countries[index];
        (bool answers, string memory said) = currencyOf(country.stablecoin);
        if (answers && !_same(said, country.currency)) {
            revert CurrencyMismatch(country.code, country.stablecoin, said, country.currency);
        }
        for (uint256 i = 0; i < index; ++i) {
            if (countries[i].stablecoin == country.stablecoin && !_same(countries[i].currency, country.currency)) {
                revert StablecoinShared(country.stablecoin, countries[i].currency, country.currency);
            }
        }
    }

    function _deployCountry(Config memory config, Deployment memory done, Country memory country, address deployer)
        private
    {
        string memory code = country.code;
        bytes32 countryCode = _bytes32(code);
        country.token = countryCode == bytes32("KES")
            ? CountryTokenBase(new CountryToken())
            : new NamedCountryToken(string.concat(code, " Token"), code, countryCode);
        MintEscrow escrow =
            new MintEscrow(country.stablecoin, address(country.token), address(done.registry), countryCode);
        country.escrow = escrow;

        country.token.addMinter(address(escrow));
        if (config.minterAllowance != type(uint256).max) {
            country.token.setMinterAllowance(address(escrow), config.minterAllowance);
        }
        country.token.grantRole(country.token.DENYLISTER_ROLE(), config.complianceOfficer);
        country.token.grantRole(country.token.GUARDIAN_ROLE(), config.guardian);

        escrow.setComplianceManager(address(done.manager));
        if (config.treasury != address(0)) escrow.setTreasury(config.treasury);
        escrow.setBlockedAccount(config.blockedAccount);
        if (config.perMintLimit != 0 || config.dailyLimit != 0) {
            escrow.setLimits(config.perMintLimit, config.dailyLimit);
        }
        if (config.rateCapacity != 0) escrow.setRateLimit(config.rateWindowSeconds, config.rateCapacity);
        escrow.grantRole(escrow.GUARDIAN_ROLE(), config.guardian);
        escrow.grantRole(escrow.COMPLIANCE_OFFICER_ROLE(), config.complianceOfficer);

        bool deployerExecutes;
        for (uint256 i = 0; i < config.executors.length; ++i) {
            if (config.executors[i] == deployer) deployerExecutes = true;
            else escrow.grantRole(escrow.EXECUTOR_ROLE(), config.executors[i]);
        }
        if (!deployerExecutes) escrow.revokeRole(escrow.EXECUTOR_ROLE(), deployer);
    }

    function _wireCompliance(Config memory config, Deployment memory done, address deployer) private {
        done.registry.addComplianceOfficer(config.complianceOfficer);
        done.registry.addComplianceOfficer(address(done.manager));
        done.manager.grantRole(done.manager.GUARDIAN_ROLE(), config.guardian);
        if (config.complianceOfficer != deployer) {
            done.manager.grantRole(done.manager.COMPLIANCE_OFFICER(), config.complianceOfficer);
            done.manager.revokeRole(done.manager.COMPLIANCE_OFFICER(), deployer);
        }
    }

    /// @dev Whoever pays for service-path mints gets play money; approvals only the deployer's own key can give.
    function _fundLocally(Config memory config, Deployment memory done, uint256 index, address deployer) private {
        StablecoinBase coin = StablecoinBase(done.countries[index].stablecoin);
        coin.approve(address(done.countries[index].escrow), type(uint256).max);
        if (coin.totalSupply() != 0) return;
        uint256 amount = LOCAL_FUNDS_WHOLE_UNITS * 10 ** coin.decimals();
        coin.mint(deployer, amount);
        if (config.treasury != address(0) && config.treasury != deployer) coin.mint(config.treasury, amount);
        for (uint256 i = 0; i < config.executors.length; ++i) {
            if (config.executors[i] != deployer) coin.mint(config.executors[i], amount);
        }
    }

    function _handOver(Config memory config, Deployment memory done, address deployer) private {
        done.manager.grantRole(done.manager.UPGRADER_ROLE(), config.admin);
        done.manager.revokeRole(done.manager.UPGRADER_ROLE(), deployer);
        done.manager.beginDefaultAdminTransfer(config.admin);
        done.registry.beginDefaultAdminTransfer(config.admin);
        for (uint256 i = 0; i < done.countries.length; ++i) {
            done.countries[i].token.beginDefaultAdminTransfer(config.admin);
            done.countries[i].escrow.beginDefaultAdminTransfer(config.admin);
        }
    }

    function _requireNoRoleFor(address deployer, Config memory config) private pure {
        bool meant = config.complianceOfficer == deployer || config.guardian == deployer;
        for (uint256 i = 0; i < config.executors.length; ++i) {
            meant = meant || config.executors[i] == deployer;
        }
        if (meant) revert DeployerKeepsRole(deployer);
    }

    function _entry(Country memory country) private pure returns (string memory) {
        return string.concat(
            '"',
            country.code,
            '":{"CountryToken":"',
            VM.toString(address(country.token)),
            '","MintEscrow":"',
            VM.toString(address(country.escrow)),
            '","Stablecoin":"',
            VM.toString(country.stablecoin),
            '","stablecoinCurrency":"',
            country.currency,
            '","countryCode":"',
            country.code,
            '"}'
        );
    }

    /// @dev One address stands for every country, and none for stand-ins.
    function _perCountry(address[] memory given, uint256 count) private pure returns (address[] memory) {
        if (given.length > 1) return given;
        address[] memory each = new address[](count);
        for (uint256 i = 0; i < count && given.length == 1; ++i) {
            each[i] = given[0];
        }
        return each;
    }

    function _same(string memory one, string memory other) private pure returns (bool) {
        return keccak256(bytes(one)) == keccak256(bytes(other));
    }

    function _bytes32(string memory code) private pure returns (bytes32 padded) {
        uint256 length = bytes(code).length;
        if (length == 0 || length > 32) revert InvalidCountryCode(code);
        assembly ("memory-safe") {
            padded := mload(add(code, 32))
        }
    }
}
