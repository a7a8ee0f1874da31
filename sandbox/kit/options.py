"""Read the command line of a simulator."""

import argparse
import secrets
from pathlib import Path

from sandbox.kit.settings import Settings
from sandbox.kit.wire import is_url


def add_common_options(parser: argparse.ArgumentParser, *, port: int, callback: str | None, state: str) -> None:
    """Add what every simulator takes. `callback` and `state` are help texts; without the first there is no callback."""
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=port)
    if callback is not None:
        parser.add_argument("--callback-url", type=url, required=True, help=callback)
    parser.add_argument("--state-dir", type=Path, required=True, help=state)
    parser.add_argument("--seed", default=None, help="repeats identifiers and faults; drawn and printed if not given")


def settings_of(name: str, given: argparse.Namespace) -> Settings:
    """Return the settings from the common options; a seed is drawn when none was given."""
    seed = given.seed or secrets.token_hex(8)
    return Settings(name=name, host=given.host, port=given.port, state_dir=given.state_dir, seed=seed)


def url(text: str) -> str:
    """Read an absolute http(s) URL."""
    if not is_url(text):
        raise argparse.ArgumentTypeError("must be an http(s) URL")
    return text


def positive(text: str) -> float:
    """Read a number above 0."""
    value = float(text)
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError("must be more than 0")
    return value


def milliseconds(text: str) -> int:
    """Read a whole number of milliseconds, 0 or more."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError("must be 0 or more")
    return value


def schedule(text: str) -> tuple[float, ...]:
    """Read pauses in milliseconds, separated by commas; return them in seconds."""
    return tuple(positive(part) / 1000 for part in text.split(","))
