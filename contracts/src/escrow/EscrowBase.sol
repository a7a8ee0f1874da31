// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {
    AccessControlDefaultAdminRules
} from "@openzeppelin/contracts/access/extensions/AccessControlDefaultAdminRules.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {RateLimiter} from "@openzeppelin/contracts/utils/RateLimiter.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ICountryToken} from "../interfaces/ICountryToken.sol";
import {IMintEscrowRail} from "../interfaces/IMintEscrowRail.sol";
import {IUserRegistry} from "../interfaces/IUserRegistry.sol";
import {Head, IntentHead} from "../libraries/IntentHead.sol";
import {SettlementLog} from "../libraries/SettlementLog.sol";
import {SkipCodes} from "../libraries/SkipCodes.sol";

/// @dev All that the escrow asks a compliance manager.
interface IPausedView {
    function paused() external view returns (bool);
}

/// @title EscrowBase
/// @notice What every part of the escrow shares: storage, the identity of an intent, the pause, money in.
/// @dev Order in every function: checks, effects, event, transfer. Storage is append only, so that the layouts that
///      monitoring reads stay valid from one deployed escrow to the next.
abstract contract EscrowBase is IMintEscrowRail, AccessControlDefaultAdminRules, Pausable, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;
    using RateLimiter for RateLimiter.RefillingBucket;

    bytes32 public constant EXECUTOR_ROLE = keccak256("EXECUTOR_ROLE");
    bytes32 public constant GUARDIAN_ROLE = keccak256("GUARDIAN_ROLE");
    bytes32 public constant COMPLIANCE_OFFICER_ROLE = keccak256("COMPLIANCE_OFFICER_ROLE");

    uint256 public constant MAX_BATCH = SettlementLog.MAX_ITEMS;
    uint256 public constant MIN_REFUND_TIMEOUT_SECONDS = 1 hours;
    uint256 public constant MAX_REFUND_TIMEOUT_SECONDS = 30 days;
    uint256 public constant REFUND_NOTICE_SECONDS = 1 days;
    uint256 public constant REFUND_WINDOW_SECONDS = 3 days;
    uint48 internal constant ADMIN_TRANSFER_DELAY_SECONDS = 1 days;

    /// @dev One bucket for the whole rail.
    bytes32 internal constant RAIL = bytes32(0);

    /// @dev The rest of a deposited intent. Settled intents keep theirs in the batch's log.
    struct Body {
        uint96 amount;
        address payer;
        bytes32 txRef;
    }

    struct Stablecoin {
        address token;
        uint64 scale; // country token units per stablecoin unit
    }

    struct Batch {
        address log;
        uint16 stablecoin;
    }

    struct Liabilities {
        uint128 pending;
        uint128 backing;
        uint128 claimable;
    }

    struct Limits {
        uint96 perMint;
        uint96 dailyPerUser;
        bool rated;
    }

    ICountryToken public immutable countryToken;
    bytes32 public immutable countryCode;

    IUserRegistry public userRegistry;
    address public complianceManager;
    address public treasury;
    address public blockedAccount;
    uint64 public refundTimeoutSeconds = 7 days;
    uint32 public batchCount;
    uint16 internal _stablecoin;
    Limits internal _limits;

    Stablecoin[] internal _stablecoins;
    mapping(bytes32 intentId => Head) internal _heads;
    mapping(bytes32 intentId => Body) internal _bodies;
    mapping(uint256 batch => Batch) internal _batches;
    mapping(address stablecoin => Liabilities) internal _liabilities;
    mapping(address stablecoin => mapping(address account => uint256)) internal _claims;
    RateLimiter.RefillingBucket internal _rate;
    mapping(bytes32 intentId => uint256) internal _refundableFrom;

    constructor(address token, bytes32 countryCode_)
        AccessControlDefaultAdminRules(ADMIN_TRANSFER_DELAY_SECONDS, msg.sender)
    {
        if (token.code.length == 0) revert InvalidAddress();
        if (countryCode_ == bytes32(0)) revert InvalidCountryCode();
        countryToken = ICountryToken(token);
        countryCode = countryCode_;
    }

    modifier whenMinting() {
        if (halted()) revert SystemPaused();
        _;
    }

    /// @inheritdoc IMintEscrowRail
    function computeServiceIntentId(bytes32 txRef) public view returns (bytes32) {
        return computeIntentId(address(this), txRef);
    }

    /// @inheritdoc IMintEscrowRail
    function computeIntentId(address payer, bytes32 txRef) public view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this), payer, txRef));
    }

    /// @inheritdoc IMintEscrowRail
    function halted() public view returns (bool) {
        if (paused() || countryToken.paused()) return true;
        address manager = complianceManager;
        return manager != address(0) && IPausedView(manager).paused();
    }

    /// @dev What must hold before an intent may exist at all.
    function _admit(bytes32 intentId, address user, uint256 amount, uint256 perMint) internal view returns (uint8) {
        if (_heads[intentId].state() != IntentHead.UNKNOWN) return SkipCodes.ALREADY_EXISTS;
        if (user == address(0) || user == address(this)) return SkipCodes.INVALID_USER;
        if (amount == 0 || amount > type(uint96).max) return SkipCodes.INVALID_AMOUNT;
        if (perMint != 0 && amount > perMint) return SkipCodes.OVER_PER_MINT_LIMIT;
        return SkipCodes.NONE;
    }

    function _funder() internal view returns (address) {
        address configured = treasury;
        return configured == address(0) ? msg.sender : configured;
    }

    function _pull(IERC20 token, address from, uint256 amount) internal {
        uint256 before = token.balanceOf(address(this));
        token.safeTransferFrom(from, address(this), amount);
        _requireReceived(token, before, amount);
    }

    /// @dev Exactly the amount: a fee on transfer would leave some other deposit uncovered.
    function _requireReceived(IERC20 token, uint256 before, uint256 amount) internal view {
        if (token.balanceOf(address(this)) != before + amount) revert TransferFailed();
    }

    /// @dev In token units, as the country token counts; zero when there is no daily limit.
    function _dailyCap(uint256 scale_) internal view returns (uint256) {
        return _limits.dailyPerUser * scale_;
    }

    function _rateLeft() internal view returns (uint256) {
        return _limits.rated ? _rate.available(RAIL) : type(uint256).max;
    }

    function _raise(uint8 code, bytes memory reason) internal pure {
        if (code == SkipCodes.ALREADY_EXISTS) revert IntentAlreadyExists();
        if (code == SkipCodes.NOT_COMPLIANT) revert UserNotCompliant();
        if (code == SkipCodes.INVALID_AMOUNT) revert InvalidAmount();
        if (code == SkipCodes.OVER_PER_MINT_LIMIT) revert OverPerMintLimit();
        if (code == SkipCodes.OVER_DAILY_LIMIT) revert OverDailyLimit();
        if (code == SkipCodes.RATE_LIMITED) revert RateLimited();
        if (code == SkipCodes.INVALID_USER) revert InvalidUser();
        if (code == SkipCodes.OTHER_STABLECOIN) revert OtherStablecoin();
        // MINTER_ALLOWANCE and TOKEN_REFUSED: the token's own words say more than ours would.
        assembly ("memory-safe") {
            revert(add(reason, 32), mload(reason))
        }
    }

    function _knownHead(bytes32 intentId) internal view returns (Head head) {
        head = _heads[intentId];
        if (head.state() == IntentHead.UNKNOWN) revert IntentNotFound();
    }

    function _pendingHead(bytes32 intentId) internal view returns (Head head) {
        head = _knownHead(intentId);
        if (head.state() != IntentHead.PENDING) revert IntentAlreadyExecuted();
    }
}
