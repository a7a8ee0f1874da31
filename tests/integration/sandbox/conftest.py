"""Simulators as real processes, and the receiver of what they send."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.sandbox.merchant import Mpesa, running
from tests.kit.receiver import Receiver, http_receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with http_receiver() as receiver:
        yield receiver


@pytest.fixture
def mpesa(receiver: Receiver, tmp_path: Path) -> Iterator[Mpesa]:
    with running(receiver, tmp_path) as mpesa:
        yield mpesa


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mpesa]:
    """A simulator for requests that must be refused, and so change nothing."""
    with http_receiver() as receiver, running(receiver, tmp_path_factory.mktemp("shared")) as mpesa:
        yield mpesa
