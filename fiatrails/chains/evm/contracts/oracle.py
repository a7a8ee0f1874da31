"""An on-chain sanctions oracle: a contract, kept by somebody else, that says which addresses are sanctioned."""

from __future__ import annotations

from collections.abc import Sequence

from fiatrails.chains.core.pool import RpcPool
from fiatrails.chains.evm.contracts.contract import Contract, Read
from fiatrails.chains.evm.contracts.encoding import load
from fiatrails.kernel.addresses import parse_address
from fiatrails.kernel.errors import OutsideUnknown

_IS_SANCTIONED = load("ISanctionsOracle").function("isSanctioned")


class SanctionsOracle(Contract):
    """An oracle with the interface of contracts/src/interfaces/ISanctionsOracle.sol."""

    def is_sanctioned(self, address: str) -> Read[bool]:
        """Ask whether the address is sanctioned."""
        return self._value(_IS_SANCTIONED, address)


def sanctioned(addresses: Sequence[str], *, oracle: str, pool: RpcPool) -> dict[str, bool]:
    """Return what the contract `oracle` says of each address, by lower-case address. OutsideUnknown when it does not
    answer, or no such contract is there: a missing second opinion clears nobody."""
    contract = SanctionsOracle(oracle)
    reads = {address: contract.is_sanctioned(address) for address in map(parse_address, addresses)}
    answers = pool.batch([read.call() for read in reads.values()])
    try:
        return {address: read.decode(answer) for (address, read), answer in zip(reads.items(), answers, strict=True)}
    except ValueError:
        raise OutsideUnknown(
            "oracle_unknown", f"the sanctions oracle {oracle} does not answer; check screening.oracle in the profile"
        ) from None
