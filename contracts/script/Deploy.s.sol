// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {ComplianceManager} from "../src/ComplianceManager.sol";
import {CountryToken, NamedCountryToken} from "../src/CountryToken.sol";
import {CountryTokenBase} from "../src/CountryTokenBase.sol";
import {MintEscrow} from "../src/MintEscrow.sol";
import {USDStablecoin} from "../src/USDStablecoin.sol";
import {UserRegistry, UserRegistryWithMaximum} from "../src/UserRegistry.sol";
import {UserRegistryBase} from "../src/UserRegistryBase.sol";
import {Console, VM} from "./utils/Vm.sol";

/// @title Deploy
/// @notice Deploys and wires the rail, hands the roles out, writes the address book.
/// @dev forge script script/Deploy.s.sol --rpc-url X --broadcast --private-key K --offline
///      Environment, all optional on a local chain:
///        FR_COUNTRY_CODE        "KES", or several, comma separated: one token and escrow each
///        FR_STABLECOIN          address; required outside local chains, where the open-mint stand-in is refused
///        FR_MAX_RISK_SCORE      83
///        FR_EXECUTORS           addresses, comma separated (FR_EXECUTOR for one); default the deployer
///        FR_COMPLIANCE_OFFICER, FR_GUARDIAN, FR_BLOCKED_ACCOUNT   default the deployer
///        FR_TREASURY            default the deployer on a local chain, elsewhere none: each executor pays itself
///        FR_MINTER_ALLOWANCE    country token units an escrow may mint in total; default unlimited
///        FR_PER_MINT_LIMIT, FR_DAILY_LIMIT, FR_RATE_CAPACITY, FR_RATE_WINDOW   stablecoin units, seconds; default off
///        FR_ADMIN               default the deployer. Another address is offered the admin role of every contract and
///                               must accept after a day (acceptDefaultAdminTransfer); the deployer keeps no other role
///        FR_OUT                 default deployments/<chain id>.json
contract Deploy {
    // solhint-disable-next-line var-name-mixedcase
    bool public IS_SCRIPT = true;

    uint256 internal constant LOCAL_FUNDS_WHOLE_UNITS = 1_000_000_000;

    struct Config {
        string[] countryCodes;
        address stablecoin;
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
        CountryTokenBase token;
        MintEscrow escrow;
    }

    struct Deployment {
        UserRegistryBase registry;
        ComplianceManager manager;
        address implementation;
        address stablecoin;
        Country[] countries;
    }

    error StablecoinRequired(uint256 chainId);
    error InvalidCountryCode(string code);
    error InvalidMaxRiskScore(uint256 score);

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
        address[] memory executors = new address[](1);
        executors[0] = VM.envOr("FR_EXECUTOR", deployer);
        uint256 maxRiskScore = VM.envOr("FR_MAX_RISK_SCORE", uint256(83));
        if (maxRiskScore > 100) revert InvalidMaxRiskScore(maxRiskScore);
        config.countryCodes = VM.envOr("FR_COUNTRY_CODE", ",", codes);
        config.stablecoin = VM.envOr("FR_STABLECOIN", address(0));
        config.maxRiskScore = uint8(maxRiskScore);
        config.executors = VM.envOr("FR_EXECUTORS", ",", executors);
        config.complianceOfficer = VM.envOr("FR_COMPLIANCE_OFFICER", deployer);
        config.guardian = VM.envOr("FR_GUARDIAN", deployer);
        config.blockedAccount = VM.envOr("FR_BLOCKED_ACCOUNT", deployer);
        config.treasury = VM.envOr("FR_TREASURY", isLocal() ? deployer : address(0));
        config.admin = VM.envOr("FR_ADMIN", deployer);
        config.minterAllowance = VM.envOr("FR_MINTER_ALLOWANCE", type(uint256).max);
        config.perMintLimit = SafeCast.toUint96(VM.envOr("FR_PER_MINT_LIMIT", uint256(0)));
        config.dailyLimit = SafeCast.toUint96(VM.envOr("FR_DAILY_LIMIT", uint256(0)));
        config.rateCapacity = SafeCast.toUint208(VM.envOr("FR_RATE_CAPACITY", uint256(0)));
        config.rateWindowSeconds = SafeCast.toUint48(VM.envOr("FR_RATE_WINDOW", uint256(1 days)));
    }

    /// @dev Every call below is one transaction of `deployer`: run it inside a broadcast or a prank.
    function deploy(Config memory config, address deployer) public returns (Deployment memory done) {
        if (config.stablecoin == address(0)) {
            if (!isLocal()) revert StablecoinRequired(block.chainid);
            done.stablecoin = address(new USDStablecoin());
        } else {
            done.stablecoin = config.stablecoin;
        }
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
        done.countries = new Country[](config.countryCodes.length);
        for (uint256 i = 0; i < config.countryCodes.length; ++i) {
            done.countries[i] = _deployCountry(config, done, config.countryCodes[i], deployer);
        }
        _wireCompliance(config, done, deployer);
        if (config.stablecoin == address(0)) _fundLocally(config, done, deployer);
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
            VM.toString(done.stablecoin),
            '"'
        );
        for (uint256 i = 0; i < done.countries.length; ++i) {
            json = string.concat(
                json,
                ',"',
                done.countries[i].code,
                '":{"CountryToken":"',
                VM.toString(address(done.countries[i].token)),
                '","MintEscrow":"',
                VM.toString(address(done.countries[i].escrow)),
                '","countryCode":"',
                done.countries[i].code,
                '"}'
            );
        }
        json = string.concat(json, "}}\n");
    }

    function isLocal() public view returns (bool) {
        return block.chainid == 31337 || block.chainid == 1337;
    }

    function _deployCountry(Config memory config, Deployment memory done, string memory code, address deployer)
        private
        returns (Country memory country)
    {
        bytes32 countryCode = _bytes32(code);
        country.code = code;
        country.token = countryCode == bytes32("KES")
            ? CountryTokenBase(new CountryToken())
            : new NamedCountryToken(string.concat(code, " Token"), code, countryCode);
        MintEscrow escrow = new MintEscrow(done.stablecoin, address(country.token), address(done.registry), countryCode);
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
    function _fundLocally(Config memory config, Deployment memory done, address deployer) private {
        USDStablecoin usd = USDStablecoin(done.stablecoin);
        uint256 amount = LOCAL_FUNDS_WHOLE_UNITS * 10 ** usd.decimals();
        usd.mint(deployer, amount);
        if (config.treasury != address(0) && config.treasury != deployer) usd.mint(config.treasury, amount);
        for (uint256 i = 0; i < config.executors.length; ++i) {
            if (config.executors[i] != deployer) usd.mint(config.executors[i], amount);
        }
        for (uint256 i = 0; i < done.countries.length; ++i) {
            usd.approve(address(done.countries[i].escrow), type(uint256).max);
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

    function _bytes32(string memory code) private pure returns (bytes32 padded) {
        uint256 length = bytes(code).length;
        if (length == 0 || length > 32) revert InvalidCountryCode(code);
        assembly ("memory-safe") {
            padded := mload(add(code, 32))
        }
    }
}
