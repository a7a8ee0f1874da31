"""From a name as written to tokens that can be compared: one alphabet, one spelling of numbers, legal forms apart.

Pure and total: any string gives an answer, in time bounded by `MAX_CHARACTERS`.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from functools import lru_cache

from anyascii import anyascii

from fiatrails.screening.entities import EntityType
from fiatrails.screening.matching.english import translate
from fiatrails.screening.matching.words import (
    ARTICLES,
    FORM_PREFIXES,
    FORM_STARTS,
    FORMS,
    LONGEST_FORM,
    NUMBERS,
    PARTICLES,
    SERVANTS,
    SMALL_WORDS,
    TITLES,
    VESSEL_PREFIXES,
)

# No listed name is near either; a longer text is no name, and is said to be none.
MAX_CHARACTERS = 500
MAX_TOKENS = 40

# Apostrophes and quotation marks of any shape; they come and go in romanised names.
_MARKS = "'`\"\u00b4\u2018\u2019\u02bb\u02bc\u02bd\u02be\u02bf\u2032\u201c\u201d\u201e\u00ab\u00bb"
_APOSTROPHES = dict.fromkeys(map(ord, _MARKS))
_DOTTED = re.compile(r"\b(?:[a-z]\.\s?){2,}(?:[a-z]\b)?")
_WORD = re.compile(r"[a-z0-9]+")
_EAST_ASIAN = re.compile("[\u3400-\u9fff\uac00-\ud7a3]+")
_LATIN_MARKS = frozenset(map(chr, range(0x0300, 0x0370)))
_ORDINAL = re.compile(r"(\d+)(?:st|nd|rd|th)")
_DIGITS = frozenset("123456789")
# abdulaziz and abdelaziz, and not abdullah.
_JOINED_SERVANT = re.compile(r"^abd[aeou]+[lr](?!l?ah?$)([a-z]{3,})$")
_LEET = str.maketrans("0123456789", "oizeasgtbg")


@dataclass(frozen=True, slots=True)
class Name:
    """A name ready to be compared. `tokens` carry its identity; `minor` are particles and titles, `forms` legal forms.
    A name that is nothing but such words keeps them all as tokens. `problem` says why it cannot be screened.

    What is no person is compared by `things`, its words in English; `initials` are their first letters as written,
    `initial_of` the word of each: its number in `things`, or -1 for a legal form."""

    text: str
    tokens: tuple[str, ...]
    minor: tuple[str, ...] = ()
    forms: tuple[str, ...] = ()
    east_asian: bool = False
    problem: str = ""
    things: tuple[str, ...] = ()
    initials: str = ""
    initial_of: tuple[int, ...] = ()

    def words(self, type: EntityType) -> tuple[str, ...]:
        """Return what is compared with a listed name of this type."""
        return self.tokens if type is EntityType.PERSON else self.things


@lru_cache(maxsize=4096)
def parse(text: str, type: EntityType | None = None) -> Name:
    """Return the comparable form of a name. `type` None: it may be anything."""
    if len(text) > MAX_CHARACTERS:
        return Name(text, (), problem=f"longer than {MAX_CHARACTERS} characters")
    words = split(_given_first(text) if type is EntityType.PERSON else text)
    if not words:
        return Name(text, (), problem="no letter or digit in it")
    if len(words) > MAX_TOKENS:
        return Name(text, (), problem=f"more than {MAX_TOKENS} words")
    return _classify(text, words, type)


def _given_first(text: str) -> str:
    """Put the given name first: "YAN, Xiaobing" -> "Xiaobing YAN". Lists put the family name first, payers last."""
    family, comma, given = text.partition(",")
    return f"{given} {family}" if comma else text


def split(text: str) -> list[str]:
    """Return lower-case ASCII words: "Фу'ад S.A." -> [fuad, sa]."""
    plain = romanise(text).lower().replace("&", " and ").replace("/", " ")
    plain = _DOTTED.sub(lambda match: re.sub(r"[.\s]", "", match[0]) + " ", plain)
    return _WORD.findall(plain)


def romanise(text: str) -> str:
    """Return latin letters of whatever script, without marks. Personal names in ideographs come out as family and given
    name: "毛泽东" -> "Mao ZeDong"."""
    text = unicodedata.normalize("NFKC", text).translate(_APOSTROPHES)
    if text.isascii():
        return text
    text = _EAST_ASIAN.sub(_family_first, text)
    marks_off = (c for c in unicodedata.normalize("NFD", text) if c not in _LATIN_MARKS)
    return "".join(map(_romanise_character, unicodedata.normalize("NFC", "".join(marks_off))))


def _family_first(match: re.Match[str]) -> str:
    """Split a name in ideographs: of two to four characters the first is the family's; more are a foreign name spelled
    in syllables."""
    word = match[0]
    return f" {word[0]} {word[1:]} " if 2 <= len(word) <= 4 else f" {word} "


def _romanise_character(character: str) -> str:
    if character.isascii():
        return character
    return anyascii(character).translate(_APOSTROPHES) if unicodedata.category(character)[0] in "LMN" else " "


def _classify(text: str, words: list[str], type: EntityType | None) -> Name:
    words = _join_servants(_numbers(words))
    if type is EntityType.VESSEL and len(words) > 1 and words[0] in VESSEL_PREFIXES:
        words = words[1:]
    kept, forms = (words, []) if type is EntityType.PERSON else _without_forms(words)
    tokens, minor = _without_minor(kept, titles=type in (None, EntityType.PERSON))
    if not tokens:
        tokens, minor, forms = words, [], []
    east_asian = _EAST_ASIAN.search(text) is not None
    name = Name(text, tuple(tokens), tuple(minor), tuple(forms), east_asian)
    if type is EntityType.PERSON:
        return name
    last = words[-1][0].replace("c", "k") if forms and len(words[-1]) > 4 and (words[-1],) in FORMS else ""
    return _in_english(name, last, tokens_too=type is not None)


def _in_english(name: Name, last: str, *, tokens_too: bool) -> Name:
    """Return the words, and their initials. What is a legal form in English ("kompaniya") says nothing here either.
    `last`: the letter of the legal form that stands at the end."""
    things: list[str] = []
    initials: list[tuple[str, int]] = []
    translated = translate([word for word in name.tokens if word not in SMALL_WORDS] or name.tokens)
    spare = all((word,) in FORMS for word, _ in translated)
    for word, letters in translated:
        form = not spare and (word,) in FORMS
        initials += [(letter, -1 if form else len(things)) for letter in letters]
        things += [] if form else [word]
    initials += [(letter, -1) for letter in last]
    return replace(
        name,
        tokens=tuple(things) if tokens_too else name.tokens,
        things=tuple(things),
        initials="".join(letter for letter, _ in initials),
        initial_of=tuple(number for _, number in initials),
    )


def _without_forms(words: list[str]) -> tuple[list[str], list[str]]:
    """Take legal forms out, the longest phrase first, wherever it stands. What would leave nothing but particles is
    left whole."""
    kept: list[str] = []
    forms: list[str] = []
    at = 0
    while at < len(words):
        form, length = _form_at(words, at)
        if length:
            forms.append(form)
        else:
            kept.append(words[at])
        at += length or 1
    if all(word in PARTICLES for word in kept):
        return words, []
    return kept, forms


def _form_at(words: list[str], at: int) -> tuple[str, int]:
    """Return the legal form that begins at this word and the number of its words; 0 when none does."""
    for form, prefixes in FORM_PREFIXES if words[at][:3] in FORM_STARTS else ():
        if len(words) - at >= len(prefixes) and all(map(str.startswith, words[at:], prefixes)):
            return form, len(prefixes)
    for length in range(min(LONGEST_FORM, len(words) - at), 0, -1):
        form = FORMS.get(tuple(words[at : at + length]), "")
        if form:
            return form, length
    return "", 0


def _without_minor(words: list[str], *, titles: bool) -> tuple[list[str], list[str]]:
    tokens = [word for word in words if word not in PARTICLES]
    minor = [word for word in words if word in PARTICLES]
    if titles and len(tokens) > 2:
        plain = [word for word in tokens if word not in TITLES]
        if len(plain) >= 2:
            minor += [word for word in tokens if word in TITLES]
            tokens = plain
    elif titles and len(tokens) == 2 and tokens[0] in TITLES:
        minor.append(tokens.pop(0))
    return tokens, minor


def _numbers(words: list[str]) -> list[str]:
    """Write numbers in digits: forty four -> 44, first and 1st -> 1."""
    result: list[str] = []
    tens_before = False
    for word in words:
        value = NUMBERS.get(word)
        digit = value if value is not None else int(word) if word in _DIGITS else 0
        if tens_before and 0 < digit < 10:
            result[-1] = str(int(result[-1]) + digit)
        else:
            result.append(str(value) if value is not None else _plain_number(word))
        tens_before = value is not None and value >= 20
    return result


def _plain_number(word: str) -> str:
    ordinal = _ORDINAL.fullmatch(word)
    return ordinal[1] if ordinal else _unleet(word)


def _unleet(word: str) -> str:
    """Read digits inside a word as letters: Sech1n. A word of mostly digits is a number."""
    if word.isalpha():
        return word
    letters = sum(character.isalpha() for character in word)
    return word.translate(_LEET) if letters >= 2 and letters > len(word) - letters else word


def _join_servants(words: list[str]) -> list[str]:
    """Join the parts of such names: abd al aziz, abdul aziz, abdulaziz -> abdaziz."""
    result: list[str] = []
    at = 0
    while at < len(words):
        word = words[at]
        if word in SERVANTS and at + 1 < len(words):
            at += 2 if words[at + 1] in ARTICLES and at + 2 < len(words) else 1
            result.append(f"abd{words[at]}")
        else:
            result.append(_JOINED_SERVANT.sub(r"abd\1", word))
        at += 1
    return result
