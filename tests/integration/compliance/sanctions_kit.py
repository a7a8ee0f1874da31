"""A small sanctions list, payers to tell of, and the gate's decision about one intent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import pytest
from django.conf import settings

from fiatrails.chains.core.pool import RpcPool
from fiatrails.chains.evm.registry import UserCompliance
from fiatrails.compliance import clearing
from fiatrails.compliance.clearing import Subject
from fiatrails.compliance.policy import Verdict
from fiatrails.compliance.sanctions import checks, payers
from fiatrails.kernel.conf import ScreeningConfig
from fiatrails.screening.entities import EntityType
from fiatrails.screening.lists import current, store
from tests.conftest import SteppedClock

USER = "0x" + "a1" * 20
LISTED_WALLET = "0x098b716b8aaf21512996dc57eb0615e2383e2f96"
INTENT = "0x" + "11" * 32
PERSON = EntityType.PERSON
SDN = (
    b'36,"YAN, Xiaobing","individual","SDNTK",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,"DOB 25 Mar 1977; citizen China."\r\n'
    b'37,"LAZARUS GROUP",-0- ,"DPRK3",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,"Digital Currency Address - ETH '
    b'0x098B716B8Aaf21512996dC57EB0615e2383E2f96."\r\n\x1a'
)
FILES = {"sdn.csv": SDN}
# Without an oracle in the profile nobody asks it.
NO_CHAIN = RpcPool(["http://127.0.0.1:9"], timeout_s=1)


@pytest.fixture
def screening_is_on(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    on = replace(settings.FIATRAILS, screening=ScreeningConfig(enabled=True))
    monkeypatch.setattr(settings, "FIATRAILS", on)
    forget()
    yield
    forget()


def forget() -> None:
    current.forget_cached()
    checks._made = None


def in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "FIATRAILS", replace(settings.FIATRAILS, env="production"))


def load(clock: SteppedClock, files: dict[str, bytes] = FILES) -> None:
    store.load(files, published=date(2026, 10, 20), actor="test", now=clock.now(), allow_shrink=True, reason="a test")


def tell(name: str, clock: SteppedClock, *, user: str = USER, born: date | None = None) -> None:
    identity = payers.Identity(name=name, type=PERSON, born=born)
    payers.record(identity, user=user, actor="client", now=clock.now())


def decide(clock: SteppedClock, *, user: str = USER) -> Verdict:
    subject = Subject(INTENT, user, 10**18)
    entry = UserCompliance(user, 10, "0x" + "ab" * 32, 1, True, True, True, 7)
    screened = clearing.screen_payers([subject], pool=NO_CHAIN, now=clock.now())
    return clearing.decide([subject], {user: entry}, now=clock.now(), screened=screened)[INTENT]
