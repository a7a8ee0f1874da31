// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

/// @notice The cheatcodes in use. forge-std is not on the npm registry in an official copy.
interface Vm {
    struct Log {
        bytes32[] topics;
        bytes data;
        address emitter;
    }

    function addr(uint256 privateKey) external pure returns (address);
    function assume(bool condition) external pure;
    function chainId(uint256 id) external;
    function createDir(string calldata path, bool recursive) external;
    function envOr(string calldata name, string calldata fallback_) external view returns (string memory);
    function envOr(string calldata name, address fallback_) external view returns (address);
    function envOr(string calldata name, uint256 fallback_) external view returns (uint256);
    function envOr(string calldata name, string calldata delimiter, address[] calldata fallback_)
        external
        view
        returns (address[] memory);
    function envOr(string calldata name, string calldata delimiter, string[] calldata fallback_)
        external
        view
        returns (string[] memory);
    function etch(address target, bytes calldata code) external;
    function expectCall(address callee, bytes calldata data, uint64 count) external;
    function expectEmit() external;
    function expectEmit(address emitter) external;
    function expectPartialRevert(bytes4 selector) external;
    function expectRevert() external;
    function expectRevert(bytes4 selector) external;
    function expectRevert(bytes calldata data) external;
    function getRecordedLogs() external returns (Log[] memory);
    function label(address account, string calldata name) external;
    function lastCallGas()
        external
        view
        returns (uint64 limit, uint64 total, uint64 memoryUsed, int64 refunded, uint64 remaining);
    function load(address target, bytes32 slot) external view returns (bytes32);
    function clearMockedCalls() external;
    function mockCall(address callee, bytes calldata data, bytes calldata returned) external;
    function mockCallRevert(address callee, bytes calldata data, bytes calldata reason) external;
    function parseJsonAddress(string calldata json, string calldata key) external pure returns (address);
    function parseJsonString(string calldata json, string calldata key) external pure returns (string memory);
    function parseJsonUint(string calldata json, string calldata key) external pure returns (uint256);
    function prank(address sender) external;
    function readFile(string calldata path) external view returns (string memory);
    function recordLogs() external;
    function setEnv(string calldata name, string calldata value) external;
    function revertToState(uint256 snapshot) external returns (bool);
    function sign(uint256 privateKey, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);
    function snapshotState() external returns (uint256 snapshot);
    function snapshotValue(string calldata group, string calldata name, uint256 value) external;
    function startBroadcast() external;
    function startPrank(address sender) external;
    function stopBroadcast() external;
    function stopPrank() external;
    function toString(address value) external pure returns (string memory);
    function toString(uint256 value) external pure returns (string memory);
    function warp(uint256 timestamp) external;
    function writeFile(string calldata path, string calldata data) external;
}

Vm constant VM = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

/// @notice forge prints what is sent to this address.
library Console {
    address private constant CONSOLE = 0x000000000000000000636F6e736F6c652e6c6f67;

    function log(string memory text, address value) internal view {
        _send(abi.encodeWithSignature("log(string,address)", text, value));
    }

    function log(string memory text, string memory value) internal view {
        _send(abi.encodeWithSignature("log(string,string)", text, value));
    }

    function _send(bytes memory payload) private view {
        // Nothing answers there outside forge, and a lost line of output is no failure.
        (bool ignored,) = CONSOLE.staticcall(payload);
        ignored;
    }
}
