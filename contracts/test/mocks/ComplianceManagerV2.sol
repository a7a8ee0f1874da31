// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {ComplianceManager} from "../../src/ComplianceManager.sol";

/// @dev A later version: new state in a namespace of its own, old words untouched, the upgrade shim inherited.
contract ComplianceManagerV2 is ComplianceManager {
    /// @custom:storage-location erc7201:fiatrails.storage.ComplianceManager.Reviews
    struct ReviewStorage {
        mapping(address user => uint64) reviewedAt;
    }

    // keccak256(abi.encode(uint256(keccak256("fiatrails.storage.ComplianceManager.Reviews")) - 1)) & ~bytes32(uint256(0xff))
    bytes32 private constant REVIEW_STORAGE = 0x2c1463bf4f7ad0543a418f3a87857753a1dc471b94297e541cdfc29adbdbd400;

    function recordReview(address user) external onlyActiveOfficer {
        _reviews().reviewedAt[user] = uint64(block.timestamp);
    }

    function reviewedAt(address user) external view returns (uint64) {
        return _reviews().reviewedAt[user];
    }

    function version() external pure override returns (string memory) {
        return "2.0.0";
    }

    function _reviews() private pure returns (ReviewStorage storage $) {
        assembly ("memory-safe") {
            $.slot := REVIEW_STORAGE
        }
    }
}

/// @dev A bad upgrade: it answers that everyone is compliant.
contract BrokenComplianceManager is ComplianceManager {
    function isCompliant(address) external pure override returns (bool) {
        return true;
    }
}

/// @dev A bad upgrade: a new `require` in the way of everything that asks whether the system is paused.
contract DemandingComplianceManager is ComplianceManager {
    function paused() public view override returns (bool) {
        require(block.number == 0, "DemandingComplianceManager: not yet configured");
        return super.paused();
    }
}

/// @dev Not UUPS: no proxy may ever point here.
contract NotUpgradeable {
    uint256 public constant answer = 42;
}
