"""The face of the parsers: which file is which, one list out of several files, and its digest."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from fiatrails.kernel.errors import BadInput
from fiatrails.screening.entities import ListedEntity
from fiatrails.screening.lists.formats.csv_files import File, FileKind, read_set
from fiatrails.screening.lists.formats.sdn_xml import read_xml

SDN, CONSOLIDATED = "SDN", "CONS"
_CSV = {
    "sdn.csv": (SDN, FileKind.MAIN),
    "alt.csv": (SDN, FileKind.NAMES),
    "add.csv": (SDN, FileKind.ADDRESSES),
    "sdn_comments.csv": (SDN, FileKind.COMMENTS),
    "cons_prim.csv": (CONSOLIDATED, FileKind.MAIN),
    "cons_alt.csv": (CONSOLIDATED, FileKind.NAMES),
    "cons_add.csv": (CONSOLIDATED, FileKind.ADDRESSES),
    "cons_comments.csv": (CONSOLIDATED, FileKind.COMMENTS),
}
_XML = {"sdn.xml": SDN, "consolidated.xml": CONSOLIDATED}
_MAIN = {SDN: "sdn.csv", CONSOLIDATED: "cons_prim.csv"}


@dataclass(frozen=True, slots=True)
class ParsedList:
    """A list as read. `published` is the day that the files state (only the XML does); `warnings` are sentences for an
    operator; `digest` is sha256 over the sorted names and contents, in hex; `cut_remarks` counts remarks whose rest is
    missing."""

    entities: tuple[ListedEntity, ...]
    published: date | None
    warnings: tuple[str, ...]
    digest: str
    cut_remarks: int = 0

    @property
    def name_count(self) -> int:
        """Return names of all kinds."""
        return sum(len(entity.names) for entity in self.entities)

    @property
    def wallet_count(self) -> int:
        """Return the number of different wallets."""
        return len({wallet for entity in self.entities for wallet in entity.wallets})


@dataclass(frozen=True, slots=True)
class _ReadList:
    """One of the lists, from either format."""

    entities: list[ListedEntity]
    warnings: list[str]
    published: date | None = None
    cut: int = 0


def plain_name(name: str) -> str:
    """Return the name that a file is known by, from its path or URL: "/x/SDN.CSV" -> "sdn.csv"."""
    return name.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1].casefold()


def is_list_file(name: str) -> bool:
    """Return whether a file of this name is one that `read_list` knows."""
    return plain_name(name) in _CSV or plain_name(name) in _XML


def read_list(files: Mapping[str, bytes]) -> ParsedList:
    """Read the list from files by name (case and directories do not matter). The SDN and the consolidated list may come
    together, each as CSV or as XML. BadInput names the file, the line and what to do."""
    known = _known(files)
    lists = [*_csv_lists(known), *(_xml_list(name, data) for name, data in known.items() if name in _XML)]
    return ParsedList(
        entities=tuple(entity for one in lists for entity in one.entities),
        published=min((one.published for one in lists if one.published is not None), default=None),
        warnings=tuple(warning for one in lists for warning in one.warnings),
        digest=digest_of(known),
        cut_remarks=sum(one.cut for one in lists),
    )


def digest_of(files: Mapping[str, bytes]) -> str:
    """Return the sha256 in hex over names and contents; each with its length, so that nothing moves from one to the
    next."""
    digest = hashlib.sha256()
    for name, data in sorted((plain_name(name), data) for name, data in files.items()):
        digest.update(f"{len(name)}:{name}{len(data)}:".encode())
        digest.update(data)
    return digest.hexdigest()


def _known(files: Mapping[str, bytes]) -> dict[str, bytes]:
    known: dict[str, bytes] = {}
    for name, data in files.items():
        plain = plain_name(name)
        if not is_list_file(plain):
            raise BadInput("unknown_list_file", f"{plain[:64]!r} is no file of a list; known: {', '.join(_names())}")
        if plain in known:
            raise BadInput("list_file_twice", f"{plain} is given twice; give it once")
        known[plain] = data
    if not known:
        raise BadInput("no_list_file", f"no file of a list was given; known: {', '.join(_names())}")
    return known


def _names() -> list[str]:
    return [*_CSV, *_XML]


def _csv_lists(known: Mapping[str, bytes]) -> list[_ReadList]:
    parts: dict[str, dict[FileKind, File]] = defaultdict(dict)
    for name, data in known.items():
        if name in _CSV:
            source, part = _CSV[name]
            parts[source][part] = File(name, data)
    return [_csv_list(source, files, known) for source, files in parts.items()]


def _csv_list(source: str, files: Mapping[FileKind, File], known: Mapping[str, bytes]) -> _ReadList:
    given = ", ".join(file.name for file in files.values())
    if FileKind.MAIN not in files:
        raise BadInput("list_incomplete", f"{given} is given without {_MAIN[source]}, which they belong to; add it")
    if any(_XML.get(name) == source for name in known):
        raise BadInput("list_twice", f"{given} and the XML are the same list; give the CSV files or the XML")
    found = read_set(source, files)
    return _ReadList([entry.entity() for entry in found.entries.values()], found.warnings, cut=found.cut)


def _xml_list(name: str, data: bytes) -> _ReadList:
    found = read_xml(_XML[name], name, data)
    return _ReadList(found.entities, found.warnings, found.published)
