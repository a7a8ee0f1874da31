"""The files of a list on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fiatrails.kernel.errors import BadInput
from fiatrails.screening.lists.formats import is_list_file


def read_paths(paths: Sequence[Path]) -> dict[str, bytes]:
    """Return the bytes of the files that were named, and of directories those whose names are known; BadInput when
    a directory holds none, or one cannot be read."""
    chosen = [path for path in paths if not path.is_dir()]
    for directory in (path for path in paths if path.is_dir()):
        known = sorted(path for path in directory.iterdir() if path.is_file() and is_list_file(path.name))
        if not known:
            raise BadInput("no_list_file", f"{directory} holds no file such as sdn.csv or sdn.xml; name the right one")
        chosen += known
    try:
        return {str(path): path.read_bytes() for path in chosen}
    except OSError as error:
        raise BadInput("list_unreadable", f"cannot read {error.filename}: {error.strerror}") from None
