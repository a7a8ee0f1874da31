// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ICountryToken} from "../../src/interfaces/ICountryToken.sol";
import {TokenTest} from "../utils/TokenTest.sol";

/// CountryToken's mintWithin
/// ├── when the day's sum would pass the cap: reverts, before anything else is looked at
/// ├── the sum counts every mint of the UTC day; burning, passing on and receiving leave it alone
/// └── at the bounds: the sum stops, a cap above it is taken for it, the supply ends and reverts
contract CountryTokenDailyCapTest is TokenTest {
    function expectOverCap(address account, uint256 available, uint256 needed) internal {
        vm.expectRevert(abi.encodeWithSelector(ICountryToken.DailyCapExceeded.selector, account, available, needed));
    }

    function test_MintWithinKeepsToTheCap() public {
        token.setMinterAllowance(minter, 20);
        vm.expectEmit(address(token));
        emit IERC20.Transfer(address(0), alice, 6);
        vm.expectEmit(address(token));
        emit ICountryToken.TokensMinted(alice, 6, minter);
        mintWithin(alice, 6, 10);
        assertEq(token.mintedToday(alice), 6);
        assertEq(token.dailyRoom(alice, 10), 4);
        expectOverCap(alice, 4, 5);
        mintWithin(alice, 5, 10);
        mintWithin(alice, 4, 10);
        expectOverCap(alice, 0, 1);
        mintWithin(alice, 1, 10);
        expectOverCap(alice, 0, 1);
        mintWithin(alice, 1, 3);
        mintWithin(bob, 10, 10);
        assertEq(token.balanceOf(alice), 10);
        assertEq(token.balanceOf(bob), 10);
        assertEq(token.totalSupply(), 20);
        assertEq(token.minterAllowance(minter), 0);
    }

    function test_ACapOfZeroIsACapOfNothing() public {
        mintWithin(alice, 0, 0);
        expectOverCap(alice, 0, 1);
        mintWithin(alice, 1, 0);
    }

    function test_RevertWhen_MintWithinByStranger() public {
        bytes32 role = token.MINTER_ROLE();
        expectUnauthorized(stranger, role);
        vm.prank(stranger);
        token.mintWithin(alice, 1, 1);
    }

    function test_TheDayEndsAtMidnightUtc() public {
        mint(alice, 4);
        vm.warp((block.timestamp / 1 days + 1) * 1 days - 1);
        assertEq(token.mintedToday(alice), 4);
        expectOverCap(alice, 6, 7);
        mintWithin(alice, 7, 10);
        vm.warp(block.timestamp + 1);
        assertEq(token.mintedToday(alice), 0);
        assertEq(token.dailyRoom(alice, 10), 10);
        mintWithin(alice, 10, 10);
        assertEq(token.mintedToday(alice), 10);
        assertEq(token.balanceOf(alice), 14);
    }

    function test_EveryMinterCountsToTheDay() public {
        token.addMinter(stranger);
        vm.prank(stranger);
        token.mint(alice, 4);
        mintWithin(alice, 5, 10);
        expectOverCap(alice, 1, 2);
        mintWithin(alice, 2, 10);
        mint(alice, 2);
        assertEq(token.mintedToday(alice), 11);
        assertEq(token.dailyRoom(alice, 10), 0);
    }

    function test_OnlyMintsMoveTheSumOfADay() public {
        mint(alice, 10);
        mint(bob, 3);
        vm.startPrank(alice);
        token.transfer(bob, 4);
        token.burn(1);
        token.approve(bob, 2);
        vm.stopPrank();
        vm.startPrank(bob);
        token.transferFrom(alice, stranger, 1);
        token.burnFrom(alice, 1);
        vm.stopPrank();
        assertEq(token.mintedToday(alice), 10);
        assertEq(token.mintedToday(bob), 3);
        assertEq(token.mintedToday(stranger), 0);
        // Nor do they carry yesterday's sum into today.
        vm.warp(block.timestamp + 1 days);
        vm.prank(alice);
        token.transfer(bob, 1);
        assertEq(token.mintedToday(alice) + token.mintedToday(bob), 0);
        mintWithin(bob, 1, 1);
        assertEq(token.mintedToday(bob), 1);
        assertEq(token.balanceOf(bob), 9);
    }

    function test_TheDenylistLeavesTheRestOfTheWordAlone() public {
        mint(alice, 10);
        token.setDenied(alice, true);
        assertEq(token.balanceOf(alice), 10);
        assertEq(token.mintedToday(alice), 10);
        token.setDenied(alice, false);
        assertFalse(token.isDenied(alice));
        mint(alice, 1);
        vm.prank(alice);
        token.transfer(bob, 11);
        assertEq(token.mintedToday(alice), 11);
        assertFalse(token.isDenied(alice) || token.isDenied(bob));
    }

    function test_TheCapIsToldBeforeAllowanceAndDenylist() public {
        token.setMinterAllowance(minter, 0);
        token.setDenied(alice, true);
        expectOverCap(alice, 1, 2);
        mintWithin(alice, 2, 1);
        vm.expectRevert(abi.encodeWithSelector(ICountryToken.MinterAllowanceExceeded.selector, minter, 0, 1));
        mintWithin(alice, 1, 1);
        token.setMinterAllowance(minter, 1);
        expectDenied(alice);
        mintWithin(alice, 1, 1);
        assertEq(token.minterAllowance(minter), 1);
    }

    function test_TheSumStopsAtItsMaximumAndHoldsThere() public {
        uint256 most = type(uint96).max;
        mint(alice, most - 1);
        assertEq(token.dailyRoom(alice, type(uint256).max), 1);
        expectOverCap(alice, 1, 2);
        mintWithin(alice, 2, type(uint256).max);
        mint(alice, 2);
        assertEq(token.mintedToday(alice), most);
        mint(alice, 5);
        assertEq(token.mintedToday(alice), most);
        assertEq(token.balanceOf(alice), most + 6);
        expectOverCap(alice, 0, 1);
        mintWithin(alice, 1, most + 1);
        vm.warp(block.timestamp + 1 days);
        assertEq(token.mintedToday(alice), 0);
    }

    function test_RevertWhen_TheSupplyEnds() public {
        uint256 most = type(uint128).max;
        mint(alice, most - 5);
        mint(bob, 5);
        assertEq(token.totalSupply(), most);
        vm.expectRevert(abi.encodeWithSignature("SafeCastOverflowedUintDowncast(uint8,uint256)", 128, most + 1));
        mint(bob, 1);
        vm.expectRevert(abi.encodeWithSignature("Panic(uint256)", 0x11));
        mint(bob, type(uint256).max);
        vm.prank(alice);
        token.transfer(bob, most - 5);
        assertEq(token.balanceOf(bob), most);
        vm.prank(bob);
        token.burn(1);
        mint(alice, 1);
        assertEq(token.totalSupply(), most);
    }
}
