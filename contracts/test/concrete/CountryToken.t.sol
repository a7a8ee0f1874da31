// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {CountryTokenBase} from "../../src/CountryTokenBase.sol";
import {NamedCountryToken} from "../../src/CountryToken.sol";
import {ICountryToken} from "../../src/interfaces/ICountryToken.sol";
import {TokenTest} from "../utils/TokenTest.sol";

/// CountryToken
/// ├── mint
/// │   ├── when the caller is no minter, or a minter without allowance: reverts
/// │   ├── when the allowance is finite: is used up exactly
/// │   └── when unlimited: stays unlimited
/// ├── transfers: as any ERC-20, to oneself too
/// ├── denylist: no sending, receiving, burning, spending for others
/// ├── pause: nothing moves; guardian pauses, admin unpauses
/// ├── permit and ERC-3009
/// └── rescue: admin only
contract CountryTokenTest is TokenTest {
    function test_Metadata() public {
        assertEq(token.name(), "Kenya Shilling Token");
        assertEq(token.symbol(), "KES");
        assertEq(token.decimals(), 18);
        assertEq(token.countryCode(), KES);
        NamedCountryToken other = new NamedCountryToken("UGX Token", "UGX", "UGX");
        assertEq(other.name(), "UGX Token");
        assertEq(other.symbol(), "UGX");
        assertEq(other.countryCode(), "UGX");
        assertEq(other.defaultAdmin(), address(this));
        assertEq(other.defaultAdminDelay(), 1 days);
    }

    function test_MintIssuesAndEmits() public {
        vm.expectEmit(address(token));
        emit ICountryToken.TokensMinted(alice, 5, minter);
        mint(alice, 5);
        assertEq(token.balanceOf(alice), 5);
        assertEq(token.totalSupply(), 5);
        assertEq(token.minterAllowance(minter), type(uint256).max);
    }

    function test_FiniteAllowanceIsUsedUpExactly() public {
        vm.expectEmit(address(token));
        emit ICountryToken.MinterAllowanceSet(minter, 10);
        token.setMinterAllowance(minter, 10);
        mint(alice, 4);
        assertEq(token.minterAllowance(minter), 6);
        mint(alice, 6);
        vm.expectRevert(abi.encodeWithSelector(ICountryToken.MinterAllowanceExceeded.selector, minter, 0, 1));
        mint(alice, 1);
    }

    function test_RevertWhen_RoleCameWithoutAllowance() public {
        token.grantRole(token.MINTER_ROLE(), stranger);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(ICountryToken.MinterAllowanceExceeded.selector, stranger, 0, 1));
        token.mint(alice, 1);
    }

    function test_RevertWhen_MinterRemoved() public {
        token.removeMinter(minter);
        assertEq(token.minterAllowance(minter), 0);
        bytes32 role = token.MINTER_ROLE();
        expectUnauthorized(minter, role);
        mint(alice, 1);
    }

    function test_RevertWhen_StrangerAdministers() public {
        bytes32 denylister = token.DENYLISTER_ROLE();
        bytes32 guardianRole = token.GUARDIAN_ROLE();
        vm.startPrank(stranger);
        expectUnauthorized(stranger, bytes32(0));
        token.addMinter(stranger);
        expectUnauthorized(stranger, bytes32(0));
        token.removeMinter(minter);
        expectUnauthorized(stranger, bytes32(0));
        token.setMinterAllowance(stranger, 1);
        expectUnauthorized(stranger, denylister);
        token.setDenied(alice, true);
        expectUnauthorized(stranger, guardianRole);
        token.pause();
        expectUnauthorized(stranger, bytes32(0));
        token.unpause();
        expectUnauthorized(stranger, bytes32(0));
        token.rescue(usd, stranger, 1);
        vm.stopPrank();
    }

    function test_TransfersMoveAndEmitAsAnyErc20() public {
        vm.expectEmit(address(token));
        emit IERC20.Transfer(address(0), alice, 10);
        mint(alice, 10);
        vm.startPrank(alice);
        vm.expectEmit(address(token));
        emit IERC20.Transfer(alice, bob, 3);
        token.transfer(bob, 3);
        vm.expectEmit(address(token));
        emit IERC20.Transfer(alice, alice, 7);
        token.transfer(alice, 7);
        assertEq(token.balanceOf(alice), 7);
        vm.expectEmit(address(token));
        emit IERC20.Transfer(alice, address(0), 2);
        token.burn(2);
        vm.stopPrank();
        assertEq(token.balanceOf(alice), 5);
        assertEq(token.balanceOf(bob), 3);
        assertEq(token.balanceOf(address(0)), 0);
        assertEq(token.totalSupply(), 8);
    }

    function test_RevertWhen_TheBalanceIsTooSmall() public {
        mint(alice, 10);
        mint(bob, 10);
        uint256 wrapping = uint256(type(uint128).max) + 1;
        vm.startPrank(alice);
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InsufficientBalance.selector, alice, 10, 11));
        token.transfer(bob, 11);
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InsufficientBalance.selector, alice, 10, 11));
        token.transfer(alice, 11);
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InsufficientBalance.selector, alice, 10, wrapping));
        token.transfer(bob, wrapping);
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InsufficientBalance.selector, alice, 10, 11));
        token.burn(11);
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InvalidReceiver.selector, address(0)));
        mint(address(0), 1);
    }

    function test_DeniedAccountIsFrozen() public {
        mint(alice, 10);
        mint(bob, 10);
        vm.prank(bob);
        token.approve(alice, 10);
        vm.expectEmit(address(token));
        emit ICountryToken.DenylistUpdated(alice, true);
        token.setDenied(alice, true);
        assertTrue(token.isDenied(alice));

        vm.startPrank(alice);
        expectDenied(alice);
        token.transfer(bob, 1);
        expectDenied(alice);
        token.burn(1);
        expectDenied(alice);
        token.transferFrom(bob, stranger, 1);
        vm.stopPrank();
        vm.prank(bob);
        expectDenied(alice);
        token.transfer(alice, 1);
        expectDenied(alice);
        mint(alice, 1);

        token.setDenied(alice, false);
        vm.prank(alice);
        token.transfer(bob, 10);
        assertEq(token.balanceOf(bob), 20);
    }

    function test_PauseStopsEverything() public {
        mint(alice, 10);
        vm.prank(guardian);
        token.pause();
        vm.expectPartialRevert(bytes4(keccak256("EnforcedPause()")));
        mint(alice, 1);
        vm.expectPartialRevert(bytes4(keccak256("EnforcedPause()")));
        mintWithin(alice, 1, 11);
        vm.prank(alice);
        vm.expectPartialRevert(bytes4(keccak256("EnforcedPause()")));
        token.transfer(bob, 1);
        vm.prank(alice);
        vm.expectPartialRevert(bytes4(keccak256("EnforcedPause()")));
        token.burn(1);
        token.unpause();
        token.pause();
        token.unpause();
        vm.prank(alice);
        token.transfer(bob, 1);
    }

    function test_BurnFromNeedsAllowance() public {
        mint(alice, 10);
        vm.prank(bob);
        vm.expectRevert();
        token.burnFrom(alice, 1);
        vm.prank(alice);
        token.approve(bob, 4);
        vm.prank(bob);
        token.burnFrom(alice, 4);
        assertEq(token.totalSupply(), 6);
    }

    function test_PermitApproves() public {
        bytes32 digest = typedHash(
            keccak256(
                abi.encode(
                    keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"),
                    alice,
                    bob,
                    7,
                    0,
                    block.timestamp
                )
            )
        );
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(aliceKey, digest);
        token.permit(alice, bob, 7, block.timestamp, v, r, s);
        assertEq(token.allowance(alice, bob), 7);
    }

    function test_TransferWithAuthorizationMovesOnce() public {
        mint(alice, 10);
        bytes32 digest = typedHash(
            keccak256(
                abi.encode(
                    keccak256(
                        "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
                    ),
                    alice,
                    bob,
                    7,
                    0,
                    block.timestamp + 1,
                    REF
                )
            )
        );
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(aliceKey, digest);
        token.transferWithAuthorization(alice, bob, 7, 0, block.timestamp + 1, REF, v, r, s);
        assertEq(token.balanceOf(bob), 7);
        vm.expectRevert();
        token.transferWithAuthorization(alice, bob, 7, 0, block.timestamp + 1, REF, v, r, s);
    }

    function test_AdminRescuesStrayTokens() public {
        usd.mint(address(token), 9);
        vm.expectEmit(address(token));
        emit CountryTokenBase.Rescued(address(usd), stranger, 9);
        token.rescue(usd, stranger, 9);
        assertEq(usd.balanceOf(stranger), 9);
    }

    function typedHash(bytes32 structHash) internal view returns (bytes32) {
        return keccak256(abi.encodePacked("\x19\x01", token.DOMAIN_SEPARATOR(), structHash));
    }
}
