"""The CSV files of a list: the main file, alternate names, addresses, and comments that continue the remarks.

No header rows, `-0-` for empty, CRLF, a lone 0x1A as the last line. The SDN and the consolidated list have the same
columns.
"""

from __future__ import annotations

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from fiatrails.screening.entities import NameKind
from fiatrails.screening.lists.formats.builder import EntityBuilder, entity_type, name_kind
from fiatrails.screening.lists.formats.countries import alpha2
from fiatrails.screening.lists.formats.remarks import CUT_AT, joined, read_remarks, with_whole_label
from fiatrails.screening.lists.formats.rows import Malformed, require_few

END_MARK = "\x1a"
EMPTY = "-0-"
_NEXT_ROW = re.compile(r"\s*[0-9]+\s*,", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,12}", re.ASCII)
# PostgreSQL takes no NUL, and no other control character belongs into a name.
_CONTROLS = {code: None for code in range(32) if chr(code) not in "\t\n\r"}


class FileKind(StrEnum):
    """Which of the four files."""

    MAIN = "main"
    NAMES = "names"
    ADDRESSES = "addresses"
    COMMENTS = "comments"


_COLUMNS = {FileKind.MAIN: 12, FileKind.NAMES: 5, FileKind.ADDRESSES: 6, FileKind.COMMENTS: 2}
Row = list[str]


@dataclass(frozen=True, slots=True)
class File:
    """A file as given: its name is for messages."""

    name: str
    data: bytes


@dataclass(slots=True)
class ReadSet:
    """The entries of one list by number, in the order of the file; `cut` counts remarks that stop at 1,000 characters
    and are not continued."""

    entries: dict[str, EntityBuilder]
    warnings: list[str]
    cut: int = 0


def decode(data: bytes) -> str:
    """Decode UTF-8, else Windows-1252, in which every byte means something or becomes U+FFFD; never raises."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_set(source: str, files: Mapping[FileKind, File]) -> ReadSet:
    """Read one list from its files; only the main file is required. `source` is the first half of the uids. BadInput
    names the file and the line when it is not such a file."""
    rows: dict[FileKind, list[Row]] = {part: [] for part in FileKind}
    warnings: list[str] = []
    for part, file in files.items():
        rows[part], noted = _read(part, file)
        warnings += noted
    remarks, cut, unknown = _whole_remarks(rows[FileKind.MAIN], rows[FileKind.COMMENTS])
    found = ReadSet(_entries(source, rows[FileKind.MAIN], remarks), warnings, cut)
    orphans = _orphans(source, rows[FileKind.NAMES], unknown)
    found.entries.update({entry.uid: entry for entry in orphans})
    _add_names(source, rows[FileKind.NAMES], found)
    _add_addresses(source, rows[FileKind.ADDRESSES], found)
    found.warnings += _remarks_warnings(files, cut, len(unknown), len(orphans))
    return found


def _read(part: FileKind, file: File) -> tuple[list[Row], list[str]]:
    text = decode(file.data)
    rows, malformed, total = [], [], 0
    for line, record in _records(text.translate(_CONTROLS)):
        total += 1
        row = _cells(record)
        problem = _problem(row, _COLUMNS[part])
        if problem:
            malformed.append(Malformed(line, problem))
        else:
            rows.append(row)
    warnings = require_few(file.name, total, malformed)
    if total and END_MARK not in text[-4:]:
        warnings.append(f"{file.name} does not end with OFAC's end mark (0x1A): see whether it is complete")
    return rows, warnings


def _records(text: str) -> Iterator[tuple[int, str]]:
    """Yield line numbers and rows. A line with an open quotation mark goes on, unless the next one begins as a row
    does: so a missing quotation mark spoils one row and not the rest of the file."""
    pending: list[str] = []
    begun = 0
    for number, line in enumerate(text.split("\n"), start=1):
        odd = line.count('"') % 2 == 1
        if pending and _NEXT_ROW.match(line):
            yield begun, "\n".join(pending)
            pending = []
        if pending or odd:
            begun = begun if pending else number
            pending.append(line)
            if len(pending) == 1 or not odd:
                continue
            yield begun, "\n".join(pending)
            pending = []
        elif line.strip():
            yield number, line
    if pending:
        yield begun, "\n".join(pending)


def _cells(record: str) -> Row:
    try:
        row = next(csv.reader([record]), [])
    except csv.Error:
        return []
    if row:
        row[0] = row[0].strip()
    return ["" if cell.strip() == EMPTY else cell for cell in row]


def _problem(row: Row, columns: int) -> str:
    if len(row) != columns:
        return f"{len(row)} columns where {columns} are expected" if row else "not a CSV row"
    if not _NUMBER.fullmatch(row[0]):
        return f"{row[0][:20]!r} is no entry number"
    if not row[1].strip() and columns == _COLUMNS[FileKind.MAIN]:
        return "no name"
    return ""


def _whole_remarks(main: list[Row], comments: list[Row]) -> tuple[dict[str, str], int, dict[str, str]]:
    """Return remarks by entry number, how many stay cut, and the comments of entries that are not in the main file."""
    continued: dict[str, str] = defaultdict(str)
    for number, text in comments:
        continued[number] += text
    remarks: dict[str, str] = {}
    cut = 0
    for row in main:
        more = continued.pop(row[0], "")
        cut += len(row[11]) >= CUT_AT and not more
        remarks[row[0]] = joined(row[11], more)
    return remarks, cut, dict(continued)


def _entries(source: str, main: list[Row], remarks: Mapping[str, str]) -> dict[str, EntityBuilder]:
    entries: dict[str, EntityBuilder] = {}
    for row in main:
        uid = f"{source}:{row[0]}"
        if uid in entries:
            entries[uid].add_name(_text(row[1]), NameKind.AKA)
        else:
            entries[uid] = _entry(uid, row, remarks[row[0]])
    return entries


def _entry(uid: str, row: Row, remarks: str) -> EntityBuilder:
    entry = EntityBuilder(uid, entity_type(row[2]), {_text(row[1]): NameKind.PRIMARY}, title=_text(row[4]))
    entry.programs = [program for part in row[3].split("]") if (program := part.strip(" []"))]
    entry.add_flag(row[9])
    entry.add_call_sign(_text(row[5]))
    entry.add_remarks(remarks, read_remarks(remarks))
    return entry


def _orphans(source: str, names: list[Row], unknown: Mapping[str, str]) -> list[EntityBuilder]:
    """Build the entries that only the comments know, as when the files are of different days: kept for what is decided
    on without a name, which is wallets. Without an alternate name they carry their number, which nobody is called."""
    entries = []
    for number, text in unknown.items():
        whole = with_whole_label(text)
        said = read_remarks(whole)
        if said.wallets:
            called = (name for row in names if row[0] == number and (name := _text(row[3])))
            person = said.births or said.gender or any(found.kind == "passport" for found in said.identifiers)
            kind = entity_type("individual" if person else "")
            entry = EntityBuilder(f"{source}:{number}", kind, {next(called, number): NameKind.PRIMARY})
            entry.add_remarks(whole, said)
            entries.append(entry)
    return entries


def _add_names(source: str, names: list[Row], found: ReadSet) -> None:
    unknown: Counter[str] = Counter()
    for number, _, kind, name, _ in names:
        entry = found.entries.get(f"{source}:{number}")
        if entry is None:
            unknown[number] += 1
        else:
            entry.add_name(_text(name), name_kind(kind))
    if unknown:
        total = sum(unknown.values())
        found.warnings.append(f"{total} alternate names belong to {len(unknown)} entries that the list does not have")


def _add_addresses(source: str, addresses: list[Row], found: ReadSet) -> None:
    unknown = 0
    for row in addresses:
        entry = found.entries.get(f"{source}:{row[0]}")
        if entry is None:
            unknown += 1
        elif code := alpha2(row[4]):
            entry.countries.append(code)
    if unknown:
        found.warnings.append(f"{unknown} addresses belong to entries that the list does not have")


def _remarks_warnings(files: Mapping[FileKind, File], cut: int, unknown: int, kept: int) -> list[str]:
    warnings = []
    if cut:
        main = files[FileKind.MAIN].name
        warnings.append(
            f"{main}: {cut} remarks stop at {CUT_AT} characters and nothing continues them; wallets may be missing: "
            "give the comments file of the same day as well"
        )
    if unknown:
        warnings.append(
            f"{unknown} comments belong to entries that the list does not have; {kept} hold wallets and are kept"
        )
    return warnings


def _text(cell: str) -> str:
    return " ".join(cell.split())
