// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {VM, Vm} from "../../script/utils/Vm.sol";

/// @notice The few assertions and helpers that the tests use.
abstract contract Test {
    // solhint-disable-next-line var-name-mixedcase
    bool public IS_TEST = true;

    Vm internal constant vm = VM;

    error NotEqualUint(uint256 actual, uint256 wanted);
    error NotEqualAddress(address actual, address wanted);
    error NotEqualBytes32(bytes32 actual, bytes32 wanted);
    error NotEqualString(string actual, string wanted);
    error NotTrue(string what);

    function assertEq(uint256 actual, uint256 wanted) internal pure {
        if (actual != wanted) revert NotEqualUint(actual, wanted);
    }

    function assertEq(address actual, address wanted) internal pure {
        if (actual != wanted) revert NotEqualAddress(actual, wanted);
    }

    function assertEq(bytes32 actual, bytes32 wanted) internal pure {
        if (actual != wanted) revert NotEqualBytes32(actual, wanted);
    }

    function assertEq(string memory actual, string memory wanted) internal pure {
        if (keccak256(bytes(actual)) != keccak256(bytes(wanted))) revert NotEqualString(actual, wanted);
    }

    function assertTrue(bool condition, string memory what) internal pure {
        if (!condition) revert NotTrue(what);
    }

    function assertTrue(bool condition) internal pure {
        assertTrue(condition, "condition");
    }

    function assertFalse(bool condition) internal pure {
        assertTrue(!condition, "negated condition");
    }

    function assertLe(uint256 actual, uint256 most) internal pure {
        if (actual > most) revert NotEqualUint(actual, most);
    }

    function makeAddr(string memory name) internal returns (address account) {
        (account,) = makeAddrAndKey(name);
    }

    function makeAddrAndKey(string memory name) internal returns (address account, uint256 key) {
        key = uint256(keccak256(bytes(name)));
        account = vm.addr(key);
        vm.label(account, name);
    }

    function bound(uint256 value, uint256 low, uint256 high) internal pure returns (uint256) {
        if (value >= low && value <= high) return value;
        unchecked {
            return low + value % (high - low + 1);
        }
    }
}
