// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {EscrowAdmin} from "./escrow/EscrowAdmin.sol";
import {EscrowBase} from "./escrow/EscrowBase.sol";
import {EscrowDeposits} from "./escrow/EscrowDeposits.sol";
import {EscrowExits} from "./escrow/EscrowExits.sol";
import {EscrowMints} from "./escrow/EscrowMints.sol";
import {EscrowViews} from "./escrow/EscrowViews.sol";
// Whoever imports this file alone gets both interfaces with it.
import {IMintEscrow} from "./interfaces/IMintEscrow.sol";
import {IMintEscrowRail} from "./interfaces/IMintEscrowRail.sol";

/// @title MintEscrow
/// @notice One escrow per country code. See {IMintEscrow} and {IMintEscrowRail} for behaviour and hazards.
/// @dev Not a proxy: replacing it means deploying another and moving the minter role. Needs transient storage (Cancun).
contract MintEscrow is EscrowAdmin, EscrowViews, EscrowDeposits, EscrowMints, EscrowExits {
    constructor(address usd, address token, address registry, bytes32 countryCode_) EscrowBase(token, countryCode_) {
        _setUserRegistry(registry);
        _setStablecoin(usd);
        _grantRole(EXECUTOR_ROLE, msg.sender);
    }
}
