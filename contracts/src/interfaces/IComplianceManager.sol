// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

/// @title IComplianceManager
/// @notice The compliance desk: changes single facts of a user and holds the switch that stops every escrow wired to it.
/// @dev Hazards for integrators:
///  - The manager writes through the registry and needs the officer role there; without it every write reverts.
///  - `updateUserRisk` and `recordAttestation` create a record for an unknown user. Such a user stays unverified.
///  - `isCompliant` still answers while paused. Ask `paused()` as well before acting on the answer; the escrow does.
interface IComplianceManager {
    event UserRiskUpdated(address indexed user, uint8 newRiskScore, address indexed updatedBy, uint256 timestamp);
    event AttestationRecorded(
        address indexed user, bytes32 indexed attestationHash, bytes32 attestationType, address indexed recordedBy
    );

    /// @notice The caller is no compliance officer of the manager.
    error Unauthorized();
    /// @notice The manager is paused.
    error SystemPaused();
    /// @notice A score above 100.
    error InvalidRiskScore();
    /// @notice The zero attestation hash.
    error InvalidAttestation();

    /// @notice Changes the risk score and keeps the attestation and the verification.
    function updateUserRisk(address user, uint8 newRiskScore) external;

    /// @notice Changes the attestation and keeps the risk score and the verification.
    function recordAttestation(address user, bytes32 attestationHash, bytes32 attestationType) external;

    function isCompliant(address user) external view returns (bool);

    /// @notice Stops the manager and every escrow wired to it. Guardian or admin.
    function pause() external;

    /// @notice Admin only: a guardian can stop the rail and cannot start it.
    function unpause() external;
}
