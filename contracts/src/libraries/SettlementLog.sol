// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

/// @title SettlementLog
/// @notice Keeps payer, amounts and references of a settled batch as the code of a data contract.
/// @dev A settled intent never changes again, and code costs 200 gas a byte where a storage word costs 22,100: 8,800
///      against 44,200 for the two words of one item. The first byte is STOP, so that nobody can call the data.
library SettlementLog {
    uint256 internal constant MAX_ITEMS = 256;

    uint256 private constant HEADER_BYTES = 21; // STOP, payer
    uint256 private constant ITEM_BYTES = 44; // amount 12, txRef 32

    error LogNotWritten();

    /// @dev A buffer for up to `capacity` items. Word-sized writes may run past an item, hence the spare word.
    function open(address payer, uint256 capacity) internal pure returns (bytes memory buffer) {
        buffer = new bytes(HEADER_BYTES + capacity * ITEM_BYTES + 32);
        assembly ("memory-safe") {
            mstore(add(buffer, 33), shl(96, payer))
        }
    }

    function put(bytes memory buffer, uint256 index, uint256 amount, bytes32 txRef) internal pure {
        assembly ("memory-safe") {
            let at := add(add(buffer, add(32, HEADER_BYTES)), mul(index, ITEM_BYTES))
            mstore(at, shl(160, amount))
            mstore(add(at, 12), txRef)
        }
    }

    function write(bytes memory buffer, uint256 items) internal returns (address log) {
        uint256 size = HEADER_BYTES + items * ITEM_BYTES;
        assembly ("memory-safe") {
            // PUSH2 size, DUP1, PUSH1 10, RETURNDATASIZE, CODECOPY, RETURNDATASIZE, RETURN: return what follows.
            // The ten bytes take the place of the buffer's length, which is not needed any more.
            mstore(buffer, or(0x61000080600a3d393df3, shl(56, size)))
            log := create(0, add(buffer, 22), add(size, 10))
        }
        if (log == address(0)) revert LogNotWritten();
    }

    function payerOf(address log) internal view returns (address payer) {
        assembly ("memory-safe") {
            extcodecopy(log, 0, 1, 20)
            payer := shr(96, mload(0))
        }
    }

    function item(address log, uint256 index) internal view returns (uint256 amount, bytes32 txRef) {
        assembly ("memory-safe") {
            let at := add(HEADER_BYTES, mul(index, ITEM_BYTES))
            extcodecopy(log, 0, at, 12)
            amount := shr(160, mload(0))
            extcodecopy(log, 0, add(at, 12), 32)
            txRef := mload(0)
        }
    }
}
