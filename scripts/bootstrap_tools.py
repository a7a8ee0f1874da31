"""What every step of the set-up uses: where things are, how a tool is run, what its failure means."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOOLS = ROOT / ".tools"
LOG = TOOLS / "bootstrap.log"
REQUIREMENTS = ROOT / "requirements.lock"
HINTS = (
    (r"no space left|disk quota", "The disk is full: free some space and run the same command again."),
    (
        r"certificate|ssl",
        "A TLS certificate was not accepted. Behind an inspecting proxy set SSL_CERT_FILE (Python tools) and "
        "NODE_EXTRA_CA_CERTS (npm) to its certificate bundle.",
    ),
    (
        r"hash mismatch|do not match|integrity|eintegrity",
        "A downloaded file is not the one that was locked. Do not work around it: clear the cache of the "
        "mirror or client, and look into it if it happens again.",
    ),
    (
        r"resolve|timed? ?out|unreachable|connect|network|enotfound|econn|dns|offline",
        "The package registry could not be reached. Check the network; behind a mirror or proxy set "
        "PIP_INDEX_URL (and UV_DEFAULT_INDEX if uv's differs), npm_config_registry, HTTPS_PROXY. Then run "
        "the same command again.",
    ),
)


class BootstrapError(Exception):
    """A step failed; the message says what to do next."""


def run(command: list[str | Path], *, environment: dict[str, str] | None = None, directory: Path = ROOT) -> None:
    """Run a tool with its output in the log; a failure shows the end of it and what it means."""
    words = [str(word) for word in command]
    with LOG.open("a+", encoding="utf-8", errors="replace") as log:
        log.write(f"$ {' '.join(words)}\n")
        log.flush()
        start = log.tell()
        done = subprocess.run(
            words,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=directory,
        )
        log.seek(start)
        output = log.read()
    if done.returncode != 0:
        raise BootstrapError(f"{Path(words[0]).name} failed ({done.returncode}):\n{excerpt(output)}\n\n{hint(output)}")


def excerpt(output: str) -> str:
    """Return the beginning and the end: npm says what is wrong first, compilers say it last."""
    lines = output.strip().splitlines()
    return "\n".join(lines if len(lines) <= 20 else [*lines[:8], "...", *lines[-12:]])


def hint(output: str) -> str:
    for pattern, advice in HINTS:
        if re.search(pattern, output, re.IGNORECASE):
            return advice
    return f"The whole output is in {LOG}."
