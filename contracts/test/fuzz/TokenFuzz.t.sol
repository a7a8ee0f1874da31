// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {CountryToken} from "../../src/CountryToken.sol";
import {Test} from "../utils/Test.sol";

/// @notice The token's arithmetic against a model that packs nothing: a map of balances, one of days, one of flags. Every
///         call must succeed exactly when the model says so and leave every account as the model has it.
contract TokenFuzzTest is Test {
    uint256 internal constant STEPS = 48;
    uint256 internal constant ACCOUNTS = 4;

    CountryToken internal token;
    mapping(address account => uint256) internal balances;
    mapping(address account => mapping(uint256 day => uint256)) internal minted;
    mapping(address account => bool) internal denied;
    uint256 internal supply;

    function setUp() public {
        token = new CountryToken();
        token.addMinter(address(this));
        token.grantRole(token.DENYLISTER_ROLE(), address(this));
        vm.warp(1_700_000_000);
    }

    function testFuzz_AnySequenceLeavesWhatTheModelHas(uint256 seed) public {
        for (uint256 i = 0; i < STEPS; ++i) {
            step(uint256(keccak256(abi.encode(seed, i))));
            compare();
        }
    }

    function step(uint256 random) internal {
        uint256 kind = random % 8;
        address from = account(random >> 8);
        address to = account(random >> 16);
        uint256 amount = amountOf(random >> 24, balances[from]);
        if (kind < 2) mint(to, amount);
        else if (kind == 2) mintWithin(to, amount, amountOf(random >> 40, minted[to][today()]));
        else if (kind == 3) transfer(from, to, amount);
        else if (kind == 4) transferFrom(from, to, amount, account(random >> 48));
        else if (kind == 5) burn(from, amount);
        else if (kind == 6) deny(from, random >> 56 & 3 == 0);
        else vm.warp(block.timestamp + (random >> 56) % 1 days);
    }

    function mint(address to, uint256 amount) internal {
        bool wanted = mintable(to, amount);
        try token.mint(to, amount) {
            assertTrue(wanted, "mint");
            count(to, amount);
        } catch {
            assertFalse(wanted);
        }
    }

    function mintWithin(address to, uint256 amount, uint256 cap) internal {
        // Counted to the end here: what the token's sum cannot hold, its largest cap does not let through.
        uint256 most = cap < type(uint96).max ? cap : type(uint96).max;
        bool wanted = mintable(to, amount) && (amount == 0 || minted[to][today()] + amount <= most);
        try token.mintWithin(to, amount, cap) {
            assertTrue(wanted, "mintWithin");
            count(to, amount);
        } catch {
            assertFalse(wanted);
        }
    }

    function transfer(address from, address to, uint256 amount) internal {
        bool wanted = movable(from, amount) && !denied[to];
        vm.prank(from);
        try token.transfer(to, amount) {
            assertTrue(wanted, "transfer");
            move(from, to, amount);
        } catch {
            assertFalse(wanted);
        }
    }

    function transferFrom(address from, address to, uint256 amount, address spender) internal {
        vm.prank(from);
        token.approve(spender, amount);
        bool wanted = movable(from, amount) && !denied[to] && !denied[spender];
        vm.prank(spender);
        try token.transferFrom(from, to, amount) {
            assertTrue(wanted, "transferFrom");
            move(from, to, amount);
        } catch {
            assertFalse(wanted);
        }
    }

    function burn(address from, uint256 amount) internal {
        bool wanted = movable(from, amount);
        vm.prank(from);
        try token.burn(amount) {
            assertTrue(wanted, "burn");
            balances[from] -= amount;
            supply -= amount;
        } catch {
            assertFalse(wanted);
        }
    }

    function deny(address who, bool whether) internal {
        token.setDenied(who, whether);
        denied[who] = whether;
    }

    function compare() internal view {
        uint256 sum;
        for (uint256 i = 0; i < ACCOUNTS; ++i) {
            address who = account(i);
            uint256 counted = minted[who][today()];
            assertEq(token.balanceOf(who), balances[who]);
            assertEq(token.mintedToday(who), counted < type(uint96).max ? counted : type(uint96).max);
            assertTrue(token.isDenied(who) == denied[who], "denylist");
            sum += token.balanceOf(who);
        }
        assertEq(token.totalSupply(), supply);
        assertEq(sum, supply);
    }

    function count(address to, uint256 amount) internal {
        balances[to] += amount;
        minted[to][today()] += amount;
        supply += amount;
    }

    function move(address from, address to, uint256 amount) internal {
        balances[from] -= amount;
        balances[to] += amount;
    }

    function mintable(address to, uint256 amount) internal view returns (bool) {
        return !denied[to] && amount <= type(uint128).max - supply;
    }

    function movable(address from, uint256 amount) internal view returns (bool) {
        return !denied[from] && amount <= balances[from];
    }

    /// @dev Small and round, near what matters for the call, or near the widths of the packed fields.
    function amountOf(uint256 random, uint256 near) internal pure returns (uint256) {
        uint256 kind = random % 6;
        uint256 offset = (random >> 3) % 3;
        if (kind == 0) return (random >> 8) % 1000;
        if (kind == 1) return (random >> 8) % 1e24;
        if (kind == 2) return near + offset;
        if (kind == 3) return near / 2;
        if (kind == 4) return uint256(type(uint96).max) - 1 + offset;
        return uint256(type(uint128).max) - 1 + offset;
    }

    function today() internal view returns (uint256) {
        return block.timestamp / 1 days;
    }

    function account(uint256 index) internal pure returns (address) {
        return address(uint160(0xA000 + index % ACCOUNTS));
    }
}
