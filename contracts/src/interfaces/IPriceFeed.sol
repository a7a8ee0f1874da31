// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

/// @title IPriceFeed
/// @notice A price feed kept by somebody else, in the shape of Chainlink's aggregators. No contract here calls it.
interface IPriceFeed {
    /// @notice How many decimals the answer has.
    function decimals() external view returns (uint8);

    /// @notice The newest answer. `updatedAt` is in Unix seconds; zero when the round has no answer.
    function latestRoundData()
        external
        view
        returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound);
}
