"""OFAC's remarks: a sentence of items between semicolons, in which most of what identifies somebody stands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from fiatrails.screening.entities import DateRange, Identifier, Wallet
from fiatrails.screening.lists.formats.countries import alpha2
from fiatrails.screening.lists.formats.dates import read_date
from fiatrails.screening.lists.formats.identifiers import read_identifier

# sdn.csv cuts remarks here, in the middle of a word if need be, and the comments file goes on.
CUT_AT = 1_000
_WALLET_LABEL = "Digital Currency Address - "
_SHORTEST_TAIL = 5
# A quoted alias ends at the quotation mark after which the item ends, because apostrophes and semicolons occur inside
# ("a.k.a. 'ABU 'UMAR'"). One that is never closed ends before the next alias.
_ITEM = re.compile(
    r"\s*((?:alt\.\s+)?[afn]\.k\.a\.\s+'(?:(?!;\s*[afn]\.k\.a\.\s+').)*?'(?=[\s.]*(?:;|$))[\s.]*|[^;]*)(?:;|$)",
    re.DOTALL | re.IGNORECASE,
)
_WEAK = re.compile(r"[afn]\.k\.a\.\s+'(?P<name>.*)'", re.DOTALL | re.IGNORECASE)
# Looked for in the whole text and not item by item: no slip in the rest may lose an address.
_WALLET = re.compile(
    r"Digital\s+Currency\s+Address\s*[-\u2013\u2014:]\s*(?P<asset>[^\s;]+)\s+(?P<address>[^\s;]+)", re.IGNORECASE
)
_ALT = re.compile(r"alt\.\s+", re.IGNORECASE)
_LABELLED = re.compile(
    r"(?P<label>DOB|POB|nationality of registration|nationality|citizen|gender)\b:?\s+(?P<value>\S.*)",
    re.DOTALL | re.IGNORECASE,
)


@dataclass(slots=True)
class Remarks:
    """What the remarks say, in the order of the text. `nationalities` are ISO alpha-2 and include citizenship; `gender`
    is "male", "female" or ""."""

    births: list[DateRange] = field(default_factory=list)
    birth_places: list[str] = field(default_factory=list)
    nationalities: list[str] = field(default_factory=list)
    identifiers: list[Identifier] = field(default_factory=list)
    wallets: list[Wallet] = field(default_factory=list)
    weak_names: list[str] = field(default_factory=list)
    gender: str = ""


def joined(remarks: str, continued: str) -> str:
    """Return the whole remarks. What was cut goes on without a separator, in the middle of a word; blanks that somebody
    stripped from the cut end are put back. Remarks that were not cut belong to another edition of the list than the
    comments: then the two are kept apart, so that no item grows together from both."""
    if not continued or not remarks:
        return remarks + continued
    if len(remarks) >= CUT_AT - 2:
        return remarks.ljust(CUT_AT) + continued
    return f"{remarks}; {continued}" if remarks.rstrip().endswith(".") else remarks + continued


def with_whole_label(continued: str) -> str:
    """Complete the label of a wallet at the start of comments whose entry is not in the main file: they begin inside a
    word, and the address behind the label is whole."""
    for start in range(1, len(_WALLET_LABEL) - _SHORTEST_TAIL):
        if continued.startswith(_WALLET_LABEL[start:]):
            return _WALLET_LABEL[:start] + continued
    return continued


def read_remarks(text: str) -> Remarks:
    """Read the remarks. Never raises: what is not understood stays in the text."""
    found = Remarks(wallets=list(_wallets(text)))
    for item in items(text):
        _read_item(found, item)
    return found


def items(text: str) -> Iterator[str]:
    """Yield the items without "alt." and without the full stop of the last."""
    for match in _ITEM.finditer(text):
        item = _ALT.sub("", match[1].strip(), count=1) if match[1][:4].lower() == "alt." else match[1].strip()
        if item:
            yield item


def country_codes(names: Iterable[str]) -> list[str]:
    """Return the ISO alpha-2 codes of the names that are known."""
    return [code for code in map(alpha2, names) if code]


def _wallets(text: str) -> Iterator[Wallet]:
    for match in _WALLET.finditer(text):
        address = match["address"].rstrip(".,'\")")
        if address:
            yield Wallet(match["asset"].upper(), address)


def _read_item(found: Remarks, item: str) -> None:
    if (weak := _WEAK.fullmatch(item.rstrip(" ."))) is not None:
        if name := " ".join(weak["name"].split()):
            found.weak_names.append(name)
    elif (labelled := _LABELLED.fullmatch(item)) is not None:
        _read_labelled(found, labelled["label"].lower(), labelled["value"].rstrip(" ."))
    elif not item.startswith("Digital Currency") and (identifier := read_identifier(item)) is not None:
        found.identifiers.append(identifier)


def _read_labelled(found: Remarks, label: str, value: str) -> None:
    if label == "dob":
        found.births += filter(None, [read_date(value)])
    elif label == "pob":
        found.birth_places += filter(None, [value])
    elif label == "gender":
        found.gender = value.lower()
    else:
        found.nationalities += country_codes([value])
