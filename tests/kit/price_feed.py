"""A price feed on a local chain: code that answers as Chainlink's aggregators do, put at an address by anvil."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

_WORDS = 5
_DECIMALS_SELECTOR = "313ce567"


@dataclass(frozen=True, slots=True)
class LocalFeed:
    """The feed at `address`; `rpc` calls the node."""

    rpc: Callable[..., object]
    address: str = "0x" + "fe" * 20

    def say(self, value: int, *, round_id: int, updated_at: int, decimals: int = 8) -> None:
        """Let the feed answer `value` from now on."""
        words = (round_id, value % 2**256, updated_at, updated_at, round_id)
        self.rpc("anvil_setCode", self.address, "0x" + _code(words, decimals))

    def vanish(self) -> None:
        """Let nothing stand at the address."""
        self.rpc("anvil_setCode", self.address, "0x")


def _code(words: tuple[int, ...], decimals: int) -> str:
    assert len(words) == _WORDS
    # PUSH32 word, PUSH1 place, MSTORE, five times; then RETURN of what was stored.
    store = "".join(f"7f{word:064x}60{32 * place:02x}52" for place, word in enumerate(words))
    latest = f"{store}60a06000f3"
    # The selector of the call is compared; decimals() jumps behind the rest.
    head_bytes = 16
    target = head_bytes + len(latest) // 2
    head = f"60003560e01c63{_DECIMALS_SELECTOR}1461{target:04x}57"
    assert len(head) // 2 == head_bytes
    return f"{head}{latest}5b60{decimals:02x}60005260206000f3"
