// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

/// @title IMintEscrow
/// @notice Deposit a stablecoin, receive country tokens after compliance, or get the deposit back.
/// @dev Hazards for integrators:
///  - Amounts are in units of the stablecoin, everywhere, events included. Country tokens are scaled by the difference
///    of the two `decimals()`.
///  - `getIntent` and `getIntentStatus` revert on an unknown id. There is no "unknown" member in `MintStatus`, and
///    answering its zero value would read as Pending.
///  - `IntentAlreadyExecuted` means terminal: executed, refunded or failed. Read the status back before treating it as
///    success.
///  - Refunds go to whoever paid, which in the service path is the treasury and not the user.
interface IMintEscrow {
    enum MintStatus {
        Pending,
        Executed,
        Refunded,
        Failed
    }

    struct MintIntent {
        address user;
        uint256 amount;
        bytes32 countryCode;
        bytes32 txRef;
        uint256 timestamp;
        MintStatus status;
    }

    event MintIntentSubmitted(
        bytes32 indexed intentId, address indexed user, uint256 amount, bytes32 indexed countryCode, bytes32 txRef
    );
    event MintExecuted(
        bytes32 indexed intentId, address indexed user, uint256 amount, bytes32 indexed countryCode, bytes32 txRef
    );
    event MintRefunded(bytes32 indexed intentId, address indexed user, uint256 amount, string reason);

    error IntentAlreadyExists();
    error IntentNotFound();
    error UserNotCompliant();
    error InvalidAmount();
    error InvalidCountryCode();
    error IntentAlreadyExecuted();
    /// @notice The stablecoin moved a different amount than was asked, as a fee-on-transfer token does.
    error TransferFailed();

    /// @notice Deposits `amount` for the caller. The id depends on the caller and `txRef` alone, so a repeat reverts.
    function submitIntent(uint256 amount, bytes32 countryCode, bytes32 txRef) external returns (bytes32 intentId);

    /// @notice Mints a pending intent to its user. Executor only.
    function executeMint(bytes32 intentId) external;

    /// @notice Returns a pending intent's deposit to its payer. Executor only; works while paused.
    function refundIntent(bytes32 intentId, string calldata reason) external;

    function getIntent(bytes32 intentId) external view returns (MintIntent memory);

    function getIntentStatus(bytes32 intentId) external view returns (MintStatus);

    function setUserRegistry(address newRegistry) external;

    /// @notice Refused while any deposit in the present stablecoin is pending, unless the escrow itself is paused. What is
    ///         pending then can no longer be minted: it goes back to its payer in the stablecoin that it came in.
    function setStablecoin(address newStablecoin) external;
}
