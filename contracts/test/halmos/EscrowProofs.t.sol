// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {CountryToken} from "../../src/CountryToken.sol";
import {MintEscrow} from "../../src/MintEscrow.sol";
import {USDStablecoin} from "../../src/USDStablecoin.sol";
import {UserRegistry} from "../../src/UserRegistry.sol";
import {IMintEscrowRail} from "../../src/interfaces/IMintEscrowRail.sol";

/// @notice Proofs for every amount, reference and user at once, not for samples. `halmos` runs the functions named
///         `check_`; forge passes them by. A proof fails by reaching a false `assert`.
contract EscrowProofs {
    bytes32 internal constant KES = bytes32("KES");

    USDStablecoin internal usd;
    CountryToken internal token;
    UserRegistry internal registry;
    MintEscrow internal escrow;

    function setUp() public {
        usd = new USDStablecoin();
        token = new CountryToken();
        registry = new UserRegistry();
        escrow = new MintEscrow(address(usd), address(token), address(registry), KES);
        token.addMinter(address(escrow));
        registry.addComplianceOfficer(address(this));
        registry.updateUser(address(this), 1, "kyc", true);
        usd.mint(address(this), type(uint128).max);
        usd.approve(address(escrow), type(uint256).max);
    }

    function check_NoDoubleExecute(uint96 amount, bytes32 ref) public {
        if (amount == 0) return;
        bytes32 id = escrow.submitIntent(amount, KES, ref);
        escrow.executeMint(id);
        uint256 supply = token.totalSupply();
        try escrow.executeMint(id) {
            assert(false);
        } catch {}
        bytes32[] memory ids = new bytes32[](1);
        ids[0] = id;
        assert(escrow.executeMintBatch(ids) == 0);
        assert(token.totalSupply() == supply && supply == amount);
    }

    function check_NoExecuteAfterRefund(uint96 amount, bytes32 ref) public {
        if (amount == 0) return;
        uint256 before = usd.balanceOf(address(this));
        bytes32 id = escrow.submitIntent(amount, KES, ref);
        escrow.refundIntent(id, "");
        try escrow.executeMint(id) {
            assert(false);
        } catch {}
        bytes32[] memory ids = new bytes32[](1);
        ids[0] = id;
        assert(escrow.executeMintBatch(ids) == 0);
        assert(token.totalSupply() == 0);
        assert(usd.balanceOf(address(this)) == before);
    }

    function check_NoRefundAfterExecute(uint96 amount, bytes32 ref) public {
        if (amount == 0) return;
        bytes32 id = escrow.submitIntent(amount, KES, ref);
        escrow.executeMint(id);
        try escrow.refundIntent(id, "") {
            assert(false);
        } catch {}
        assert(usd.balanceOf(address(escrow)) == amount);
    }

    function check_NoDoubleSettle(uint96 amount, uint96 other, bytes32 ref) public {
        if (amount == 0) return;
        assert(settle(amount, ref) == 1);
        assert(settle(other, ref) == 0);
        assert(token.totalSupply() == amount);
        assert(usd.balanceOf(address(escrow)) == amount);
    }

    function check_NothingMintsUncleared(uint96 amount, bytes32 ref, uint8 score, bytes32 kyc, bool verified) public {
        if (score > 100) return;
        registry.updateUser(address(this), score, kyc, verified);
        bool cleared = verified && kyc != 0 && score <= 83;
        uint256 executed = settle(amount, ref);
        if (!cleared || amount == 0) assert(executed == 0 && token.totalSupply() == 0);
        else assert(executed == 1 && token.totalSupply() == amount);
    }

    function check_NoDailyLimitIsPassed(uint96 limit, uint96 first, uint96 second, bytes32 ref, bytes32 next) public {
        if (limit == 0 || ref == next) return;
        escrow.setLimits(0, limit);
        uint256 executed = settle(first, ref) + settle(second, next);
        assert(token.totalSupply() <= limit);
        if (first != 0 && second != 0 && uint256(first) + second <= limit) assert(executed == 2);
    }

    function settle(uint256 amount, bytes32 ref) internal returns (uint256) {
        IMintEscrowRail.Settlement[] memory items = new IMintEscrowRail.Settlement[](1);
        items[0] = IMintEscrowRail.Settlement({user: address(this), amount: amount, txRef: ref});
        return escrow.settleBatch(items);
    }
}
