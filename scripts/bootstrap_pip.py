"""A pip that runs, also where Python came without one: from ensurepip, the configured index, or Debian's package."""

import hashlib
import html.parser
import importlib.util
import os
import re
import shutil
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from bootstrap_tools import HINTS, REQUIREMENTS, TOOLS, BootstrapError, run


def pip_command() -> list[str]:
    """Return the command of a pip that runs: the interpreter's own, or a wheel of it (a wheel can be run in place)."""
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    for wheel in (bundled_pip(), *sorted((TOOLS / "pip").glob("pip-*.whl"))):
        if wheel is not None:
            return [sys.executable, str(wheel / "pip")]
    return [sys.executable, str(fetch_pip() / "pip")]


def bundled_pip() -> Path | None:
    """Return the wheel that ensurepip would install; Debian keeps it elsewhere."""
    places = [Path("/usr/share/python-wheels")]
    spec = importlib.util.find_spec("ensurepip")
    if spec is not None and spec.origin is not None:
        places.insert(0, Path(spec.origin).parent / "_bundled")
    return next((wheel for place in places for wheel in place.glob("pip-*.whl")), None)


def fetch_pip() -> Path:
    """pip's wheel from the configured index, else from Debian's package of it."""
    TOOLS.joinpath("pip").mkdir(parents=True, exist_ok=True)
    index = os.environ.get("PIP_INDEX_URL") or os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("UV_INDEX_URL")
    if index:
        return fetch_pip_from_index(index)
    if shutil.which("apt-get") and shutil.which("dpkg-deb"):
        return fetch_pip_from_debian()
    raise BootstrapError(
        "This Python has neither pip nor ensurepip, and no package index is configured. Install your "
        "system's python3-venv or python3-pip, or set PIP_INDEX_URL, then run the same command again."
    )


class _Links(html.parser.HTMLParser):
    """The targets of all links of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if tag == "a" and name == "href" and value]


def fetch_pip_from_index(index: str) -> Path:
    """Fetch the pip of requirements.lock, checked against the hashes there."""
    locked = re.search(r"^pip==(\S+)((?:[^\n]*\\\n)[^#]*)", REQUIREMENTS.read_text(), re.MULTILINE)
    if locked is None:
        raise BootstrapError(f"{REQUIREMENTS.name} names no pip. Run `make lock` on a machine that has one.")
    name = f"pip-{locked[1]}-py3-none-any.whl"
    page_url = index.rstrip("/") + "/pip/"
    try:
        links = _Links()
        links.feed(download(page_url).decode(errors="replace"))
        link = next(found for found in links.found if urllib.parse.urlparse(found).path.endswith(name))
        wheel = download(urllib.parse.urljoin(page_url, link))
    except StopIteration:
        raise BootstrapError(f"The configured package index has no {name}.") from None
    except (urllib.error.URLError, OSError) as error:
        raise BootstrapError(f"pip could not be fetched: {error}\n\n{HINTS[-1][1]}") from error
    if hashlib.sha256(wheel).hexdigest() not in locked[2]:
        raise BootstrapError(f"{name} is not the file that was locked. {HINTS[2][1]}")
    path = TOOLS / "pip" / name
    path.write_bytes(wheel)
    return path


def download(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - the machine's own setting
        content: bytes = answer.read()
        return content


def fetch_pip_from_debian() -> Path:
    """python3-pip-whl, verified by apt and unpacked here; nothing is installed, so any user may."""
    with tempfile.TemporaryDirectory(prefix="fiatrails-") as scratch:
        work = Path(scratch)
        work.chmod(0o755)  # apt fetches as an account of its own
        private = [
            f"-oDir::State::lists={work}/lists",
            f"-oDir::Cache={work}/cache",
            "-oAPT::Sandbox::User=root",
        ]
        for directory in ("lists/partial", "cache/archives/partial"):
            (work / directory).mkdir(parents=True)
        run(["apt-get", *private, "update"], directory=work)
        run(["apt-get", *private, "download", "python3-pip-whl"], directory=work)
        package = next(work.glob("python3-pip-whl*.deb"))
        run(["dpkg-deb", "-x", package, work / "unpacked"], directory=work)
        wheel = next((work / "unpacked").rglob("pip-*.whl"))
        return Path(shutil.copy(wheel, TOOLS / "pip" / wheel.name))
