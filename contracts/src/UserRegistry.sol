// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {IUserRegistry} from "./interfaces/IUserRegistry.sol";
import {UserRegistryBase} from "./UserRegistryBase.sol";

/// @title UserRegistry
/// @notice The registry with the usual maximum of 83.
contract UserRegistry is UserRegistryBase {
    constructor() UserRegistryBase(83) {}
}

/// @title UserRegistryWithMaximum
/// @notice The registry for deployments whose profile sets another maximum.
contract UserRegistryWithMaximum is UserRegistryBase {
    constructor(uint8 maxRiskScore) UserRegistryBase(maxRiskScore) {}
}
