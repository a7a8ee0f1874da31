// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {StablecoinBase} from "./StablecoinBase.sol";

/// @title USDStablecoin
/// @notice The stand-in of Kenya: a shilling coin, because the token that it backs is sold for shillings. The name of the
///         contract is older than that and stays, for others import it.
contract USDStablecoin is StablecoinBase {
    constructor() StablecoinBase("Local Kenya Shilling Coin", "KESL", "KES") {}
}

/// @title NamedStablecoin
/// @notice The stand-in of any other currency in the deployment profile.
contract NamedStablecoin is StablecoinBase {
    constructor(string memory currency_)
        StablecoinBase(string.concat("Local ", currency_, " Coin"), string.concat(currency_, "L"), currency_)
    {}
}
