// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {IMintEscrow} from "./IMintEscrow.sol";

/// @title IMintEscrowRail
/// @notice What the payment rail adds to {IMintEscrow}: settlement of confirmed payments, batches, limits, exits.
/// @dev Hazards for integrators:
///  - Service-path ids (`settleBatch`, `submitIntentsFor`) are `computeIntentId(address(escrow), txRef)`. They depend on
///    neither the signer nor the treasury, so two signers, or a treasury change, can never mint one payment twice.
///  - A batch that returns normally may have skipped items: read `MintSkipped` and the returned count. A skipped item is
///    not terminal; a later batch may carry it again.
///  - A batch still reverts as a whole for what concerns all of it: paused, too large, treasury short of funds or
///    allowance, or a token call that ran out of gas.
///  - The treasury's allowance to the escrow is the most that an abused executor key can mint. Keep it finite, and
///    configure limits.
///  - A payer's own refund takes two calls with a day between. Whoever answers for compliance watches `RefundAnnounced`
///    and decides within that day.
///  - Daily limits count UTC calendar days, so twice the limit can pass around midnight. The country token keeps the
///    sum: what other minters issued to the user on the day counts, also before the limit was set.
interface IMintEscrowRail is IMintEscrow {
    /// @notice One confirmed payment. `txRef` must be globally unique: a payment's identity, never a display reference.
    struct Settlement {
        address user;
        uint256 amount;
        bytes32 txRef;
    }

    event MintSkipped(bytes32 indexed intentId, uint8 code);
    event BatchSettled(uint256 indexed batch, address indexed payer, uint256 executed, uint256 amount);
    event IntentBlocked(bytes32 indexed intentId, address indexed user, uint256 amount, string reason);
    event RefundAnnounced(bytes32 indexed intentId, address indexed payer, uint256 from, uint256 until);
    event ClaimBlocked(address indexed account, address indexed stablecoin, uint256 amount, string reason);
    event PayoutDeferred(address indexed to, address indexed stablecoin, uint256 amount);
    event Claimed(address indexed account, address indexed stablecoin, address indexed to, uint256 amount);
    event Redeemed(
        address indexed holder, address indexed to, address indexed stablecoin, uint256 tokens, uint256 amount
    );
    event UserRegistryChanged(address indexed registry);
    event StablecoinChanged(address indexed stablecoin, uint256 scale);
    event ComplianceManagerChanged(address indexed manager);
    event TreasuryChanged(address indexed treasury);
    event BlockedAccountChanged(address indexed account);
    event RefundTimeoutChanged(uint256 timeoutSeconds);
    event LimitsChanged(uint256 perMint, uint256 dailyPerUser);
    event RateLimitChanged(uint256 windowSeconds, uint256 capacity);
    event Rescued(address indexed token, address indexed to, uint256 amount);

    /// @notice This escrow, its compliance manager or its country token is paused.
    error SystemPaused();
    error BatchTooLarge();
    error InvalidUser();
    error InvalidAddress();
    /// @notice A stablecoin with more decimals than the country token cannot be represented exactly.
    error UnsupportedDecimals();
    error OverPerMintLimit();
    error OverDailyLimit();
    error RateLimited();
    /// @notice The mint call failed without a reason: out of gas, or no country token at that address.
    error MintCallFailed();
    error DepositsPending();
    /// @notice Deposited in an earlier stablecoin, which nothing is minted for any more.
    error OtherStablecoin();
    /// @notice Not announced, or not yet, or no longer within the window of the announcement.
    error RefundNotDue();
    error NotPayer();
    /// @notice Only what is owed to a denied account may be taken from it.
    error AccountNotDenied();
    /// @notice The account is denied by the country token; its money may only go to the blocked account.
    error RecipientDenied();
    error NothingToClaim();
    error InsufficientBacking();
    error InsufficientSurplus();
    error BlockedAccountUnset();
    error InvalidTimeout();

    /// @notice As `submitIntent`, with an ERC-2612 approval. A permit that someone already used does no harm.
    function submitIntentWithPermit(
        uint256 amount,
        bytes32 countryCode,
        bytes32 txRef,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external returns (bytes32 intentId);

    /// @notice Deposits for `from` by ERC-3009. Anyone may relay; the authorization's nonce must be the intent id, which
    ///         binds the signature to this escrow, this payer and this `txRef`.
    function submitIntentWithAuthorization(
        address from,
        uint256 amount,
        bytes32 countryCode,
        bytes32 txRef,
        uint256 validAfter,
        uint256 validBefore,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external returns (bytes32 intentId);

    /// @notice Treasury-funded deposits for users; refunds return to the treasury. Executor only.
    function submitIntentsFor(Settlement[] calldata items) external returns (uint256 accepted);

    /// @notice Deposit and mint in one step for confirmed payments. Executor only.
    function settleBatch(Settlement[] calldata items) external returns (uint256 executed);

    function executeMintBatch(bytes32[] calldata intentIds) external returns (uint256 executed);

    function refundBatch(bytes32[] calldata intentIds, string calldata reason) external returns (uint256 refunded);

    /// @notice The payer says that a pending deposit is to be taken back, at any time and even while paused. `from`: when
    ///         `selfRefund` may follow, after the refund timeout and a day's notice, for three days. Then, or to begin
    ///         anew, it is announced again.
    function announceRefund(bytes32 intentId) external returns (uint256 from);

    /// @notice The payer takes an announced deposit back, with no help from any key of the rail, and even while paused.
    function selfRefund(bytes32 intentId) external;

    /// @notice Sends a pending deposit to the blocked account and fails the intent. Compliance officer only.
    function blockIntent(bytes32 intentId, string calldata reason) external;

    /// @notice Sends what could not be pushed to a denied account to the blocked account. Compliance officer only.
    function blockClaim(address stablecoin, address account, string calldata reason) external returns (uint256 amount);

    /// @notice Collects what could not be pushed to the caller.
    function claim(address stablecoin, address to) external returns (uint256 amount);

    /// @notice Burns `tokens` of the caller, who must have approved the escrow, and pays stablecoin to `to`.
    function redeem(uint256 tokens, address to) external returns (uint256 amount);

    /// @notice As `redeem`, out of a stablecoin that backed earlier mints.
    function redeemIn(address stablecoin, uint256 tokens, address to) external returns (uint256 amount);

    function computeIntentId(address payer, bytes32 txRef) external view returns (bytes32);

    function computeServiceIntentId(bytes32 txRef) external view returns (bytes32);

    /// @notice 0 unknown, otherwise `MintStatus` + 1. Never reverts.
    function intentStates(bytes32[] calldata intentIds) external view returns (uint8[] memory);

    /// @notice Who paid for the intent and is owed its refund.
    function getPayer(bytes32 intentId) external view returns (address);

    /// @notice When the payer may take the deposit back; both zero when that was not announced.
    function refundWindow(bytes32 intentId) external view returns (uint256 from, uint256 until);

    /// @notice What the escrow owes in `stablecoin`: undecided deposits, backing of minted tokens, unclaimed payouts.
    function liabilities(address stablecoin) external view returns (uint256 pending, uint256 backing, uint256 claimable);

    /// @notice True when nothing can be minted: this escrow, its manager or its token is paused.
    function halted() external view returns (bool);
}
