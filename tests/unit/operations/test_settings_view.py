"""The effective configuration as people see it: whole, and without a secret."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fiatrails.kernel.conf import Config, GeoConfig, ScreeningConfig
from fiatrails.operations.settings_view import effective


def test_countries_and_screening_are_shown_and_the_keys_in_their_urls_are_not(
    configure: Callable[..., Config],
) -> None:
    urls = ("https://reader:s3cret@mirror.example/s3cret/ofac?key=s3cret",)
    configure(
        geo=GeoConfig(restricted=True, database=Path("/etc/country.mmdb")),
        screening=ScreeningConfig(enabled=True, list_urls=urls, list_files=("SDN.CSV",)),
    )
    shown = effective()
    assert shown["geo"] == {"restricted": True, "database": "/etc/country.mmdb"}
    assert shown["screening"] == {
        "enabled": True,
        "listUrls": ["https://mirror.example/..."],
        "listFiles": ["SDN.CSV"],
    }
    assert "s3cret" not in str(shown)


def test_without_a_database_of_its_own_the_bundled_data_is_named(configure: Callable[..., Config]) -> None:
    configure(geo=GeoConfig())
    assert effective()["geo"] == {"restricted": False, "database": "bundled data"}
