// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

/// @title IUserRegistry
/// @notice On-chain compliance facts of each user, written by compliance officers and asked by the escrow at every mint.
/// @dev Hazards for integrators:
///  - `getUser` of an unknown address answers a zeroed struct and never reverts; use `isRegistered` to tell the two apart.
///  - `isCompliant` is the only question a mint may ask. A low risk score alone proves nothing: the user must also be
///    verified and carry an attestation.
///  - An officer can make anyone compliant. The officer key is as sensitive as a minter key.
interface IUserRegistry {
    struct UserCompliance {
        uint8 riskScore;
        bytes32 attestationHash;
        uint256 lastUpdated;
        bool isVerified;
    }

    event UserComplianceUpdated(address indexed user, uint8 riskScore, bytes32 attestationHash, bool isVerified);

    /// @notice The user has no record, or is the zero address.
    error UserNotFound();
    /// @notice A score above 100.
    error InvalidRiskScore();
    /// @notice The caller is no compliance officer.
    error Unauthorized();

    /// @notice Replaces the whole record of `user`. The last write wins.
    function updateUser(address user, uint8 riskScore, bytes32 attestationHash, bool isVerified) external;

    /// @notice The record of `user`, zeroed when there is none.
    function getUser(address user) external view returns (UserCompliance memory);

    /// @notice Verified, attested and not riskier than the registry's maximum.
    function isCompliant(address user) external view returns (bool);

    function getRiskScore(address user) external view returns (uint8);

    function getAttestationHash(address user) external view returns (bytes32);
}
