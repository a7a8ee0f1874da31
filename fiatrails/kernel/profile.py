"""The deployment profile (`seed.json`): what differs between deployments and is not secret.

Source of the names: the operator's runbook (`compliance.maxRiskScore`, `requireAttestation`, retry and timeout keys).
"""

from __future__ import annotations

from ipaddress import ip_network
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic.alias_generators import to_camel

from fiatrails.kernel.countries import require_alpha2
from fiatrails.kernel.currencies import FIAT, scale_of


class _Section(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


def _require_fiat(currency: str) -> str:
    if currency not in FIAT:
        raise ValueError(f"currency {currency!r} is not supported")
    return currency


class Compliance(_Section):
    """Risk score ceiling 0..100, as enforced on chain, and whether an attestation is required."""

    max_risk_score: int = Field(83, ge=0, le=100)
    require_attestation: bool = True
    refund_non_compliant_after_s: int | None = Field(None, ge=60)


class Limits(_Section):
    """Token base units (18 decimals). `daily_mint` is per user and UTC day."""

    min_mint: int = Field(10**18, gt=0)
    max_mint: int = Field(1_000_000 * 10**18, gt=0)
    daily_mint: int = Field(5_000_000 * 10**18, gt=0)

    @model_validator(mode="after")
    def _ordered(self) -> Limits:
        if not self.min_mint <= self.max_mint <= self.daily_mint:
            raise ValueError("limits must satisfy minMint <= maxMint <= dailyMint")
        return self


class Retry(_Section):
    """Exponential back-off with full jitter."""

    max_attempts: int = Field(8, ge=1, le=100)
    initial_backoff_ms: int = Field(500, ge=1)
    max_backoff_ms: int = Field(60_000, ge=1)
    backoff_multiplier: float = Field(2.0, ge=1)


class Timeouts(_Section):
    """Milliseconds and seconds as named."""

    rpc_ms: int = Field(5_000, ge=50)
    provider_ms: int = Field(10_000, ge=50)
    webhook_tolerance_s: int = Field(300, ge=1)
    signature_tolerance_s: int = Field(300, ge=1)
    idempotency_window_s: int = Field(86_400, ge=60)
    intent_expiry_s: int = Field(86_400, ge=60)
    unmatched_alarm_s: int = Field(900, ge=1)
    lease_s: float = Field(30, gt=0)
    clearance_s: int = Field(300, ge=1)


class Evm(_Section):
    """How the submitter behaves on this chain. Fees in wei."""

    finality: Literal["finalized", "depth"] = "finalized"
    confirmations: int = Field(12, ge=0)
    batch_size: int = Field(100, ge=1, le=200)
    in_flight: int = Field(32, ge=1, le=64)
    block_time_ms: int = Field(1_000, ge=50)
    bump_after_blocks: int = Field(5, ge=1)
    fee_cap_wei: int = Field(500 * 10**9, gt=0)
    min_tip_wei: int = Field(10**9, ge=0)
    block_gas_limit: int = Field(30_000_000, gt=0)


class FeedProfile(_Section):
    """A contract that answers `latestRoundData()` and `decimals()` as Chainlink's do: what one unit of the coin costs
    in the payer's currency or, `inverted`, what one unit of the payer's currency costs in the coin's.

    An answer older than `max_age_s`, outside the two bounds, or more than `max_deviation_bps` away from the price in
    force, is not taken.
    """

    address: str = Field(pattern=r"^0x[0-9a-fA-F]{40}$")
    inverted: bool = False
    max_age_s: int = Field(ge=60, le=7 * 86_400)
    min_minor_units_per_token: int = Field(gt=0)
    max_minor_units_per_token: int = Field(gt=0)
    max_deviation_bps: int = Field(1_000, ge=1, le=10_000)

    @model_validator(mode="after")
    def _ordered(self) -> FeedProfile:
        if self.min_minor_units_per_token > self.max_minor_units_per_token:
            raise ValueError("minMinorUnitsPerToken must not exceed maxMinorUnitsPerToken")
        return self


class PriceProfile(_Section):
    """What one token (10^18 base units) costs: `minor_units_per_token` of the payer's currency, or what a feed says.

    A fixed price of a coin in another currency is worth what somebody typed; `unverified` says that this is known.
    """

    minor_units_per_token: int | None = Field(None, gt=0)
    feed: FeedProfile | None = None
    unverified: bool = False

    @model_validator(mode="after")
    def _one_source(self) -> PriceProfile:
        if (self.minor_units_per_token is None) == (self.feed is None):
            raise ValueError("price needs either minorUnitsPerToken or feed")
        return self


class CoinProfile(_Section):
    """The coin behind a country's token: the currency that one coin is worth one unit of, and its address."""

    currency: str | None = None
    address: str | None = Field(None, pattern=r"^0x[0-9a-fA-F]{40}$")


class CountryProfile(_Section):
    """One country code with its own escrow and token. `currency` is what payers pay in; `stablecoin` is what a token is
    redeemed for, one to one. `price_tolerance_bps`: how far a client's `fiatAmount` may lie from the price."""

    country_code: str = Field(pattern=r"^[A-Z]{3}$")
    currency: str
    stablecoin: CoinProfile = CoinProfile()  # type: ignore[call-arg]
    price: PriceProfile | None = None
    price_tolerance_bps: int = Field(0, ge=0, le=2_000)

    @property
    def stablecoin_currency(self) -> str:
        """Return what the coin behind the token is worth one of."""
        return self.stablecoin.currency or self.currency

    @property
    def par_minor_units(self) -> int:
        """Return what a token costs that is backed by a coin of the payer's currency: one whole unit."""
        return int(10 ** scale_of(self.currency))

    @model_validator(mode="after")
    def _known(self) -> CountryProfile:
        for currency in (self.currency, self.stablecoin_currency):
            if currency not in FIAT:
                raise ValueError(f"currency {currency!r} is not supported")
        return self

    @model_validator(mode="after")
    def _never_redeemed_for_more_than_it_costs(self) -> CountryProfile:
        if self.stablecoin_currency == self.currency:
            self._require_par()
        elif self.price is None:
            raise ValueError(
                f"a {self.country_code} token is paid in {self.currency} and redeemed for {self.stablecoin_currency}: "
                "give price, with a feed or with minorUnitsPerToken"
            )
        elif self.price.feed is None and not self.price.unverified:
            raise ValueError(
                f"nothing shows that {self.price.minor_units_per_token} minor units of {self.currency} are what one "
                f"{self.stablecoin_currency} is worth: give price.feed, or say price.unverified: true"
            )
        return self

    def _require_par(self) -> None:
        if self.price is None:
            return
        if self.price.feed is not None:
            raise ValueError("price.feed is for a coin of another currency; here a token costs one to one")
        if (self.price.minor_units_per_token or 0) < self.par_minor_units:
            raise ValueError(
                f"a {self.country_code} token would cost {self.price.minor_units_per_token} minor units of "
                f"{self.currency} and be redeemed for {self.par_minor_units}"
            )


class ScreeningProfile(_Section):
    """`max_list_age_s`: seconds since a sanctions list was last seen at its source, beyond which nobody is cleared.
    `oracle`: address of a contract with `isSanctioned(address)` that is asked about each wallet too."""

    max_list_age_s: int = Field(172_800, ge=3_600)
    oracle: str | None = Field(None, pattern=r"^0x[0-9a-fA-F]{40}$")


class Geo(_Section):
    """ISO alpha-2 codes. `allowed_countries` counts with GEO_RESTRICTION_ENABLED; `denied_countries` always, and
    before it. `exemptions` are networks whose requests are not asked for a country (servers of API clients, say)."""

    allowed_countries: tuple[str, ...] = Field(("US",), min_length=1)
    denied_countries: tuple[str, ...] = ()
    unknown_country: Literal["block", "allow"] = "block"
    exemptions: tuple[str, ...] = ()

    @field_validator("allowed_countries", "denied_countries")
    @classmethod
    def _countries(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return require_alpha2(value)

    @field_validator("exemptions")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str(ip_network(network)) for network in value)


class VelocityRule(_Section):
    """At most `max_count` mints, or `max_amount` minor units of `currency`, for one subject within any `window_s`
    seconds. With a currency the rule sees payments in that currency only. Beyond it the intent is held or refused."""

    scope: Literal["payer", "phone", "wallet", "card", "country"]
    window_s: int = Field(ge=1, le=400 * 86_400)
    max_count: int | None = Field(None, ge=1)
    max_amount: int | None = Field(None, ge=1, lt=10**38)
    currency: str | None = None
    action: Literal["hold", "refuse"] = "hold"

    @model_validator(mode="after")
    def _limits_something(self) -> VelocityRule:
        if self.max_count is None and self.max_amount is None:
            raise ValueError("a velocity rule needs maxCount or maxAmount, or both")
        if self.max_amount is not None and self.currency is None:
            raise ValueError("maxAmount needs currency: amounts of different currencies are not added up")
        if self.currency is not None:
            _require_fiat(self.currency)
        return self


class Profile(_Section):
    """A whole deployment."""

    name: str = "local"
    chain_id: int = Field(31337, gt=0)
    rpc_urls: tuple[str, ...] = ("http://127.0.0.1:8545",)
    countries: tuple[CountryProfile, ...] = (CountryProfile(country_code="KES", currency="KES"),)  # type: ignore[call-arg]
    compliance: Compliance = Compliance()  # type: ignore[call-arg]
    limits: Limits = Limits()  # type: ignore[call-arg]
    retry: Retry = Retry()  # type: ignore[call-arg]
    timeouts: Timeouts = Timeouts()  # type: ignore[call-arg]
    evm: Evm = Evm()  # type: ignore[call-arg]
    geo: Geo = Geo()  # type: ignore[call-arg]
    screening: ScreeningProfile = ScreeningProfile()  # type: ignore[call-arg]
    velocity: tuple[VelocityRule, ...] = Field((), max_length=32)
    hmac_salt: str = ""

    @field_validator("countries")
    @classmethod
    def _one_currency_per_coin(cls, value: tuple[CountryProfile, ...]) -> tuple[CountryProfile, ...]:
        currencies: dict[str, str] = {}
        for country in value:
            address, currency = (country.stablecoin.address or "").lower(), country.stablecoin_currency
            if address and currencies.setdefault(address, currency) != currency:
                raise ValueError(f"the stablecoin {address} cannot be {currencies[address]} and {currency}")
        return value

    @property
    def stablecoin_currencies(self) -> dict[str, str]:
        """Return what the coin behind each country's token is worth one of, by country code."""
        return {country.country_code: country.stablecoin_currency for country in self.countries}

    def country(self, code: str) -> CountryProfile | None:
        """Return the configured country, or None."""
        return next((country for country in self.countries if country.country_code == code), None)
