// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

/// @title SkipCodes
/// @notice Why a batch left an item out, as carried by `MintSkipped`.
/// @dev The numbers are a public contract: services store them. Append, never renumber.
library SkipCodes {
    uint8 internal constant NONE = 0;
    /// @dev The intent id is known already, in whatever state, or came earlier in the same batch.
    uint8 internal constant ALREADY_EXISTS = 1;
    uint8 internal constant NOT_COMPLIANT = 2;
    /// @dev Zero, or above the 96 bits that an amount may have.
    uint8 internal constant INVALID_AMOUNT = 3;
    uint8 internal constant OVER_PER_MINT_LIMIT = 4;
    uint8 internal constant OVER_DAILY_LIMIT = 5;
    /// @dev The rail-wide rate is used up; the item fits later.
    uint8 internal constant RATE_LIMITED = 6;
    /// @dev The escrow's minting allowance at the country token is used up.
    uint8 internal constant MINTER_ALLOWANCE = 7;
    /// @dev The country token refused, as it does for a denied recipient.
    uint8 internal constant TOKEN_REFUSED = 8;
    /// @dev Unknown, executed, refunded or failed.
    uint8 internal constant NOT_PENDING = 9;
    /// @dev The zero address, or the escrow itself.
    uint8 internal constant INVALID_USER = 10;
    /// @dev The payer is denied; the deposit may only go to the blocked account.
    uint8 internal constant PAYER_DENIED = 11;
    /// @dev Deposited before the stablecoin changed; the deposit may only go back, or to the blocked account.
    uint8 internal constant OTHER_STABLECOIN = 12;
}
