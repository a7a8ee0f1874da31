// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {
    AccessControlDefaultAdminRulesUpgradeable
} from "@openzeppelin/contracts-upgradeable/access/extensions/AccessControlDefaultAdminRulesUpgradeable.sol";
import {PausableUpgradeable} from "@openzeppelin/contracts-upgradeable/utils/PausableUpgradeable.sol";
import {ERC1967Utils} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Utils.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import {IComplianceManager} from "./interfaces/IComplianceManager.sol";
import {IUserRegistry} from "./interfaces/IUserRegistry.sol";
import {UserRegistryBase} from "./UserRegistryBase.sol";

/// @title ComplianceManager
/// @notice Behind an ERC1967Proxy. Compliance officers change single facts of a user here; a guardian stops the rail here.
/// @dev Upgrades are one-step for the holder of UPGRADER_ROLE: give that role to a timelock in production. Every
///      implementation that may ever be a rollback target must carry `upgradeTo` and `implementation` below, because
///      operators roll back through them.
contract ComplianceManager is
    IComplianceManager,
    AccessControlDefaultAdminRulesUpgradeable,
    PausableUpgradeable,
    UUPSUpgradeable
{
    bytes32 public constant COMPLIANCE_OFFICER = keccak256("COMPLIANCE_OFFICER");
    bytes32 public constant UPGRADER_ROLE = keccak256("UPGRADER_ROLE");
    bytes32 public constant GUARDIAN_ROLE = keccak256("GUARDIAN_ROLE");
    uint8 public constant HIGHEST_SCORE = 100;
    uint48 internal constant ADMIN_TRANSFER_DELAY_SECONDS = 1 days;

    /// @dev Append only: later versions read the same words.
    /// @custom:storage-location erc7201:fiatrails.storage.ComplianceManager
    struct ManagerStorage {
        IUserRegistry registry;
    }

    // keccak256(abi.encode(uint256(keccak256("fiatrails.storage.ComplianceManager")) - 1)) & ~bytes32(uint256(0xff))
    bytes32 private constant MANAGER_STORAGE = 0x1f2d399ac953908b1f973ae83b7b15db65a7e614581fbb4906237760363fb500;

    event UserRegistryChanged(address indexed registry);

    error InvalidAddress();

    /// @custom:oz-upgrades-unsafe-allow constructor
    constructor() {
        _disableInitializers();
    }

    /// @notice `admin` receives every role but GUARDIAN_ROLE. Must run in the transaction that creates the proxy.
    function initialize(address admin, address registry) external initializer {
        __AccessControlDefaultAdminRules_init(ADMIN_TRANSFER_DELAY_SECONDS, admin);
        __Pausable_init();
        _grantRole(COMPLIANCE_OFFICER, admin);
        _grantRole(UPGRADER_ROLE, admin);
        _setUserRegistry(registry);
    }

    modifier onlyActiveOfficer() {
        if (!hasRole(COMPLIANCE_OFFICER, msg.sender)) revert Unauthorized();
        if (paused()) revert SystemPaused();
        _;
    }

    /// @inheritdoc IComplianceManager
    function updateUserRisk(address user, uint8 newRiskScore) external onlyActiveOfficer {
        if (newRiskScore > HIGHEST_SCORE) revert InvalidRiskScore();
        IUserRegistry registry = userRegistry();
        IUserRegistry.UserCompliance memory known = registry.getUser(user);
        emit UserRiskUpdated(user, newRiskScore, msg.sender, block.timestamp);
        registry.updateUser(user, newRiskScore, known.attestationHash, known.isVerified);
    }

    /// @inheritdoc IComplianceManager
    function recordAttestation(address user, bytes32 attestationHash, bytes32 attestationType)
        external
        onlyActiveOfficer
    {
        if (attestationHash == bytes32(0)) revert InvalidAttestation();
        IUserRegistry registry = userRegistry();
        IUserRegistry.UserCompliance memory known = registry.getUser(user);
        emit AttestationRecorded(user, attestationHash, attestationType, msg.sender);
        registry.updateUser(user, known.riskScore, attestationHash, known.isVerified);
    }

    /// @inheritdoc IComplianceManager
    function pause() external {
        if (!hasRole(DEFAULT_ADMIN_ROLE, msg.sender)) _checkRole(GUARDIAN_ROLE);
        _pause();
    }

    /// @inheritdoc IComplianceManager
    function unpause() external onlyRole(DEFAULT_ADMIN_ROLE) {
        _unpause();
    }

    function setUserRegistry(address newRegistry) external onlyRole(DEFAULT_ADMIN_ROLE) {
        _setUserRegistry(newRegistry);
    }

    /// @notice The upgrade call of OpenZeppelin 4, which operators' runbooks use; OpenZeppelin 5 dropped it.
    function upgradeTo(address newImplementation) external onlyProxy {
        upgradeToAndCall(newImplementation, "");
    }

    /// @inheritdoc IComplianceManager
    function isCompliant(address user) external view virtual returns (bool) {
        return userRegistry().isCompliant(user);
    }

    /// @notice The implementation behind this proxy.
    function implementation() external view onlyProxy returns (address) {
        return ERC1967Utils.getImplementation();
    }

    /// @notice The highest compliant risk score, as the registry has it.
    // solhint-disable-next-line func-name-mixedcase
    function MAX_RISK_SCORE() external view returns (uint8) {
        return UserRegistryBase(address(userRegistry())).MAX_RISK_SCORE();
    }

    function version() external pure virtual returns (string memory) {
        return "1.0.0";
    }

    function userRegistry() public view returns (IUserRegistry) {
        return _managerStorage().registry;
    }

    function _authorizeUpgrade(address) internal override onlyRole(UPGRADER_ROLE) {}

    function _setUserRegistry(address newRegistry) private {
        if (newRegistry.code.length == 0) revert InvalidAddress();
        _managerStorage().registry = IUserRegistry(newRegistry);
        emit UserRegistryChanged(newRegistry);
    }

    function _managerStorage() private pure returns (ManagerStorage storage $) {
        assembly ("memory-safe") {
            $.slot := MANAGER_STORAGE
        }
    }
}
