"""Words that say little about whose name it is: legal forms, titles, particles, numbers. The data is in words.toml."""

from __future__ import annotations

import tomllib
from importlib.resources import files

_DATA = tomllib.loads(files(__package__).joinpath("words.toml").read_text(encoding="utf-8"))

PARTICLES = frozenset(_DATA["particles"].split())
TITLES = frozenset(_DATA["titles"].split())
SERVANTS = frozenset(_DATA["servants"].split())
ARTICLES = frozenset(_DATA["articles"].split())
VESSEL_PREFIXES = frozenset(_DATA["vessel_prefixes"].split())

# Phrases of one to seven words -> the form they stand for.
FORMS: dict[tuple[str, ...], str] = {
    tuple(phrase.split()): form for form, phrases in _DATA["forms"].items() for phrase in phrases
}
LONGEST_FORM = max(map(len, FORMS))
FORM_PREFIXES: tuple[tuple[str, tuple[tuple[str, ...], ...]], ...] = tuple(
    (entry["form"], tuple(map(tuple, entry["words"]))) for entry in _DATA["form_prefixes"]
)
ABBREVIATIONS: dict[str, str] = {word: english for english, words in _DATA["same"].items() for word in words.split()}

NUMBERS: dict[str, int] = {
    **{word: value for value, word in enumerate(_DATA["units"].split())},
    **{word: 10 * value for value, word in enumerate(_DATA["tens"].split(), 2)},
    **{word: value for value, word in enumerate(_DATA["ordinals"].split(), 1)},
}
