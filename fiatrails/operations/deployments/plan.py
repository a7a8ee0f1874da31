"""What is to be deployed, by whom, and with what."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fiatrails.chains.evm.contracts.deployment import checksum_address
from fiatrails.chains.evm.signer import KeystoreSigner
from fiatrails.kernel.errors import Misconfigured
from fiatrails.kernel.profile import CountryProfile

# How the deploy script is asked for a stand-in among coins that are named.
_STAND_IN = "0x" + "00" * 20


@dataclass(frozen=True, slots=True)
class Roles:
    """Who may do what on the contracts. None leaves it to the script: the deployer on a local chain."""

    executors: tuple[str, ...] = ()
    compliance_officer: str | None = None
    guardian: str | None = None
    treasury: str | None = None
    admin: str | None = None


@dataclass(frozen=True, slots=True)
class PlannedCountry:
    """A country code and the coin behind its token. `currency`: what one coin is worth one of. `stablecoin`: its
    address; None: a new stand-in, on a local chain only."""

    code: str
    currency: str
    stablecoin: str | None = None


@dataclass(frozen=True, slots=True)
class DeploymentPlan:
    """What to deploy, and how strict it is."""

    countries: tuple[PlannedCountry, ...] = (PlannedCountry("KES", "KES"),)
    roles: Roles = Roles()
    max_risk_score: int = 83

    def environment(self) -> dict[str, str]:
        """Return the deploy script's variables."""
        coins = [country.stablecoin for country in self.countries]
        wanted = {
            "FR_COUNTRY_CODE": ",".join(country.code for country in self.countries),
            "FR_CURRENCY": ",".join(country.currency for country in self.countries),
            "FR_STABLECOIN": ",".join(coin or _STAND_IN for coin in coins) if any(coins) else None,
            "FR_EXECUTORS": ",".join(self.roles.executors),
            "FR_COMPLIANCE_OFFICER": self.roles.compliance_officer,
            "FR_GUARDIAN": self.roles.guardian,
            "FR_TREASURY": self.roles.treasury,
            "FR_ADMIN": self.roles.admin,
            "FR_MAX_RISK_SCORE": str(self.max_risk_score),
        }
        return {name: value for name, value in wanted.items() if value}


@dataclass(frozen=True, slots=True)
class DeployerKey:
    """An encrypted keystore and the file with its password; only their paths appear in a command line."""

    keystore: Path
    password_file: Path

    def address(self) -> str:
        """Return the account that the keystore holds."""
        try:
            return checksum_address(KeystoreSigner(self.keystore, self.password_file).address)
        except Misconfigured as error:
            raise Misconfigured(
                error.code, f"{self.keystore} does not open; check --keystore and --password-file"
            ) from None


@dataclass(frozen=True, slots=True)
class Toolchain:
    """The Foundry project and its forge."""

    contracts_dir: Path
    forge: Path


def planned(countries: Iterable[CountryProfile]) -> tuple[PlannedCountry, ...]:
    """Return the profile's countries with the coins that it names."""
    return tuple(
        PlannedCountry(country.country_code, country.stablecoin_currency, country.stablecoin.address)
        for country in countries
    )
