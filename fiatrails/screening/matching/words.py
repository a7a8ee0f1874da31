"""Words that say little about whose name it is: legal forms, titles, particles, numbers. The data is in words.toml."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from itertools import product

from fiatrails.screening.matching.phonetics import fold

_DATA = tomllib.loads(files(__package__).joinpath("words.toml").read_text(encoding="utf-8"))

PARTICLES = frozenset(_DATA["particles"].split())
SMALL_WORDS = frozenset(_DATA["small_words"].split())
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
# The first letters of a word with which any of them may begin.
FORM_STARTS = frozenset(prefix[:3] for _, words in FORM_PREFIXES for prefix in words[0])

# The English words themselves stay what they are, whatever stem they begin with.
ABBREVIATIONS: dict[str, str] = {
    **{english: english for english in (*_DATA["same"], *_DATA["stems"], *_DATA["generic"].split())},
    **{word: english for english, words in _DATA["same"].items() for word in words.split()},
}
STANDS_FOR: dict[str, tuple[str, ...]] = {word: tuple(full.split()) for word, full in _DATA["stands_for"].items()}
STEMS: dict[str, str] = {fold(stem): english for english, stems in _DATA["stems"].items() for stem in stems.split()}
SHORTEST_STEM = min(map(len, STEMS))
ENDINGS = frozenset(map("".join, product(("", *_DATA["infixes"].split()), ("", *_DATA["endings"].split()))))
PHRASES: dict[tuple[str, ...], tuple[str, ...]] = {
    tuple(phrase.split()): tuple(short.split()) for short, phrases in _DATA["phrases"].items() for phrase in phrases
}
LONGEST_PHRASE = max(map(len, PHRASES))
GENERIC = frozenset({*_DATA["same"], *_DATA["stems"], *_DATA["generic"].split()}) - set(_DATA["specific"].split())

NUMBERS: dict[str, int] = {
    **{word: value for value, word in enumerate(_DATA["units"].split())},
    **{word: 10 * value for value, word in enumerate(_DATA["tens"].split(), 2)},
    **{word: value for value, word in enumerate(_DATA["ordinals"].split(), 1)},
}
