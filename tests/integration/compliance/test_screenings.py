"""Questions about names and wallets: answered on the list of the moment, kept, and the same when made again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest
from django.db import DatabaseError, connection
from structlog.testing import capture_logs

from fiatrails.compliance.models import AskedScreening
from fiatrails.compliance.sanctions import checks, screenings
from fiatrails.controls import modes
from fiatrails.engine import dead_letters
from fiatrails.kernel.conf import Config
from fiatrails.kernel.errors import BadInput, NotFound, Unavailable
from fiatrails.screening.entities import EntityType
from fiatrails.screening.lists import current, store
from fiatrails.screening.matching.screening import Band, Party, ScreeningList, ScreeningResult
from tests.conftest import SteppedClock

pytestmark = pytest.mark.django_db(transaction=True)
LISTED_WALLET = "0x098B716B8Aaf21512996dC57EB0615e2383E2f96"
SDN = (
    b'36,"YAN, Xiaobing","individual","SDNTK",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,"DOB 25 Mar 1977; citizen China; '
    b'Passport G12345678 (China)."\r\n'
    b'37,"LAZARUS GROUP",-0- ,"DPRK3",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,"Digital Currency Address - ETH '
    b'0x098B716B8Aaf21512996dC57EB0615e2383E2f96."\r\n\x1a'
)
YAN = Party(name="Xiaobing Yan", type=EntityType.PERSON, countries=("cn",), wallets=(LISTED_WALLET.lower(),))


@pytest.fixture(autouse=True)
def fresh_lists() -> Iterator[None]:
    forget()
    yield
    forget()


def forget() -> None:
    current.forget_cached()
    modes.forget_cached()
    checks._made = None


@pytest.fixture
def loaded(clock: SteppedClock) -> None:
    load(clock)


def load(clock: SteppedClock, sdn: bytes = SDN) -> None:
    store.load({"sdn.csv": sdn}, published=date(2026, 10, 20), actor="test", now=clock.now(), allow_shrink=True)


def shown(answered: screenings.Answered) -> str:
    return f"the answer {answered.screening_id}, with an é"


def ask(party: Party, clock: SteppedClock) -> ScreeningResult:
    return screenings.ask(party, client="shop", shown=shown, now=clock.now()).result


def shape(result: ScreeningResult) -> list[Any]:
    return [checks.hit_of(hit) for hit in result.hits]


def test_what_was_asked_and_found_is_kept(loaded: None, clock: SteppedClock) -> None:
    answered = screenings.ask(YAN, client="shop", shown=shown, now=clock.now())
    row = AskedScreening.objects.get()
    assert (row.screening_id, row.client, row.asked_at) == (answered.screening_id, "shop", clock.now())
    assert (row.band, row.problem, row.algorithm) == ("block", "", answered.result.algorithm)
    assert row.inputs == {
        "name": "Xiaobing Yan",
        "type": "person",
        "born": None,
        "countries": ["CN"],
        "identifiers": [],
        "wallets": [LISTED_WALLET.lower()],
    }
    assert (row.lists, row.list_digest) == (list(answered.lists.ids), answered.lists.digest)
    assert [hit["uid"] for hit in row.hits] == [hit.entity.uid for hit in answered.result.hits]


def test_an_answer_is_read_as_it_was_given_by_who_asked_and_by_operators(loaded: None, clock: SteppedClock) -> None:
    answered = screenings.ask(YAN, client="shop", shown=shown, now=clock.now())
    load(clock, SDN.replace(b"YAN, Xiaobing", b"SOMEBODY, Else"))
    assert answered.text == shown(answered)
    for client in ("shop", None):
        assert screenings.get(screening_id=answered.screening_id.upper(), client=client).answer == answered.text
    for number, client in ((answered.screening_id, "other"), ("0" * 32, None), ("a\0", None), ("", "shop")):
        with pytest.raises(NotFound) as refused:
            screenings.get(screening_id=number, client=client)
        assert refused.value.code == "screening_not_found"


def test_what_was_kept_in_parts_only_is_not_read(loaded: None, clock: SteppedClock) -> None:
    answered = screenings.ask(YAN, client="shop", shown=lambda _: "", now=clock.now())
    with pytest.raises(NotFound):
        screenings.get(screening_id=answered.screening_id)


def test_an_answer_can_be_made_again_after_the_list_has_changed(loaded: None, clock: SteppedClock) -> None:
    for party in (YAN, Party(name="Xiaobing Yan", born=date(1999, 1, 1)), Party(identifiers=("G-12345678",))):
        ask(party, clock)
    load(clock, SDN.replace(b"YAN, Xiaobing", b"SOMEBODY, Else").replace(b"LAZARUS", b"OTHER"))
    assert ask(YAN, clock).hits != ()
    *rows, _ = AskedScreening.objects.order_by("id")
    assert [row.band for row in rows] == ["block", "clear", "block"]
    for row in rows:
        entities = [entity for version in row.lists for entity in store.entities_of(version)]
        again = checks.reproduce(row.inputs, ScreeningList(entities, digest=row.list_digest))
        assert (again.algorithm, again.list_digest) == (row.algorithm, row.list_digest)
        assert (again.band.value, again.problem, shape(again)) == (row.band, row.problem, row.hits)
        assert row.hits


def test_the_database_keeps_answers(loaded: None, clock: SteppedClock) -> None:
    ask(YAN, clock)
    for statement in (
        "UPDATE compliance_screening SET band = 'clear'",
        "DELETE FROM compliance_screening",
        "TRUNCATE compliance_screening",
    ):
        with pytest.raises(DatabaseError), connection.cursor() as cursor:
            cursor.execute(statement)


def test_no_transaction_is_open_while_names_are_matched(
    loaded: None, clock: SteppedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def noting(party: Party, against: ScreeningList) -> ScreeningResult:
        seen.append(connection.in_atomic_block)
        return ScreeningResult(Band.CLEAR, (), "", against.digest)

    monkeypatch.setattr(screenings, "screen", noting)
    ask(YAN, clock)
    assert seen == [False]


@pytest.mark.parametrize("why", ["no list", "a stale list"])
def test_without_a_list_to_rely_on_nothing_is_answered_and_nothing_kept(
    why: str, clock: SteppedClock, configure: Callable[..., Config]
) -> None:
    configure(env="production")
    if why == "a stale list":
        load(clock)
        ask(YAN, clock)
        clock.advance(days=3)
    kept = AskedScreening.objects.count()
    with pytest.raises(Unavailable) as refused:
        ask(YAN, clock)
    assert (refused.value.code, refused.value.retry_after) == ("sanctions_unusable", 60)
    assert AskedScreening.objects.count() == kept
    assert dead_letters.depth() == 0


def test_while_writes_are_off_nothing_is_answered(loaded: None, clock: SteppedClock) -> None:
    modes.set_mode(
        modes.ModeName.READ_ONLY, active=True, owner="ann", reason="a test", expires_at=None, now=clock.now()
    )
    with pytest.raises(Unavailable, match="writes are switched off"):
        ask(YAN, clock)
    assert not AskedScreening.objects.exists()


def test_nobody_is_named_in_the_log(loaded: None, clock: SteppedClock) -> None:
    with capture_logs() as lines:
        ask(Party(name="Zebulon Quartermaine", identifiers=("AB-998877",), wallets=("bc1qsecret",)), clock)
        with pytest.raises(BadInput):
            ask(Party(name="Zebulon Quartermaine", wallets=("not one",)), clock)
    assert "screening.answered" in {line["event"] for line in lines}
    assert not any(secret in str(lines) for secret in ("Zebulon", "998877", "bc1qsecret", "not one"))


@pytest.mark.parametrize(
    ("party", "code"),
    [
        (Party(), "nothing_to_screen"),
        (Party(type=EntityType.PERSON, born=date(1990, 1, 1), countries=("KE",)), "nothing_to_screen"),
        (Party(name=" "), "malformed_payer_name"),
        (Party(name="x" * 501), "malformed_payer_name"),
        (Party(name="a\0b"), "malformed_payer_name"),
        (Party(name="a\ud800"), "malformed_payer_name"),
        (Party(wallets=("",)), "malformed_wallet"),
        (Party(wallets=("0x12 34",)), "malformed_wallet"),
        (Party(wallets=("0x\udc00",)), "malformed_wallet"),
        (Party(wallets=("a" * 201,)), "malformed_wallet"),
        (Party(wallets=("a",) * 11), "too_many_items"),
        (Party(identifiers=("1",) * 11), "too_many_items"),
        (Party(identifiers=("\0",)), "malformed_identifier"),
        (Party(name="Jane", countries=("ZZ",)), "malformed_country"),
        (Party(name="Jane", born=date(1850, 1, 1)), "malformed_birth_date"),
    ],
)
def test_what_cannot_be_screened_is_refused_and_not_kept(
    party: Party, code: str, loaded: None, clock: SteppedClock
) -> None:
    with pytest.raises(BadInput) as refused:
        ask(party, clock)
    assert refused.value.code == code
    assert not AskedScreening.objects.exists()
