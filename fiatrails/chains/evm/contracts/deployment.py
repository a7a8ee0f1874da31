"""Where the contracts of this deployment are, as `deployments.json` records them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from eth_utils.address import to_checksum_address

from fiatrails.kernel.addresses import parse_address
from fiatrails.kernel.errors import FiatRailsError, Misconfigured

_SHARED = ("UserRegistry", "ComplianceManager", "USDStablecoin")


@dataclass(frozen=True, slots=True)
class CountryContracts:
    """Token and escrow of one country code, and the coin behind the token. `stablecoin_currency`: what one coin is worth
    one of; "" when the address book is older than that."""

    code: str
    token: str
    escrow: str
    stablecoin: str
    stablecoin_currency: str


@dataclass(frozen=True, slots=True)
class Deployment:
    """Addresses in lower case. `manager` is the proxy that everyone talks to."""

    chain_id: int
    block: int
    registry: str
    manager: str
    manager_implementation: str
    countries: Mapping[str, CountryContracts]

    def country(self, code: str) -> CountryContracts:
        """Return the contracts of the country; Misconfigured when it was never deployed."""
        try:
            return self.countries[code]
        except KeyError:
            raise Misconfigured(
                "country_not_deployed",
                f"no escrow for {code} on chain {self.chain_id}; deploy it and update deployments.json",
            ) from None


def deployment(path: Path, chain_id: int) -> Deployment:
    """Return the deployment of `chain_id` in the file; Misconfigured says what to do when it is missing or malformed.
    A rewritten file is noticed by its modification time."""
    try:
        stamp = path.stat().st_mtime_ns
    except OSError:
        raise Misconfigured(
            "deployments_missing",
            f"{path} does not exist; deploy the contracts (`fiatrails contracts deploy`) or set FIATRAILS_DEPLOYMENTS",
        ) from None
    return _read(path, chain_id, stamp)


@lru_cache(maxsize=16)
def _read(path: Path, chain_id: int, _stamp: int) -> Deployment:
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        entry = known.get(str(chain_id))
    except (OSError, ValueError, AttributeError):
        raise Misconfigured("deployments_malformed", f"{path} is not a JSON object; deploy again") from None
    if entry is None:
        raise Misconfigured("chain_not_deployed", f"{path} has no chain {chain_id}; deploy there, or correct CHAIN_ID")
    try:
        return _parse(entry, chain_id)
    except (KeyError, TypeError, ValueError, AttributeError, FiatRailsError) as error:
        raise Misconfigured(
            "deployments_malformed", f"{path}, chain {chain_id}: {type(error).__name__} at {error}; deploy again"
        ) from None


def _parse(entry: dict[str, Any], chain_id: int) -> Deployment:
    contracts = entry["contracts"]
    manager = contracts["ComplianceManager"]
    return Deployment(
        chain_id=chain_id,
        block=int(entry["block"]),
        registry=parse_address(contracts["UserRegistry"], field="UserRegistry"),
        manager=parse_address(manager["proxy"], field="ComplianceManager.proxy"),
        manager_implementation=parse_address(manager["implementation"], field="ComplianceManager.implementation"),
        countries={
            code: _parse_country(code, value, shared_coin=contracts["USDStablecoin"])
            for code, value in contracts.items()
            if code not in _SHARED and isinstance(value, dict) and "MintEscrow" in value
        },
    )


def _parse_country(code: str, entry: Mapping[str, Any], *, shared_coin: object) -> CountryContracts:
    """Older books have one coin for all countries, and do not say which currency it is."""
    return CountryContracts(
        code=code,
        token=parse_address(entry["CountryToken"], field=f"{code}.CountryToken"),
        escrow=parse_address(entry["MintEscrow"], field=f"{code}.MintEscrow"),
        stablecoin=parse_address(entry.get("Stablecoin", shared_coin), field=f"{code}.Stablecoin"),
        stablecoin_currency=str(entry.get("stablecoinCurrency", "")),
    )


def checksum_address(address: str) -> str:
    """Return the address in EIP-55 capitals, as explorers and `cast` show it."""
    return str(to_checksum_address(address))
