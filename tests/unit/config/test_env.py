"""The environment: what is missing, empty or a placeholder must not become a way in."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from fiatrails.config.env import (
    Environment,
    admin_origins,
    database_settings,
    databases,
    direct_database,
    load_config,
    secret_key_fallbacks,
    trusted_proxies,
)
from fiatrails.kernel.errors import Misconfigured
from fiatrails.kernel.profile import Profile

GOOD = "0f" * 32
PRODUCTION = {
    "FIATRAILS_ENV": "production",
    "DJANGO_SECRET_KEY": GOOD,
    "HMAC_SECRET": GOOD,
    "MPESA_GATEWAY_SECRET": GOOD,
}


@pytest.fixture
def set_environment(monkeypatch: pytest.MonkeyPatch) -> object:
    def change(**values: str) -> None:
        for name in ("HMAC_SECRET", "HMAC_SECRET_NEW", "MPESA_GATEWAY_SECRET", "MPESA_GATEWAY_SECRET_NEW", "REDIS_URL"):
            monkeypatch.delenv(name, raising=False)
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    return change


@pytest.mark.parametrize("name", ["HMAC_SECRET_NEW", "MPESA_GATEWAY_SECRET_NEW", "HMAC_SECRET", "MPESA_GATEWAY_SECRET"])
def test_an_empty_secret_is_no_key(set_environment: object, name: str) -> None:
    set_environment(**{name: ""})  # type: ignore[operator]
    config = load_config(Environment())
    assert config.client_secrets == ()
    assert config.providers["mpesa"].gateway_secrets == ()


def test_both_keys_of_a_rotation_are_known_by_name(set_environment: object) -> None:
    set_environment(**PRODUCTION, HMAC_SECRET_NEW="1e" * 32, MPESA_GATEWAY_SECRET_NEW="2d" * 32)  # type: ignore[operator]
    config = load_config(Environment())
    assert [name for name, _ in config.client_secrets] == ["current", "new"]
    assert [name for name, _ in config.providers["mpesa"].gateway_secrets] == ["current", "new"]


@pytest.mark.parametrize("name", [*PRODUCTION, "HMAC_SECRET_NEW", "MPESA_GATEWAY_SECRET_NEW"])
@pytest.mark.parametrize("value", ["changeme" * 8, "short"])
def test_outside_local_a_weak_secret_stops_the_start(set_environment: object, name: str, value: str) -> None:
    if name == "FIATRAILS_ENV":
        return
    set_environment(**PRODUCTION | {name: value})  # type: ignore[operator]
    with pytest.raises(Misconfigured, match=name):
        load_config(Environment())


def test_an_empty_redis_url_is_none(set_environment: object) -> None:
    set_environment(REDIS_URL="")  # type: ignore[operator]
    assert load_config(Environment()).redis_url is None


def test_secrets_do_not_show_when_printed(set_environment: object) -> None:
    set_environment(**PRODUCTION)  # type: ignore[operator]
    assert GOOD not in repr(load_config(Environment()))
    assert GOOD not in repr(Environment())


def test_a_database_url_is_taken_apart() -> None:
    entry = database_settings("postgresql://us%40er:p%2Fw@db.example:6432/rail")
    assert (entry["USER"], entry["PASSWORD"], entry["HOST"], entry["PORT"], entry["NAME"]) == (
        "us@er",
        "p/w",
        "db.example",
        "6432",
        "rail",
    )
    with pytest.raises(Misconfigured):
        database_settings("mysql://x")


def test_a_database_url_hands_on_what_libpq_knows_and_takes_no_startup_options() -> None:
    options = database_settings("postgresql://u@db/rail?host=/run/pg&sslmode=verify-full&sslrootcert=%2Fca.pem")
    assert options["HOST"] == "/run/pg"
    assert (options["OPTIONS"]["sslmode"], options["OPTIONS"]["sslrootcert"]) == ("verify-full", "/ca.pem")
    with pytest.raises(Misconfigured, match="take `options` out"):
        database_settings("postgresql://u@db/rail?options=-c%20statement_timeout%3D1s")


@pytest.mark.parametrize(
    ("url", "direct", "pooled"),
    [
        ("postgresql://u@pooler/rail", "postgresql://u@db/rail", True),
        ("postgresql://u@db/rail", "postgresql://u@db/rail", False),
        ("postgresql://u@db/rail", "", False),
    ],
)
def test_another_direct_address_says_that_there_is_a_pooler(
    monkeypatch: pytest.MonkeyPatch, url: str, direct: str, pooled: bool
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("DATABASE_DIRECT_URL", direct)
    assert databases(Environment())["default"]["OPTIONS"]["pooled"] is pooled
    found = direct_database(Environment())
    assert (found["HOST"] if found else "") == ("db" if direct else "")


def test_no_startup_option_is_sent_that_a_pooler_refuses() -> None:
    assert "options" not in database_settings("postgresql://u@db/rail")["OPTIONS"]


def test_trusted_proxies_are_addresses_and_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUSTED_PROXIES", "10.0.0.0/8, 192.0.2.7,,2001:db8::/32")
    assert trusted_proxies(Environment()) == ("10.0.0.0/8", "192.0.2.7", "2001:db8::/32")
    monkeypatch.setenv("TRUSTED_PROXIES", "")
    assert trusted_proxies(Environment()) == ()


@pytest.mark.parametrize("value", ["10.0.0.1/8", "proxy.local", "2"])
def test_a_proxy_that_is_no_network_stops_the_start(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("TRUSTED_PROXIES", value)
    with pytest.raises(Misconfigured, match="TRUSTED_PROXIES"):
        trusted_proxies(Environment())


def test_former_secret_keys_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SECRET_KEY_FALLBACKS", f"{GOOD}, {'1e' * 32}")
    assert secret_key_fallbacks(Environment()) == [GOOD, "1e" * 32]
    assert GOOD not in repr(Environment())


def test_an_empty_metrics_port_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METRICS_PORT", "")
    assert load_config(Environment()).metrics_port is None
    monkeypatch.setenv("METRICS_PORT", "9100")
    assert (load_config(Environment()).metrics_host, load_config(Environment()).metrics_port) == ("127.0.0.1", 9100)


def test_a_risk_score_beyond_the_contracts_is_refused() -> None:
    assert Profile.model_validate({"compliance": {"maxRiskScore": 100}}).compliance.max_risk_score == 100
    with pytest.raises(ValidationError, match="maxRiskScore"):
        Profile.model_validate({"compliance": {"maxRiskScore": 101}})


def test_origins_of_the_admin_are_read_as_a_browser_says_them(set_environment: object) -> None:
    set_environment(ADMIN_ORIGINS="https://rail.example, http://10.0.0.1:3000")  # type: ignore[operator]
    assert admin_origins(Environment()) == ["https://rail.example", "http://10.0.0.1:3000"]


@pytest.mark.parametrize("wrong", ["rail.example", "https://rail.example/", "https://", "ftp://rail.example"])
def test_an_origin_that_no_browser_says_stops_the_start(set_environment: object, wrong: str) -> None:
    set_environment(ADMIN_ORIGINS=wrong)  # type: ignore[operator]
    with pytest.raises(Misconfigured, match="ADMIN_ORIGINS"):
        admin_origins(Environment())
