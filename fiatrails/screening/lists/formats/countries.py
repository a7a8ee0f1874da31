"""Country names as OFAC writes them -> ISO 3166-1 alpha-2."""

from __future__ import annotations

import re
from functools import cache, lru_cache

import pycountry

# What is said before the name of a country and is not part of it.
_PREFIX = re.compile(r"(?:region:|possibly|former(?:ly)?)\s+", re.IGNORECASE)
# Names that ISO does not have, and places that belong to a country. Kosovo's code is the one that is used for it.
_ALIASES = {
    "bahamas": "BS",
    "bosnia": "BA",
    "british virgin islands": "VG",
    "brunei": "BN",
    "burma": "MM",
    "cape verde": "CV",
    "congo, democratic republic of the": "CD",
    "congo, republic of the": "CG",
    "cote d ivoire": "CI",
    "crimea": "UA",
    "czech republic": "CZ",
    "democratic republic of the congo": "CD",
    "donetsk": "UA",
    "east timor": "TL",
    "gaza": "PS",
    "gaza strip": "PS",
    "great britain": "GB",
    "holy see": "VA",
    "ivory coast": "CI",
    "kafia kingi": "SD",
    "korea, north": "KP",
    "korea, south": "KR",
    "kosovo": "XK",
    "laos": "LA",
    "luhansk": "UA",
    "macau": "MO",
    "macedonia": "MK",
    "man, isle of": "IM",
    "micronesia": "FM",
    "netherlands antilles": "CW",
    "north korea": "KP",
    "north macedonia, the republic of": "MK",
    "northern mali": "ML",
    "palestinian": "PS",
    "palestinian authority": "PS",
    "palestinian territories": "PS",
    "reunion": "RE",
    "russia": "RU",
    "south korea": "KR",
    "st. kitts & nevis": "KN",
    "swaziland": "SZ",
    "syria": "SY",
    "the gambia": "GM",
    "turkey": "TR",
    "u.k.": "GB",
    "u.s.": "US",
    "u.s.a.": "US",
    "vatican city": "VA",
    "virgin islands, british": "VG",
    "virgin islands, u.s.": "VI",
    "west bank": "PS",
    "zaire": "CD",
}


@lru_cache(maxsize=4_096)
def alpha2(name: str) -> str:
    """Return the code of a country: "Korea, North" -> "KP", "Region: Crimea" -> "UA"; "" for "undetermined", for
    regions of several countries, and for every name that is not known."""
    plain = _key(_PREFIX.sub("", name.strip(), count=1))
    known = _known()
    return known.get(plain) or known.get(plain.removesuffix(", the").removeprefix("the ")) or ""


def _key(name: str) -> str:
    text = " ".join(name.replace("\u2019", "'").split()).casefold()
    return re.sub(r"\bst\. ", "saint ", text) if text not in _ALIASES else text


@cache
def _known() -> dict[str, str]:
    """Return every spelling of the ISO table, and the aliases above, which win."""
    spellings = {
        _key(getattr(country, field)): country.alpha_2
        for country in pycountry.countries
        for field in ("name", "common_name", "official_name", "alpha_3")
        if hasattr(country, field)
    }
    return {**spellings, **_ALIASES}
