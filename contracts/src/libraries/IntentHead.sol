// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

/// @dev The first storage word of an intent: user, state, time, stablecoin or item index, and batch.
type Head is uint256;

using IntentHead for Head global;

/// @title IntentHead
/// @notice Packs the facts that every decision about an intent needs into one word, so that a decision costs one read.
/// @dev Bits: user 160 | state 8 | timestamp 40 | ref 16 | batch 32. In an intent that came through `settleBatch`
///      (batch > 0) `ref` is its index in that batch's log; otherwise it is the number of the deposited stablecoin.
library IntentHead {
    uint8 internal constant UNKNOWN = 0;
    uint8 internal constant PENDING = 1;
    uint8 internal constant EXECUTED = 2;
    uint8 internal constant REFUNDED = 3;
    uint8 internal constant FAILED = 4;

    uint256 private constant STATE_MASK = uint256(0xff) << 160;

    function pack(address user_, uint8 state_, uint256 ref_, uint256 batch_) internal view returns (Head) {
        return Head.wrap(
            uint256(uint160(user_)) | (uint256(state_) << 160) | (uint256(uint40(block.timestamp)) << 168)
                | (uint256(uint16(ref_)) << 208) | (batch_ << 224)
        );
    }

    function withState(Head self, uint8 state_) internal pure returns (Head) {
        return Head.wrap((Head.unwrap(self) & ~STATE_MASK) | (uint256(state_) << 160));
    }

    function user(Head self) internal pure returns (address) {
        return address(uint160(Head.unwrap(self)));
    }

    function state(Head self) internal pure returns (uint8) {
        return uint8(Head.unwrap(self) >> 160);
    }

    function timestamp(Head self) internal pure returns (uint256) {
        return uint40(Head.unwrap(self) >> 168);
    }

    function ref(Head self) internal pure returns (uint16) {
        return uint16(Head.unwrap(self) >> 208);
    }

    function batch(Head self) internal pure returns (uint32) {
        return uint32(Head.unwrap(self) >> 224);
    }
}
