// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {ComplianceManager} from "../../src/ComplianceManager.sol";
import {CountryToken} from "../../src/CountryToken.sol";
import {MintEscrow} from "../../src/MintEscrow.sol";
import {UserRegistry} from "../../src/UserRegistry.sol";
import {IMintEscrowRail} from "../../src/interfaces/IMintEscrowRail.sol";
import {BlockingCoin} from "../mocks/BadTokens.sol";
import {Test} from "../utils/Test.sol";

/// @notice Does at random whatever users, executors, officers and admins can do, and keeps its own account of it.
contract RailHandler is Test {
    bytes32 internal constant KES = bytes32("KES");
    bytes32 internal constant KYC = keccak256("kyc");
    uint256 internal constant MAX_AMOUNT = 1_000e18;

    MintEscrow public immutable escrow;
    CountryToken public immutable token;
    UserRegistry public immutable registry;
    ComplianceManager public immutable manager;
    BlockingCoin public immutable coin;
    address public immutable admin;
    address public immutable treasury;

    address[] public users;
    bytes32[] public intents;
    mapping(bytes32 => bool) public isListed;
    mapping(bytes32 => uint8) public lastState;
    mapping(address => mapping(uint256 => uint256)) public countedOn;

    uint256 public executed;
    uint256 public aside;
    uint256 public burned;
    uint256 public redeemed;
    uint256 public calls;

    bool public terminalChanged;
    bool public mintedUncleared;
    bool public mintedHalted;
    bool public overCap;

    constructor(
        MintEscrow escrow_,
        CountryToken token_,
        UserRegistry registry_,
        ComplianceManager manager_,
        BlockingCoin coin_,
        address admin_,
        address treasury_
    ) {
        (escrow, token, registry, manager, coin) = (escrow_, token_, registry_, manager_, coin_);
        (admin, treasury) = (admin_, treasury_);
        for (uint256 i = 1; i <= 4; ++i) {
            address user = address(uint160(0xA000 + i));
            users.push(user);
            coin.mint(user, 1e40);
            vm.prank(user);
            coin.approve(address(escrow), type(uint256).max);
            vm.prank(user);
            token.approve(address(escrow), type(uint256).max);
        }
    }

    // -------------------------------------------------------------------------------------------------- actions

    function submit(uint256 user, uint256 amount, uint256 ref) external {
        address payer = _user(user);
        bytes32 id = escrow.computeIntentId(payer, _ref(ref));
        vm.prank(payer);
        try escrow.submitIntent(bound(amount, 1, MAX_AMOUNT), KES, _ref(ref)) {
            _list(id);
        } catch {}
        _observe();
    }

    function submitFor(uint256 user, uint256 amount, uint256 ref, uint256 size) external {
        IMintEscrowRail.Settlement[] memory items = _items(user, amount, ref, size);
        try escrow.submitIntentsFor(items) {
            _listAll(items);
        } catch {}
        _observe();
    }

    function settle(uint256 user, uint256 amount, uint256 ref, uint256 size) external {
        IMintEscrowRail.Settlement[] memory items = _items(user, amount, ref, size);
        try escrow.settleBatch(items) {
            _listAll(items);
        } catch {}
        _observe();
    }

    function execute(uint256 index) external {
        try escrow.executeMint(_intent(index)) {} catch {}
        _observe();
    }

    function executeBatch(uint256 index, uint256 size) external {
        try escrow.executeMintBatch(_some(index, size)) {} catch {}
        _observe();
    }

    function refund(uint256 index) external {
        try escrow.refundIntent(_intent(index), "") {} catch {}
        _observe();
    }

    function refundBatch(uint256 index, uint256 size) external {
        try escrow.refundBatch(_some(index, size), "") {} catch {}
        _observe();
    }

    function selfRefund(uint256 index) external {
        bytes32 id = _intent(index);
        if (id == 0) return;
        address payer = escrow.getPayer(id);
        vm.prank(payer);
        try escrow.announceRefund(id) returns (uint256 from) {
            vm.warp(from);
        } catch {}
        vm.prank(payer);
        try escrow.selfRefund(id) {} catch {}
        _observe();
    }

    function blockIntent(uint256 index) external {
        try escrow.blockIntent(_intent(index), "") {} catch {}
        _observe();
    }

    function claim(uint256 user) external {
        vm.prank(_user(user));
        try escrow.claim(address(coin), address(0xC1A1)) {} catch {}
        _observe();
    }

    function blockClaim(uint256 user) external {
        try escrow.blockClaim(address(coin), _user(user), "") {} catch {}
        _observe();
    }

    function redeem(uint256 user, uint256 amount) external {
        address holder = _user(user);
        amount = bound(amount, 1, token.balanceOf(holder) + 1);
        vm.prank(holder);
        try escrow.redeem(amount, holder) returns (uint256 paid) {
            burned += amount;
            redeemed += paid;
        } catch {}
        _observe();
    }

    function burn(uint256 user, uint256 amount) external {
        address holder = _user(user);
        amount = bound(amount, 0, token.balanceOf(holder) / 10);
        vm.prank(holder);
        try token.burn(amount) {
            burned += amount;
        } catch {}
        _observe();
    }

    function transfer(uint256 from, uint256 to, uint256 amount) external {
        address holder = _user(from);
        amount = bound(amount, 0, token.balanceOf(holder) + 1);
        vm.prank(holder);
        try token.transfer(_user(to), amount) {} catch {}
        _observe();
    }

    /// @dev As another minter of the same token does, with a cap of its own or with none.
    function mintAside(uint256 user, uint256 amount, uint256 cap) external {
        address to = _user(user);
        amount = bound(amount, 0, MAX_AMOUNT);
        uint256 today = block.timestamp / 1 days;
        bool capped = cap % 2 == 0;
        cap = bound(cap, MAX_AMOUNT, 4 * MAX_AMOUNT);
        bytes memory payload =
            capped ? abi.encodeCall(token.mintWithin, (to, amount, cap)) : abi.encodeCall(token.mint, (to, amount));
        (bool minted,) = address(token).call(payload);
        if (minted) {
            aside += amount;
            countedOn[to][today] += amount;
            if (capped && amount != 0 && countedOn[to][today] > cap) overCap = true;
        }
        _observe();
    }

    function judge(uint256 user, uint8 score, bool verified, bool denied) external {
        registry.updateUser(_user(user), score % 101, KYC, verified || score % 4 != 0);
        token.setDenied(_user(user), denied && score % 5 == 0);
        coin.setBlocked(_user(user), score % 7 == 0);
        _observe();
    }

    function limit(uint256 perMint, uint256 daily, uint256 rate, uint256 allowance) external {
        vm.startPrank(admin);
        escrow.setLimits(
            uint96(perMint % 3 == 0 ? 0 : bound(perMint, MAX_AMOUNT / 4, MAX_AMOUNT)),
            uint96(daily % 3 == 0 ? 0 : bound(daily, MAX_AMOUNT, 4 * MAX_AMOUNT))
        );
        escrow.setRateLimit(1 days, uint208(rate % 2 == 0 ? 0 : bound(rate, MAX_AMOUNT, 9 * MAX_AMOUNT)));
        token.setMinterAllowance(
            address(escrow), allowance % 4 == 0 ? bound(allowance, 0, 5 * MAX_AMOUNT) : type(uint256).max
        );
        vm.stopPrank();
        _observe();
    }

    function halt(uint8 which) external {
        vm.startPrank(admin);
        if (which % 8 == 0) try escrow.pause() {} catch {} else try escrow.unpause() {} catch {}
        if (which % 8 == 1) try manager.pause() {} catch {} else try manager.unpause() {} catch {}
        if (which % 8 == 2) try token.pause() {} catch {} else try token.unpause() {} catch {}
        vm.stopPrank();
        _observe();
    }

    function rescue(uint256 amount) external {
        coin.mint(address(escrow), 3);
        vm.prank(admin);
        try escrow.rescue(address(coin), admin, bound(amount, 1, 2 * MAX_AMOUNT)) {} catch {}
        _observe();
    }

    function wait_(uint256 time) external {
        vm.warp(block.timestamp + bound(time, 1, 2 days));
        _observe();
    }

    // -------------------------------------------------------------------------------------------- bookkeeping

    /// @dev Compares every known intent with what it was before this call. Time, clearance and pauses change in calls of
    ///      their own, so their present value is the one that held during the call.
    function _observe() private {
        ++calls;
        uint256 today = block.timestamp / 1 days;
        (uint256 perMint, uint256 daily) = escrow.limits();
        for (uint256 i = 0; i < intents.length; ++i) {
            bytes32 id = intents[i];
            uint8 was = lastState[id];
            uint8 now_ = escrow.intentStates(_single(id))[0];
            if (was == now_) continue;
            if (was > 1) terminalChanged = true;
            lastState[id] = now_;
            if (now_ != 2) continue;
            address user = escrow.getIntent(id).user;
            uint256 amount = escrow.getIntent(id).amount;
            executed += amount;
            if (!registry.isCompliant(user)) mintedUncleared = true;
            if (escrow.halted()) mintedHalted = true;
            if (perMint != 0 && amount > perMint) overCap = true;
            // Counted without a limit too: one that is set later holds for the whole day.
            countedOn[user][today] += amount;
            if (daily != 0 && countedOn[user][today] > daily) overCap = true;
        }
    }

    function userCount() external view returns (uint256) {
        return users.length;
    }

    function intentCount() external view returns (uint256) {
        return intents.length;
    }

    function _user(uint256 index) private view returns (address) {
        return users[index % users.length];
    }

    /// @dev A small set, so that repeats are common.
    function _ref(uint256 ref) private pure returns (bytes32) {
        return bytes32(1 + ref % 64);
    }

    function _intent(uint256 index) private view returns (bytes32) {
        return intents.length == 0 ? bytes32(0) : intents[index % intents.length];
    }

    function _some(uint256 index, uint256 size) private view returns (bytes32[] memory list) {
        list = new bytes32[](bound(size, 0, 6));
        for (uint256 i = 0; i < list.length; ++i) {
            list[i] = _intent(uint256(keccak256(abi.encode(index, i))));
        }
    }

    function _items(uint256 user, uint256 amount, uint256 ref, uint256 size)
        private
        view
        returns (IMintEscrowRail.Settlement[] memory items)
    {
        items = new IMintEscrowRail.Settlement[](bound(size, 1, 6));
        for (uint256 i = 0; i < items.length; ++i) {
            uint256 salt = uint256(keccak256(abi.encode(ref, i)));
            items[i] = IMintEscrowRail.Settlement({
                user: _user(uint256(keccak256(abi.encode(user, i)))),
                amount: uint256(keccak256(abi.encode(amount, i))) % MAX_AMOUNT,
                txRef: _ref(salt)
            });
        }
    }

    function _listAll(IMintEscrowRail.Settlement[] memory items) private {
        for (uint256 i = 0; i < items.length; ++i) {
            bytes32 id = escrow.computeServiceIntentId(items[i].txRef);
            if (escrow.intentStates(_single(id))[0] != 0) _list(id);
        }
    }

    function _list(bytes32 id) private {
        if (isListed[id]) return;
        isListed[id] = true;
        intents.push(id);
    }

    function _single(bytes32 id) private pure returns (bytes32[] memory list) {
        list = new bytes32[](1);
        list[0] = id;
    }
}
