"""The words of organisations under one English word each: "nauchno-issledovatelskii institut", "NII" and "research
institute" are one. The data is in words.toml; names of persons are never brought here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from fiatrails.screening.matching.phonetics import fold
from fiatrails.screening.matching.words import (
    ABBREVIATIONS,
    ENDINGS,
    LONGEST_PHRASE,
    PHRASES,
    SHORTEST_STEM,
    STANDS_FOR,
    STEMS,
)

# "uralskii", "Uralskaya": of the Urals. What follows "-sk" says gender, number and case.
_OF_A_PLACE = re.compile(
    r"(.{3,}?)sk(?:ii|iy|ij|y|yi|yy|i|aya|aia|aja|oe|oye|oie|oje|ogo|ikh|ih|ie|iye|im|om|oi|oy|oj)?"
)

# Letters that other alphabets have one sign for: "Crocus" and "Krokus".
_SPELLED = {"ck": "k", "c": "k", "x": "ks", "ph": "f", "qu": "kv"}
_HARD = re.compile("ck|c(?![heiy])|x|ph|qu")

# A word, and the first letters of those as written that it stands for.
Spelled = tuple[str, str]


def translate(words: Iterable[str]) -> list[Spelled]:
    """Return each word in English, with its letters for acronyms; one that is said twice running, once."""
    return _merged(_phrases([spelled for word in words for spelled in _spelled(word)]))


@lru_cache(maxsize=65536)
def _spelled(word: str) -> tuple[Spelled, ...]:
    full = STANDS_FOR.get(word)
    if full:
        return ((full[0], word), *((other, "") for other in full[1:]))
    return ((_english(word), "k" if word[0] == "c" else word[0]),)


def _english(word: str) -> str:
    if word.isdigit():
        return word
    return ABBREVIATIONS.get(word) or _by_stem(fold(word)) or _place(word)


def _by_stem(folded: str) -> str:
    """Return the word of the longest stem after which there is nothing but an ending."""
    for length in range(len(folded), SHORTEST_STEM - 1, -1):
        english = STEMS.get(folded[:length])
        if english and folded[length:] in ENDINGS:
            return english
    return ""


def _place(word: str) -> str:
    """Return the place of an adjective: volgogradskaya -> volgograd, novosibirsk -> novosibir, minskii -> minsk."""
    found = _OF_A_PLACE.fullmatch(word)
    if not found:
        return _HARD.sub(lambda letters: _SPELLED[letters[0]], word) if len(word) > 3 else word
    return found[1] if len(found[1]) > 3 else f"{found[1]}sk"


def _phrases(words: Sequence[Spelled]) -> list[Spelled]:
    result: list[Spelled] = []
    at = 0
    while at < len(words):
        short, length = _phrase_at(words, at)
        letters = "".join(letters for _, letters in words[at : at + length])
        result += [(word, "" if number else letters) for number, word in enumerate(short)]
        at += length
    return result


def _phrase_at(words: Sequence[Spelled], at: int) -> tuple[tuple[str, ...], int]:
    for length in range(min(LONGEST_PHRASE, len(words) - at), 1, -1):
        short = PHRASES.get(tuple(word for word, _ in words[at : at + length]))
        if short:
            return short, length
    return (words[at][0],), 1


def _merged(words: Iterable[Spelled]) -> list[Spelled]:
    result: list[Spelled] = []
    for word, letters in words:
        if result and result[-1][0] == word:
            result[-1] = (word, result[-1][1] + letters)
        else:
            result.append((word, letters))
    return result
