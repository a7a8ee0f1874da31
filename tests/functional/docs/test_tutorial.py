"""What the tutorial shows is what happens: its commands are run, in order, and their output is compared."""

from __future__ import annotations

import base64
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from fiatrails.local.postgres import EmbeddedPostgres
from tests.kit.ports import free_port
from tests.kit.processes import python_module
from tests.kit.rail import BIN, ROOT, Rail
from tests.kit.services import ChainFactory
from tests.unit.docs.pages import PAGES, Block, blocks, name_of

pytestmark = pytest.mark.timeout(600)
TESTED = [page for page in PAGES if any(block.info == "console test" for block in blocks(page))]
INITIATOR_PASSWORD = "a password of the simulator's initiator"


@dataclass(frozen=True, slots=True)
class Shown:
    """A command of a page, and what the page says that it prints; nothing said, nothing compared."""

    command: str
    output: list[str]


def shown(block: Block) -> Iterator[Shown]:
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield Shown(command, [line for line in output.splitlines() if line.strip()])


def plain(text: str) -> list[str]:
    """Lines without padding and rulers, so that only words count."""
    lines = (re.sub(r"\s+", " ", re.sub(r"[\u2500-\u257f]+", "", line)).strip() for line in text.splitlines())
    return [line for line in lines if line]


def pattern(output: list[str]) -> str:
    """`...` inside a line stands for anything, and by itself for any lines."""
    parts = []
    for line in plain("\n".join(output)):
        parts.append(r"(?:.*\n)*?" if line == "..." else re.escape(line).replace(r"\.\.\.", ".*") + r"\n")
    return "".join(parts)


@pytest.fixture
def rail(services_dir: Path, postgres: EmbeddedPostgres, chain_factory: ChainFactory) -> Iterator[Rail]:
    """A rail with the M-PESA simulator and a chain of its own, as `make up` starts it."""
    port = free_port()
    name = f"tutorial_{port}"
    chain = chain_factory(services_dir / f"{name}_chain", block_time=1.0)
    rail = Rail(services_dir / name, postgres, chain, name)
    url = f"http://127.0.0.1:{port}"
    arguments = ["--port", str(port), "--callback-url", rail.url, "--state-dir", str(services_dir / f"{name}_mpesa")]
    secrets = {
        "MPESA_SANDBOX_GATEWAY_SECRET": rail.gateway_secret,
        "MPESA_SANDBOX_INITIATOR_PASSWORD": INITIATOR_PASSWORD,
    }
    with python_module("sandbox.mpesa", arguments, ready_url=f"{url}/_sandbox/health", env=secrets):
        rail.extra_env = {
            "MPESA_BASE_URL": url,
            "MPESA_SHORTCODE": "174379",
            "MPESA_CONSUMER_KEY": "sandbox-consumer-key",
            "MPESA_CONSUMER_SECRET": "sandbox-consumer-secret",
            "MPESA_PASSKEY": "sandbox-passkey",
            "MPESA_INITIATOR_NAME": "testapi",
            "MPESA_SECURITY_CREDENTIAL": credential(url),
            "MPESA_CALLBACK_BASE_URL": f"{rail.url}/callbacks/till",
            "MPESA_CALLBACK_TOKEN": "an-unguessable-token-of-this-test",
            "MPESA_ALLOWED_SOURCES": "127.0.0.1",
        }
        rail.start_api()
        rail.start_worker()
        yield rail
        rail.close()


def credential(url: str) -> str:
    pem = httpx.get(f"{url}/_sandbox/public-key", timeout=5, trust_env=False).json()["pem"]
    key = load_pem_public_key(pem.encode())
    assert isinstance(key, RSAPublicKey)
    return base64.b64encode(key.encrypt(INITIATOR_PASSWORD.encode(), padding.PKCS1v15())).decode()


@pytest.mark.slow
@pytest.mark.parametrize("page", TESTED, ids=name_of)
def test_a_page_shows_what_happens(rail: Rail, page: Path) -> None:
    environment = {**rail.environment, "PATH": f"{BIN}:{rail.environment['PATH']}"}
    for block in blocks(page):
        if block.info != "console test":
            continue
        for step in shown(block):
            done = subprocess.run(
                ["bash", "-c", step.command],
                env=environment,
                cwd=ROOT,
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
            )
            assert done.returncode == 0, f"{step.command}\n{done.stdout}\n{done.stderr}\n{rail.log_tails()}"
            printed = "\n".join(plain(done.stdout)) + "\n"
            if step.output:
                assert re.fullmatch(pattern(step.output), printed), f"{step.command}\n{printed}"


def test_some_page_is_run() -> None:
    assert [name_of(page) for page in TESTED] == ["docs/tutorials/first-payment.md"]
