"""Every flow in every mode, by row and by environment; caching by the caller's clock; audit of switches."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from fiatrails.controls import audit, modes
from fiatrails.controls.models import AuditRecord
from fiatrails.controls.modes import Flow, ModeName, check, decide, in_force, set_mode
from fiatrails.controls.queries import list_modes
from fiatrails.kernel.errors import BadInput, Unavailable

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SECOND = timedelta(seconds=1)
VARIABLE = {
    ModeName.DEGRADED: "DEGRADED_MODE",
    ModeName.READ_ONLY: "READ_ONLY",
    ModeName.MAINTENANCE: "MAINTENANCE_MODE",
    ModeName.DB_FALLBACK: "DB_FALLBACK_MODE",
}
GOES_ON = {
    (ModeName.DEGRADED, Flow.CREATE_INTENT),
    (ModeName.DEGRADED, Flow.BEGIN_PAYMENT),
    (ModeName.DEGRADED, Flow.CONFIRM_PAYMENT),
    (ModeName.DEGRADED, Flow.DRIVE_REQUEST),
    (ModeName.DEGRADED, Flow.ACCEPT),
    (ModeName.DEGRADED, Flow.CANCEL),
    (ModeName.MAINTENANCE, Flow.ACCEPT_CALLBACK),
    (ModeName.MAINTENANCE, Flow.CONFIRM_PAYMENT),
    (ModeName.MAINTENANCE, Flow.DRIVE_REQUEST),
    (ModeName.MAINTENANCE, Flow.ACCEPT),
    (ModeName.MAINTENANCE, Flow.CANCEL),
    (ModeName.DB_FALLBACK, Flow.CREATE_INTENT),
    (ModeName.DB_FALLBACK, Flow.BEGIN_PAYMENT),
    (ModeName.DB_FALLBACK, Flow.ACCEPT_CALLBACK),
}
# What asks a chain or a provider, and is stopped when just that one is degraded.
ASKS_OUTSIDE = {
    Flow.BEGIN_PAYMENT,
    Flow.CONFIRM_PAYMENT,
    Flow.DRIVE_REQUEST,
    Flow.CLEAR,
    Flow.SUBMIT,
    Flow.MINT,
    Flow.REFUND,
}
RETRY_AFTER = {ModeName.MAINTENANCE: 300}


@pytest.fixture(autouse=True)
def _fresh(database: str) -> Iterator[None]:
    modes.forget_cached()
    yield
    modes.forget_cached()


def switch(name: ModeName, *, active: bool = True, expires_at: datetime | None = None, now: datetime = NOW) -> None:
    set_mode(name, active=active, owner="asha", reason="drill", expires_at=expires_at, now=now)


@pytest.mark.parametrize("name", ModeName)
@pytest.mark.parametrize("source", ["row", "environment"])
def test_a_mode_stops_a_flow_or_lets_it_go_on(name: ModeName, source: str) -> None:
    environ = {}
    if source == "row":
        switch(name)
    else:
        environ = {VARIABLE[name]: "true"}
    for flow in Flow:
        if (name, flow) in GOES_ON:
            check(flow, now=NOW, environ=environ)
            continue
        with pytest.raises(Unavailable) as caught:
            check(flow, now=NOW, environ=environ)
        assert (caught.value.code, caught.value.status) == (name.value, 503), flow
        assert caught.value.retry_after == RETRY_AFTER.get(name, 60)


def test_the_table_of_the_documentation_is_what_happens() -> None:
    rows = [line for line in (modes.__doc__ or "").splitlines() if line.startswith("| ") and "flow " not in line]
    said = {cells[0]: cells[1:5] for line in rows if (cells := [cell.strip() for cell in line.strip("|").split("|")])}
    names = (ModeName.DEGRADED, ModeName.READ_ONLY, ModeName.MAINTENANCE, ModeName.DB_FALLBACK)
    assert said == {flow.name: ["goes on" if (name, flow) in GOES_ON else "stopped" for name in names] for flow in Flow}


@pytest.mark.parametrize("flow", Flow)
def test_degraded_for_one_chain_or_provider_stops_what_asks_it_and_nothing_else(flow: Flow) -> None:
    set_mode(ModeName.DEGRADED, active=True, owner="asha", reason="drill", expires_at=None, now=NOW, scope="evm:31337")
    assert decide(flow, now=NOW, scopes=("mpesa", "evm:1"), environ={}).allowed
    assert decide(flow, now=NOW, environ={}).allowed
    stopped = decide(flow, now=NOW, scopes=("mpesa", "evm:31337"), environ={})
    assert stopped.allowed is (flow not in ASKS_OUTSIDE)
    assert in_force(now=NOW, environ={}) == set()
    switch(ModeName.DEGRADED)
    assert decide(flow, now=NOW, environ={}).allowed is ((ModeName.DEGRADED, flow) in GOES_ON)


@pytest.mark.parametrize(("name", "scope"), [(ModeName.READ_ONLY, "mpesa"), (ModeName.DEGRADED, "M-Pesa; DROP")])
def test_a_scope_that_cannot_be_one_is_refused(name: ModeName, scope: str) -> None:
    with pytest.raises(BadInput, match="mode_scope"):
        set_mode(name, active=True, owner="asha", reason="drill", expires_at=None, now=NOW, scope=scope)


def test_everything_runs_in_normal_times() -> None:
    for flow in Flow:
        check(flow, now=NOW, environ={})
        assert decide(flow, now=NOW, environ={}).allowed


def test_the_mode_that_explains_most_answers_first() -> None:
    environ = dict.fromkeys(VARIABLE.values(), "true")
    assert decide(Flow.SUBMIT, now=NOW, environ=environ).mode is ModeName.MAINTENANCE


def test_maintenance_says_what_the_operator_wrote() -> None:
    environ = {"MAINTENANCE_MODE": "true", "MAINTENANCE_MESSAGE": "Back in 30 minutes."}
    assert decide(Flow.CREATE_INTENT, now=NOW, environ=environ).message == "Back in 30 minutes."


def test_the_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("READ_ONLY", "true")
    assert in_force(now=NOW) == {ModeName.READ_ONLY}


def test_a_mode_ends_by_itself_when_it_expires() -> None:
    switch(ModeName.DEGRADED, expires_at=NOW + SECOND / 2)
    assert in_force(now=NOW, environ={}) == {ModeName.DEGRADED}
    assert in_force(now=NOW + SECOND / 2, environ={}) == set()


def test_a_switch_by_this_process_is_seen_at_once() -> None:
    assert in_force(now=NOW, environ={}) == set()
    switch(ModeName.READ_ONLY)
    assert in_force(now=NOW, environ={}) == {ModeName.READ_ONLY}
    switch(ModeName.READ_ONLY, active=False)
    assert in_force(now=NOW, environ={}) == set()


def test_a_switch_by_another_process_is_seen_within_a_second(database: str) -> None:
    assert in_force(now=NOW, environ={}) == set()
    with psycopg.connect(database) as other:
        other.execute("INSERT INTO controls_mode VALUES ('read_only', true, 'o', 'r', NULL, %s)", [NOW])
    assert in_force(now=NOW + SECOND * 0.99, environ={}) == set()
    assert in_force(now=NOW + SECOND, environ={}) == {ModeName.READ_ONLY}


def test_rows_are_read_once_a_second_and_again_when_the_clock_goes_back() -> None:
    with CaptureQueriesContext(connection) as captured:
        for _ in range(50):
            check(Flow.ACCEPT_CALLBACK, now=NOW, environ={})
    assert len(captured) == 1
    with CaptureQueriesContext(connection) as captured:
        check(Flow.ACCEPT_CALLBACK, now=NOW - SECOND, environ={})
    assert len(captured) == 1


def test_the_last_known_modes_stay_in_force_while_the_database_is_away(database: str) -> None:
    switch(ModeName.DEGRADED)
    assert in_force(now=NOW, environ={}) == {ModeName.DEGRADED}
    with psycopg.connect(database, autocommit=True) as other:
        other.execute("ALTER TABLE controls_mode RENAME TO away")
    assert in_force(now=NOW + SECOND * 2, environ={}) == {ModeName.DEGRADED}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"owner": " "}, "mode_unexplained"),
        ({"reason": ""}, "mode_unexplained"),
        ({"expires_at": NOW}, "mode_expired"),
    ],
)
def test_an_unexplained_or_expired_switch_is_refused(change: dict[str, object], code: str) -> None:
    values = {"active": True, "owner": "asha", "reason": "drill", "expires_at": None, "now": NOW} | change
    with pytest.raises(BadInput) as caught:
        set_mode(ModeName.DEGRADED, **values)  # type: ignore[arg-type]
    assert (caught.value.code, AuditRecord.objects.count()) == (code, 0)


def test_every_switch_is_audited() -> None:
    switch(ModeName.DEGRADED, expires_at=NOW + SECOND)
    switch(ModeName.DEGRADED, active=False)
    found = list(AuditRecord.objects.order_by("pk").values_list("actor", "action", "subject", "details"))
    assert found == [
        ("asha", "mode.on", "degraded", {"reason": "drill", "expiresAt": "2026-01-02T03:04:06.000Z"}),
        ("asha", "mode.off", "degraded", {"reason": "drill", "expiresAt": None}),
    ]
    assert audit.verify().ok


def test_every_mode_is_listed_with_what_switched_it() -> None:
    switch(ModeName.READ_ONLY)
    switch(ModeName.DB_FALLBACK)
    switch(ModeName.DB_FALLBACK, active=False)
    switch(ModeName.MAINTENANCE, expires_at=NOW + SECOND)
    set_mode(ModeName.DEGRADED, active=True, owner="asha", reason="drill", expires_at=None, now=NOW, scope="mpesa")
    found = list_modes(now=NOW + SECOND, environ={"DEGRADED_MODE": "true"})
    assert [mode.name for mode in found] == [*ModeName, ModeName.DEGRADED]
    shown = {
        (mode.name, mode.scope): (mode.in_force, mode.from_environment, mode.switched is not None) for mode in found
    }
    assert shown == {
        (ModeName.READ_ONLY, ""): (True, False, True),
        (ModeName.DB_FALLBACK, ""): (False, False, False),
        (ModeName.MAINTENANCE, ""): (False, False, True),
        (ModeName.DEGRADED, ""): (True, True, False),
        (ModeName.DEGRADED, "mpesa"): (True, False, True),
    }
    row = found[-1].switched
    assert row is not None
    assert (row.owner, row.reason) == ("asha", "drill")
