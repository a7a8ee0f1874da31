"""An endpoint that answers for another chain: not used, and an alarm for as long as it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from django.conf import settings

from fiatrails.chains.evm.pool import default_pool
from fiatrails.engine.models import DeadLetter
from fiatrails.kernel.errors import OutsideUnknown
from fiatrails.operations import endpoints
from tests.integration.chains.conftest import Rail

pytestmark = pytest.mark.django_db


@pytest.fixture
def on_chain_id(rail: Rail, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Lets this process be configured for a chain id, with the one real endpoint."""

    def use(chain_id: int) -> None:
        urls = (rail.chain.anvil.url,)
        profile = settings.FIATRAILS.profile.model_copy(update={"chain_id": chain_id, "rpc_urls": urls})
        monkeypatch.setattr(settings, "FIATRAILS", replace(settings.FIATRAILS, profile=profile))

    return use


def test_an_endpoint_of_another_chain_is_not_used_and_told_until_it_serves_ours(
    rail: Rail, on_chain_id: Callable[[int], None]
) -> None:
    on_chain_id(1)
    with pytest.raises(OutsideUnknown, match="answers for chain 31337, not 1"):
        default_pool().call("eth_blockNumber")
    assert endpoints.watch(rail.clock) == "1 of another chain"
    letter = DeadLetter.objects.get()
    assert (letter.operation, letter.state) == ("checkEndpoint", "open")
    assert "answers for chain 31337, the profile says 1" in letter.last_error
    on_chain_id(31337)
    assert int(default_pool().call("eth_blockNumber"), 16) > 0
    assert endpoints.watch(rail.clock) == "0 of another chain"
    assert DeadLetter.objects.get().state == "resolved"
