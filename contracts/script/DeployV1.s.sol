// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {ComplianceManager} from "../src/ComplianceManager.sol";
import {Console, VM} from "./utils/Vm.sol";

/// @title DeployV1
/// @notice Deploys a bare ComplianceManager implementation: the rollback target of the upgrade runbook.
/// @dev Prints the line that the deploy history keeps. Without `--broadcast` it is a rehearsal and the address holds
///      nothing on the chain.
contract DeployV1 {
    // solhint-disable-next-line var-name-mixedcase
    bool public IS_SCRIPT = true;

    function run() external returns (address implementation) {
        VM.startBroadcast();
        implementation = address(new ComplianceManager());
        VM.stopBroadcast();
        Console.log("Implementation deployed:", implementation);
    }
}
