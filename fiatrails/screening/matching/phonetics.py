"""How alike two words are: by letters, and by how a word of another alphabet may have been written in ours."""

from __future__ import annotations

import re
import tomllib
from functools import lru_cache
from importlib.resources import files

from rapidfuzz.distance import OSA, JaroWinkler

# What letters are transcribed to, the longest first. Source: variants of one name in the lists themselves.
_TRANSCRIPTIONS = [
    ("tsch", "c"), ("shch", "s"), ("sch", "s"), ("tch", "c"), ("dzh", "j"), ("you", "u"), ("zh", "j"), ("dj", "j"),
    ("kh", "h"), ("gh", "g"), ("ph", "f"), ("sh", "s"), ("ch", "c"), ("th", "t"), ("dh", "d"), ("ck", "k"),
    ("ts", "c"), ("tz", "c"), ("cz", "c"), ("dz", "z"), ("ou", "u"), ("oo", "u"), ("ow", "u"), ("ew", "u"),
    ("eo", "o"), ("ae", "e"), ("ai", "e"), ("ay", "e"), ("ei", "e"), ("ey", "e"), ("iy", "i"), ("ii", "i"),
    ("yi", "i"), ("ij", "i"), ("ie", "i"), ("ia", "a"), ("ya", "a"), ("ja", "a"), ("yu", "u"), ("iu", "u"),
    ("yo", "o"), ("io", "o"), ("ye", "e"), ("ee", "i"), ("ea", "i"), ("au", "o"), ("q", "k"), ("x", "ks"), ("w", "v"),
    ("y", "i"),
]  # fmt: skip
_TABLE = dict(_TRANSCRIPTIONS)
_PATTERN = re.compile("|".join(letters for letters, _ in _TRANSCRIPTIONS))
_DOUBLED = re.compile(r"(.)\1+")
_VOWELS = str.maketrans("", "", "aeiou")
_ROUGH = str.maketrans("gbdvzj", "kptfsc")

SAME_TRANSCRIPTION = 0.97
SAME_FRAME = 0.82
INITIAL = 0.70
FLOOR = 0.70


def _transcribe(word: str) -> str:
    return _DOUBLED.sub(r"\1", _PATTERN.sub(lambda match: _TABLE[match[0]], word))


# By group: a name, and the words that are read as it.
SPELLINGS: dict[str, dict[str, str]] = tomllib.loads(
    files(__package__).joinpath("spellings.toml").read_text(encoding="utf-8")
)
# Mohd, Mehmet, Magomed -> muhamad.
_SPELLED: dict[str, str] = {
    _transcribe(other): _transcribe(name)
    for group in SPELLINGS.values()
    for name, others in group.items()
    for other in others.split()
}


@lru_cache(maxsize=65536)
def fold(word: str) -> str:
    """Return one spelling for the spellings of one word or name: yousef, yusuf, youssef -> iusuf; numbers stay."""
    if word.isdigit():
        return word
    folded = _transcribe(word)
    return _SPELLED.get(folded, folded)


@lru_cache(maxsize=65536)
def frame(word: str) -> str:
    """Return the consonants, hard and soft alike, with the first letter: what scripts without vowels keep."""
    folded = fold(word)
    bare = folded[:1] + folded[1:].translate(_VOWELS).replace("h", "")
    return bare.translate(_ROUGH)


@lru_cache(maxsize=262144)
def likeness(one: str, other: str) -> float:
    """Return how alike two words are, 0 to 1, symmetric; 0 below the floor under which two words are not one, whatever
    else agrees."""
    if one == other:
        return 1.0
    if one.isdigit() or other.isdigit():
        return 0.0
    if len(one) == 1 or len(other) == 1:
        return INITIAL if one[0] == other[0] else 0.0
    folded, against = fold(one), fold(other)
    if folded == against:
        return SAME_TRANSCRIPTION
    best = _by_edits(folded, against)
    if folded != one or against != other:
        best = max(best, _by_edits(one, other))
    if best < SAME_FRAME and _same_frame(one, other):
        best = SAME_FRAME
    return best if best >= FLOOR else 0.0


def _by_edits(one: str, other: str) -> float:
    """Return the likeness by letters. One slip in a word of six letters is worth 0.89; the shorter the word, the more a
    slip changes it."""
    longest = max(len(one), len(other))
    allowed = longest // 3
    if not allowed or abs(len(one) - len(other)) > allowed:
        return 0.0
    edits = OSA.distance(one, other, score_cutoff=allowed)
    if edits > allowed:
        return 0.0
    share = 1.0 - edits / longest
    return min(0.98, 0.5 * share + 0.5 * JaroWinkler.similarity(one, other, prefix_weight=0.1))


def _same_frame(one: str, other: str) -> bool:
    bones = frame(one)
    return len(bones) >= 3 and bones == frame(other)
