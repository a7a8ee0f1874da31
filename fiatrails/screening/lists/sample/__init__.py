"""A small sample of the SDN list, for developers' machines and tests. It is not a list to clear money on."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from fiatrails.screening.lists.formats.read import digest_of

NAMES = ("sdn.csv", "alt.csv", "add.csv", "sdn_comments.csv")


def sample_files() -> dict[str, bytes]:
    """Return the files by name, as `read_list` takes them."""
    return {name: (files(__name__) / name).read_bytes() for name in NAMES}


@cache
def sample_digest() -> str:
    """Return the digest of the sample as it is bundled with this version."""
    return digest_of(sample_files())


def is_sample(digest: str) -> bool:
    """Return whether a list with this digest is the sample, whoever loaded it."""
    return digest == sample_digest()
