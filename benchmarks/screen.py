"""Screening: names a second over a whole list, and how well it decides. No services: one process, one core."""

from __future__ import annotations

import gzip
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
from faker import Faker
from rapidfuzz import fuzz, process

from benchmarks.figures import Figure, figure, median_of, percentile
from benchmarks.organisations import ordinary_organisations
from fiatrails.screening.entities import EntityType
from fiatrails.screening.lists.formats import read_list
from fiatrails.screening.matching.evaluation import Split, alert_rate, hold_out_aliases
from fiatrails.screening.matching.screening import Band, Party, ScreeningList, screen

DATA = Path(__file__).parent / "data" / "ofac"
GOAL_PER_S, GOAL_P99_MS, GOAL_BUILD_S, GOAL_RECALL, GOAL_ALERTS = 1_000, 20, 5, 0.95, 0.005
QUERIES, REPEATS, FLOOR_QUERIES = 3_000, 3, 300
# Where payers of a rail such as this come from; each locale's share of the ordinary names.
LOCALES = {
    "en_US": 4_000,
    "en_KE": 1_000,
    "sw": 1_500,
    "en_GB": 1_500,
    "en_IN": 1_500,
    "es_MX": 1_000,
    "fr_FR": 1_000,
    "de_DE": 1_000,
    "pt_BR": 800,
    "id_ID": 700,
    "yo_NG": 500,
    "ha_NG": 500,
    "ig_NG": 500,
    "it_IT": 500,
    "tr_TR": 500,
    "ru_RU": 500,
    "pl_PL": 400,
    "zu_ZA": 300,
    "ar_EG": 300,
    "zh_CN": 300,
    "ko_KR": 300,
}


def measure() -> tuple[list[Figure], list[str]]:
    """Measure all figures of the group."""
    parsed = read_list(_files())
    before = _rss_mb()
    builds: list[float] = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        against = ScreeningList(parsed.entities, digest=parsed.digest)
        builds.append(time.perf_counter() - started)
    held_mb = _rss_mb() - before
    ordinary = ordinary_names()
    figures = [
        figure("screen.index_s", builds, "s", GOAL_BUILD_S),
        figure("screen.resident_mb", [held_mb], "MB", 512),
        *_speed(against, ordinary),
        *_accuracy(against, ordinary),
    ]
    notes = [
        f"{len(against.index.entities):,} entities, {len(against.index.names):,} names, one core",
        "limit of names_per_s: rapidfuzz cdist(token_sort_ratio) of queries against the same names, one core",
        "limits of the other figures are the goals; recall and alerts on the half that no weight was fitted on",
    ]
    return figures, notes


def listed() -> ScreeningList:
    """Return the whole list."""
    parsed = read_list(_files())
    return ScreeningList(parsed.entities, digest=parsed.digest)


def _files() -> dict[str, bytes]:
    return {path.name.removesuffix(".gz"): gzip.decompress(path.read_bytes()) for path in sorted(DATA.glob("*.gz"))}


def ordinary_names() -> list[str]:
    """Return first and last names as they come in each locale; the same in every run."""
    names: dict[str, None] = {}
    for number, (locale, count) in enumerate(LOCALES.items()):
        fake = Faker(locale)
        fake.seed_instance(7_000 + number)
        names |= dict.fromkeys(f"{fake.first_name()} {fake.last_name()}" for _ in range(count))
    return list(names)


def _speed(against: ScreeningList, ordinary: Sequence[str]) -> list[Figure]:
    """Ordinary names and listed ones in turn: listed ones take longer, and attackers send them. No name is asked twice;
    the first round is not counted, for a process that serves has seen names before."""
    listed = [name.name.text for name in against.index.names]
    rounds = [_queries(number, ordinary, listed) for number in range(REPEATS + 1)]
    seconds: list[float] = []

    def once(queries: Sequence[str]) -> float:
        started = time.perf_counter()
        for query in queries:
            asked = time.perf_counter()
            screen(Party(query), against)
            seconds.append(time.perf_counter() - asked)
        return len(queries) / (time.perf_counter() - started)

    rates = [once(queries) for queries in rounds][1:]
    _cdist(rounds[0][:1], listed)  # the first call imports numpy
    floor = statistics.median(median_of(REPEATS, lambda: _cdist(rounds[0][:FLOOR_QUERIES], listed)))
    p99 = percentile(seconds, 0.99) * 1_000
    return [
        figure("screen.names_per_s", rates, "1/s", floor),
        figure("screen.names_per_s_goal", rates, "1/s", GOAL_PER_S),
        figure("screen.p99_ms", [p99], "ms", GOAL_P99_MS),
    ]


def _queries(round: int, ordinary: Sequence[str], listed: Sequence[str]) -> list[str]:
    """Those of one round, spread over all locales and all of the list."""
    step = QUERIES // 2
    ours = ordinary[round :: len(ordinary) // step][:step]
    theirs = listed[round :: len(listed) // step][:step]
    return [name for pair in zip(ours, theirs, strict=True) for name in pair]


def _cdist(queries: Sequence[str], listed: Sequence[str]) -> float:
    started = time.perf_counter()
    process.cdist(queries, listed, scorer=fuzz.token_sort_ratio, workers=1)
    return len(queries) / (time.perf_counter() - started)


def _accuracy(against: ScreeningList, ordinary: Sequence[str]) -> list[Figure]:
    aliases = hold_out_aliases(against, split=Split.REPORT)
    asked = {
        "": (ordinary, EntityType.PERSON),
        ".organization": (ordinary_organisations(), EntityType.ORGANIZATION),
        ".untyped": (ordinary, None),
    }
    figures = [
        figure(f"screen.alias_recall{'' if name == 'all' else '.' + name}", [share.value], "share", GOAL_RECALL)
        for name in ("all", "person", "organization")
        if (share := aliases.share(name)).total
    ]
    return [
        *figures,
        *(
            figure(f"screen.alert_rate{name}", [alerts.share().value], "share", GOAL_ALERTS)
            for name, (names, type) in asked.items()
            for alerts, _ in [alert_rate(names, against=against, type=type, split=Split.REPORT)]
        ),
        figure("screen.wallet_recall", [_wallet_recall(against)], "share", 1),
    ]


def _wallet_recall(against: ScreeningList) -> float:
    listed = [wallet.address for entity in against.index.entities for wallet in entity.wallets]
    found = sum(screen(Party(wallets=(address,)), against).band is Band.BLOCK for address in listed)
    return found / len(listed)


def _rss_mb() -> float:
    return float(psutil.Process().memory_info().rss) / 1e6
