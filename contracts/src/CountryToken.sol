// SPDX-License-Identifier: MIT
pragma solidity ^0.8.27;

import {ICountryToken} from "./interfaces/ICountryToken.sol";
import {CountryTokenBase} from "./CountryTokenBase.sol";

/// @title CountryToken
/// @notice The token of Kenya.
contract CountryToken is CountryTokenBase {
    constructor() CountryTokenBase("Kenya Shilling Token", "KES", bytes32("KES")) {}
}

/// @title NamedCountryToken
/// @notice The token of any other country in the deployment profile.
contract NamedCountryToken is CountryTokenBase {
    constructor(string memory name_, string memory symbol_, bytes32 countryCode_)
        CountryTokenBase(name_, symbol_, countryCode_)
    {}
}
