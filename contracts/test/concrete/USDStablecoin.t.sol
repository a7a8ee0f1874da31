// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {NamedStablecoin} from "../../src/USDStablecoin.sol";
import {RailTest} from "../utils/RailTest.sol";

contract USDStablecoinTest is RailTest {
    function test_AnyoneMints() public {
        vm.prank(stranger);
        usd.mint(stranger, 5);
        assertEq(usd.balanceOf(stranger), 5);
        assertEq(usd.decimals(), 18);
    }

    function test_TheStandInSaysWhichCurrencyItIs() public {
        assertEq(usd.name(), "Local Kenya Shilling Coin");
        assertEq(usd.symbol(), "KESL");
        assertEq(usd.currency(), "KES");
        NamedStablecoin other = new NamedStablecoin("UGX");
        assertEq(other.name(), "Local UGX Coin");
        assertEq(other.symbol(), "UGXL");
        assertEq(other.currency(), "UGX");
        assertEq(other.decimals(), 18);
    }

    function test_OwnerPreMintsToEach() public {
        address[] memory recipients = new address[](2);
        recipients[0] = stranger;
        recipients[1] = guardian;
        usd.preMint(recipients, 7);
        assertEq(usd.balanceOf(stranger), 7);
        assertEq(usd.balanceOf(guardian), 7);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSignature("OwnableUnauthorizedAccount(address)", stranger));
        usd.preMint(recipients, 7);
    }
}
