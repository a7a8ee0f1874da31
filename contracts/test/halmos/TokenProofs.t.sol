// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {CountryToken} from "../../src/CountryToken.sol";

/// @notice What the packed word of a holder must hold for every amount, cap and account at once. As {EscrowProofs}: halmos
///         runs the functions named `check_`, and a proof fails by reaching a false `assert`.
contract TokenProofs {
    CountryToken internal token;

    function setUp() public {
        token = new CountryToken();
        token.addMinter(address(this));
        token.grantRole(token.DENYLISTER_ROLE(), address(this));
    }

    function check_NoCapIsPassed(address to, uint256 before, uint256 amount, uint256 cap) public {
        try token.mint(to, before) {}
        catch {
            return;
        }
        try token.mintWithin(to, amount, cap) {}
        catch {
            assert(token.balanceOf(to) == before && token.totalSupply() == before);
            return;
        }
        assert(amount == 0 || before + amount <= cap);
        assert(token.balanceOf(to) == before + amount && token.totalSupply() == before + amount);
    }

    function check_AMintWithinItsCapIsMade(address to, uint96 before, uint96 amount, uint96 cap) public {
        if (to == address(0) || uint256(before) + amount > cap) return;
        token.mint(to, before);
        try token.mintWithin(to, amount, cap) {
            assert(token.mintedToday(to) == uint256(before) + amount);
        } catch {
            assert(false);
        }
    }

    function check_ATransferMovesTheAmountAndNothingElse(address to, uint128 minted, uint128 held, uint256 amount)
        public
    {
        if (to == address(0) || to == address(this) || uint256(minted) + held > type(uint128).max) return;
        token.mint(address(this), minted);
        token.mint(to, held);
        (uint256 mine, uint256 theirs) = (token.mintedToday(address(this)), token.mintedToday(to));
        bool fits = amount <= minted;
        try token.transfer(to, amount) {
            assert(fits && token.balanceOf(address(this)) == minted - amount);
            assert(token.balanceOf(to) == held + amount);
        } catch {
            assert(!fits);
        }
        assert(token.totalSupply() == uint256(minted) + held);
        assert(token.mintedToday(address(this)) == mine && token.mintedToday(to) == theirs);
    }

    function check_ATransferToOneselfChangesNothing(uint128 minted, uint256 amount) public {
        token.mint(address(this), minted);
        uint256 today = token.mintedToday(address(this));
        try token.transfer(address(this), amount) {
            assert(amount <= minted);
        } catch {
            assert(amount > minted);
        }
        assert(token.balanceOf(address(this)) == minted && token.mintedToday(address(this)) == today);
    }

    function check_ADenialKeepsBalanceAndSum(address account, uint128 minted, bool denied) public {
        if (account == address(0)) return;
        token.mint(account, minted);
        uint256 today = token.mintedToday(account);
        token.setDenied(account, denied);
        assert(token.isDenied(account) == denied);
        assert(token.balanceOf(account) == minted && token.mintedToday(account) == today);
    }
}
