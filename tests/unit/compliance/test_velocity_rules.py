"""Velocity limits: who is counted together, who is admitted, and what a limit says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from fiatrails.compliance.velocity.rules import (
    ADMITTED,
    Usage,
    Used,
    entries_of,
    judge,
    meter_of,
    subject_of,
)
from fiatrails.kernel.money import Money
from fiatrails.kernel.profile import Profile, VelocityRule

TEN = Money("KES", 1000)


def rule(scope: str = "payer", **more: Any) -> VelocityRule:
    more.setdefault("max_count", 10)
    return VelocityRule.model_validate({"scope": scope, "window_s": 3600, **more})


def usage(number: int = 1, paid: Money = TEN, **subjects: str) -> Usage:
    return Usage(f"0x{number:064x}", paid, **(subjects or {"payer": "p-1"}))


def used(rules: list[VelocityRule], subject: str, *, count: int = 0, amount: int = 0) -> dict[tuple[int, str], Used]:
    return {(place, subject): Used(count, amount) for place in range(len(rules))}


@pytest.mark.parametrize(
    ("given_rule", "told"),
    [
        ({"scope": "email", "windowS": 60, "maxCount": 1}, "scope"),
        ({"scope": "payer", "windowS": 0, "maxCount": 1}, "windowS"),
        ({"scope": "payer", "windowS": 60}, "maxCount or maxAmount"),
        ({"scope": "payer", "windowS": 60, "maxCount": 0}, "maxCount"),
        ({"scope": "payer", "windowS": 60, "maxAmount": 100}, "maxAmount needs currency"),
        ({"scope": "payer", "windowS": 60, "maxAmount": 100, "currency": "XXX"}, "'XXX' is not supported"),
        ({"scope": "payer", "windowS": 60, "maxCount": 1, "action": "ban"}, "action"),
        ({"scope": "payer", "windowS": 60, "maxCount": 1, "per": "day"}, "per"),
    ],
)
def test_a_rule_that_limits_nothing_or_cannot_be_read_is_refused_by_name(given_rule: object, told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Profile.model_validate({"velocity": [given_rule]})


def test_rules_are_read_from_the_profile_as_operators_write_them() -> None:
    written = {"scope": "card", "windowS": 86400, "maxAmount": 10**20, "currency": "KES", "action": "refuse"}
    (read,) = Profile.model_validate({"velocity": [written]}).velocity
    assert (read.scope, read.window_s, read.max_amount, read.action) == ("card", 86400, 10**20, "refuse")


@pytest.mark.parametrize(
    ("scope", "one", "same"),
    [
        ("phone", "+254 712 345 678", "254712345678"),
        ("phone", "00254-712-345-678", "254712345678"),
        ("wallet", "0xAbCdEf0000000000000000000000000000000001", "0xabcdef0000000000000000000000000000000001"),
        ("country", "ke", "KE"),
        ("payer", " p-1 ", "p-1"),
    ],
)
def test_one_subject_written_in_two_ways_is_counted_once(scope: str, one: str, same: str) -> None:
    assert subject_of(rule(scope), usage(**{scope: one})) == subject_of(rule(scope), usage(**{scope: same})) == same


def test_base58_wallets_that_differ_in_case_stay_apart() -> None:
    found = {subject_of(rule("wallet"), usage(wallet=text)) for text in ("7xKXtg2CW87d97TX", "7xkxtg2cw87d97tx")}
    assert len(found) == 2


@pytest.mark.parametrize("missing", [None, "", "  "])
def test_a_rule_does_not_see_an_intent_whose_subject_is_not_known(missing: str | None) -> None:
    unknown = Usage("0x1", TEN, payer="p-1", phone=missing)
    assert subject_of(rule("phone"), unknown) is None
    assert judge([unknown], [rule("phone", max_count=1)], {})["0x1"] is ADMITTED
    assert list(entries_of([unknown], [rule("phone")])) == []


def test_a_rule_with_a_currency_does_not_see_payments_in_another() -> None:
    in_kes = rule(max_count=None, max_amount=5, currency="KES")
    assert judge([usage(paid=Money("USD", 900))], [in_kes], {})[usage().intent_id] is ADMITTED
    assert meter_of(in_kes) == "payer:KES"


def test_rules_with_other_windows_and_limits_share_what_was_counted() -> None:
    rules = [rule(), rule(window_s=60, max_count=1), rule(max_amount=500, currency="KES")]
    assert [entry.meter for entry in entries_of([usage()], rules)] == ["payer", "payer:KES"]


def test_the_last_place_is_given_and_the_next_is_not() -> None:
    rules = [rule(max_count=3, action="refuse")]
    verdicts = judge([usage(n) for n in range(3)], rules, used(rules, "p-1", count=1))
    assert [verdict.admitted for verdict in verdicts.values()] == [True, True, False]
    last = verdicts[usage(2).intent_id]
    assert (last.code, last.action, last.scope, last.window_s) == ("velocity_payer_count", "refuse", "payer", 3600)
    assert last.reason == "beyond 3 payments for one payer within 3600 seconds"


def test_the_last_shilling_is_given_and_one_cent_more_is_not() -> None:
    rules = [rule(max_count=None, max_amount=2000, currency="KES")]
    before = used(rules, "p-1", amount=1000)
    assert judge([usage(paid=Money("KES", 1000))], rules, before)[usage().intent_id].admitted
    beyond = judge([usage(paid=Money("KES", 1001))], rules, before)[usage().intent_id]
    assert (beyond.code, beyond.reason) == (
        "velocity_payer_amount",
        "beyond 20.00 KES for one payer within 3600 seconds",
    )


def test_amounts_beyond_64_bits_are_compared_exactly() -> None:
    rules = [rule(max_count=None, max_amount=10**30, currency="KES")]
    assert judge([usage(paid=Money("KES", 1))], rules, used(rules, "p-1", amount=10**30 - 1))[
        usage().intent_id
    ].admitted
    assert not judge([usage(paid=Money("KES", 1))], rules, used(rules, "p-1", amount=10**30))[
        usage().intent_id
    ].admitted


def test_what_is_refused_uses_up_no_window() -> None:
    rules = [rule(max_count=2), rule("country", max_count=1)]
    same_country = [Usage(f"0x{n}", TEN, payer="p-1", country="KE") for n in range(2)]
    elsewhere = Usage("0x9", TEN, payer="p-1", country="UG")
    verdicts = judge([*same_country, elsewhere], rules, {})
    assert [verdict.admitted for verdict in verdicts.values()] == [True, False, True]


def test_a_rule_that_refuses_outweighs_one_that_holds() -> None:
    rules = [rule(max_count=1), rule(max_count=1, window_s=60, action="refuse")]
    assert judge([usage()], rules, used(rules, "p-1", count=1))[usage().intent_id].action == "refuse"


def test_an_intent_that_was_counted_is_not_asked_again_and_takes_no_second_place() -> None:
    rules = [rule(max_count=2)]
    verdicts = judge([usage(1), usage(2)], rules, used(rules, "p-1", count=1), counted={(usage(1).intent_id, "payer")})
    assert all(verdict.admitted for verdict in verdicts.values())


def test_an_intent_that_was_counted_is_still_asked_by_a_rule_that_is_new() -> None:
    rules = [rule(max_count=1), rule("phone", max_count=1)]
    both = Usage("0x1", TEN, payer="p-1", phone="254712345678")
    verdict = judge([both], rules, {(1, "254712345678"): Used(1, 0)}, counted={("0x1", "payer")})["0x1"]
    assert verdict.code == "velocity_phone_count"


SUBJECTS = st.sampled_from(["a", "b", None])
USAGES = st.lists(st.tuples(SUBJECTS, SUBJECTS, st.integers(1, 50), st.sampled_from(["KES", "USD"])), max_size=30).map(
    lambda rows: [
        Usage(f"0x{n}", Money(currency, minor), payer=payer, phone=phone and {"a": "1", "b": "2"}[phone])
        for n, (payer, phone, minor, currency) in enumerate(rows)
    ]
)


@st.composite
def any_rule(draw: st.DrawFn) -> VelocityRule:
    return rule(
        draw(st.sampled_from(["payer", "phone"])),
        max_count=draw(st.integers(1, 8)),
        max_amount=draw(st.integers(1, 120)),
        currency=draw(st.sampled_from(["KES", "USD"])),
        action=draw(st.sampled_from(["hold", "refuse"])),
    )


RULES = st.lists(any_rule(), min_size=1, max_size=4)


@given(USAGES, RULES)
def test_no_window_is_ever_overdrawn_and_nobody_is_refused_while_there_is_room(
    usages: list[Usage], rules: list[VelocityRule]
) -> None:
    verdicts = judge(usages, rules, {})
    for place, usage_ in enumerate(usages):
        before = [u for u in usages[:place] if verdicts[u.intent_id].admitted]
        fits = all(_room(r, usage_, before) for r in rules)
        assert verdicts[usage_.intent_id].admitted == fits


def _room(of: VelocityRule, asked: Usage, before: list[Usage]) -> bool:
    subject = subject_of(of, asked)
    if subject is None:
        return True
    mine = [u for u in before if subject_of(of, u) == subject]
    total = sum(u.paid.minor for u in mine) + asked.paid.minor
    return len(mine) + 1 <= (of.max_count or 0) and total <= (of.max_amount or 0)


@given(USAGES, RULES)
def test_judging_changes_nothing_that_it_was_given(usages: list[Usage], rules: list[VelocityRule]) -> None:
    gauges = {(place, "a"): Used(1, 1) for place in range(len(rules))}
    assert judge(usages, rules, gauges) == judge(usages, rules, gauges)
    assert set(map(repr, gauges.values())) == {repr(Used(1, 1))}
