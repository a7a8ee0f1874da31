// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {
    AccessControlDefaultAdminRules
} from "@openzeppelin/contracts/access/extensions/AccessControlDefaultAdminRules.sol";
import {IUserRegistry} from "./interfaces/IUserRegistry.sol";

/// @title UserRegistryBase
/// @notice The registry itself; the deployed contracts only choose the highest acceptable risk score.
/// @dev The maximum is immutable, because a threshold that an admin key can move is no threshold. Changing the policy
///      means deploying another registry and pointing manager and escrow to it.
abstract contract UserRegistryBase is IUserRegistry, AccessControlDefaultAdminRules {
    bytes32 public constant COMPLIANCE_OFFICER_ROLE = keccak256("COMPLIANCE_OFFICER_ROLE");
    uint8 public constant HIGHEST_SCORE = 100;
    uint48 internal constant ADMIN_TRANSFER_DELAY_SECONDS = 1 days;

    /// @notice The highest risk score that still counts as compliant.
    // solhint-disable-next-line var-name-mixedcase
    uint8 public immutable MAX_RISK_SCORE;

    /// @dev One word answers `isCompliant`; the attestation itself is read by people and auditors only.
    struct Facts {
        uint8 riskScore;
        bool isVerified;
        bool isAttested;
        uint64 lastUpdated;
    }

    mapping(address user => Facts) private _facts;
    mapping(address user => bytes32) private _attestations;

    constructor(uint8 maxRiskScore) AccessControlDefaultAdminRules(ADMIN_TRANSFER_DELAY_SECONDS, msg.sender) {
        if (maxRiskScore > HIGHEST_SCORE) revert InvalidRiskScore();
        MAX_RISK_SCORE = maxRiskScore;
    }

    modifier onlyOfficer() {
        if (!hasRole(COMPLIANCE_OFFICER_ROLE, msg.sender)) revert Unauthorized();
        _;
    }

    /// @inheritdoc IUserRegistry
    function updateUser(address user, uint8 riskScore, bytes32 attestationHash, bool isVerified) external onlyOfficer {
        if (user == address(0)) revert UserNotFound();
        if (riskScore > HIGHEST_SCORE) revert InvalidRiskScore();
        _facts[user] = Facts({
            riskScore: riskScore,
            isVerified: isVerified,
            isAttested: attestationHash != bytes32(0),
            lastUpdated: uint64(block.timestamp)
        });
        _attestations[user] = attestationHash;
        emit UserComplianceUpdated(user, riskScore, attestationHash, isVerified);
    }

    /// @notice Erases the record of `user`, who is then unknown and not compliant.
    function removeUser(address user) external onlyOfficer {
        if (!isRegistered(user)) revert UserNotFound();
        delete _facts[user];
        delete _attestations[user];
        emit UserComplianceUpdated(user, 0, bytes32(0), false);
    }

    function addComplianceOfficer(address officer) external {
        grantRole(COMPLIANCE_OFFICER_ROLE, officer);
    }

    function removeComplianceOfficer(address officer) external {
        revokeRole(COMPLIANCE_OFFICER_ROLE, officer);
    }

    /// @inheritdoc IUserRegistry
    function getUser(address user) external view returns (UserCompliance memory) {
        Facts memory facts = _facts[user];
        return UserCompliance({
            riskScore: facts.riskScore,
            attestationHash: _attestations[user],
            lastUpdated: facts.lastUpdated,
            isVerified: facts.isVerified
        });
    }

    /// @inheritdoc IUserRegistry
    function isCompliant(address user) external view returns (bool) {
        Facts memory facts = _facts[user];
        return facts.isVerified && facts.isAttested && facts.riskScore <= MAX_RISK_SCORE;
    }

    /// @inheritdoc IUserRegistry
    function getRiskScore(address user) external view returns (uint8) {
        return _facts[user].riskScore;
    }

    /// @inheritdoc IUserRegistry
    function getAttestationHash(address user) external view returns (bytes32) {
        return _attestations[user];
    }

    function isRegistered(address user) public view returns (bool) {
        return _facts[user].lastUpdated != 0;
    }
}
