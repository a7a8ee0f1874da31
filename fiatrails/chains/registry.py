"""The chains of this deployment, found by name. A further family of chains is a folder beside `evm` and a line here."""

from __future__ import annotations

from collections.abc import Sequence

from fiatrails.chains.core.chain import Chain
from fiatrails.kernel.conf import profile
from fiatrails.kernel.errors import Misconfigured


def chains() -> Sequence[Chain]:
    """Return the chains that orders may go to, the default one first."""
    # Here, because the libraries of a chain take longer to import than most commands take, and few commands order.
    from fiatrails.chains.evm.chain import EvmChain

    return (EvmChain(profile().chain_id),)


def default_chain() -> Chain:
    """Return the chain of purchases that name none."""
    return chains()[0]


def chain_named(name: str) -> Chain:
    """Return the chain with this name; Misconfigured when this deployment does not serve it."""
    found = next((chain for chain in chains() if chain.name == name), None)
    if found is None:
        raise Misconfigured("unknown_chain", f"{name} is not served here; correct CHAIN_ID")
    return found
