"""Modes from the environment: what counts as on."""

import pytest

from fiatrails.controls.modes import ModeName, from_environment

VARIABLES = {
    "DEGRADED_MODE": ModeName.DEGRADED,
    "READ_ONLY": ModeName.READ_ONLY,
    "MAINTENANCE_MODE": ModeName.MAINTENANCE,
    "DB_FALLBACK_MODE": ModeName.DB_FALLBACK,
}


@pytest.mark.parametrize(("variable", "name"), VARIABLES.items())
@pytest.mark.parametrize("value", ["true", "TRUE", "1", "yes", "on", "memory", " true ", "ture"])
def test_a_variable_switches_its_mode_on(variable: str, name: ModeName, value: str) -> None:
    assert from_environment({variable: value}) == {name}


@pytest.mark.parametrize("value", ["", " ", "0", "false", "False", "no", "off"])
def test_a_variable_switches_nothing_on(value: str) -> None:
    assert from_environment(dict.fromkeys(VARIABLES, value)) == set()
    assert from_environment({}) == set()
