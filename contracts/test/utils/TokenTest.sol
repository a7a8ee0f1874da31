// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {ICountryToken} from "../../src/interfaces/ICountryToken.sol";
import {RailTest} from "./RailTest.sol";

/// The rail with one more minter, who mints what a test wants.
abstract contract TokenTest is RailTest {
    address internal minter;

    function setUp() public override {
        super.setUp();
        minter = makeAddr("minter");
        token.addMinter(minter);
    }

    function mint(address to, uint256 amount) internal {
        vm.prank(minter);
        token.mint(to, amount);
    }

    function mintWithin(address to, uint256 amount, uint256 cap) internal {
        vm.prank(minter);
        token.mintWithin(to, amount, cap);
    }

    function expectDenied(address account) internal {
        vm.expectRevert(abi.encodeWithSelector(ICountryToken.AccountDenied.selector, account));
    }
}
