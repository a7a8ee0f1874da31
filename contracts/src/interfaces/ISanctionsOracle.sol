// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

/// @title ISanctionsOracle
/// @notice An oracle kept by somebody else, as the service asks it for a second opinion. No contract here calls it.
interface ISanctionsOracle {
    /// @notice Whether the address is on the oracle's list.
    function isSanctioned(address addr) external view returns (bool);
}
