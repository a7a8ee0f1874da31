"""The variables of the operators' runbook, as the process understands them."""

from __future__ import annotations

from pathlib import Path

import pytest

from fiatrails.compliance.geo.policy import rules_of
from fiatrails.config.env import Environment, load_config
from fiatrails.kernel.conf import Config
from fiatrails.kernel.errors import Misconfigured


def started_with(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Config:
    for name in ("GEO_RESTRICTION_ENABLED", "GEO_ALLOWED_COUNTRIES", "GEOIP_DATABASE", "FIATRAILS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return load_config(Environment())


def test_nothing_is_restricted_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    config = started_with(monkeypatch)
    assert config.geo.restricted is False
    assert config.geo.database is None
    assert rules_of(config.profile.geo, restricted=config.geo.restricted) is None


def test_the_switch_of_the_runbook_allows_the_united_states(monkeypatch: pytest.MonkeyPatch) -> None:
    config = started_with(monkeypatch, GEO_RESTRICTION_ENABLED="true", GEOIP_DATABASE="/data/country.mmdb")
    assert config.geo.restricted is True
    assert config.geo.database == Path("/data/country.mmdb")
    assert config.profile.geo.allowed_countries == ("US",)


def test_allowed_countries_come_from_the_environment_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    assert started_with(monkeypatch, GEO_ALLOWED_COUNTRIES="ke, Ug,,").profile.geo.allowed_countries == ("KE", "UG")
    assert started_with(monkeypatch, GEO_ALLOWED_COUNTRIES=" , ").profile.geo.allowed_countries == ("US",)


def test_a_country_that_is_none_stops_the_start_and_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Misconfigured, match=r"geo\.allowedCountries.*'UK'"):
        started_with(monkeypatch, GEO_ALLOWED_COUNTRIES="US,UK")
