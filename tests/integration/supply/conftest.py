"""The rail on a chain of its own, and people who redeem, burn, deposit and mint beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from eth_utils.crypto import keccak

from fiatrails.chains.evm.chain import EvmChain
from fiatrails.chains.evm.contracts.encoding import load
from fiatrails.chains.evm.contracts.identifiers import intent_id, tx_ref_hash
from fiatrails.kernel.money import Money
from fiatrails.ledger.balances import balance, trial_balance
from fiatrails.ledger.models import Entry
from fiatrails.local.keystores import DEPLOYER, dev_address
from fiatrails.operations.invariants import check_books, check_chain, check_supply
from fiatrails.providers.core.events import PaymentEvent
from fiatrails.purchases.models import Purchase
from fiatrails.purchases.opening import NewPurchase, create_purchase
from fiatrails.purchases.outcomes import collect_outcomes
from fiatrails.purchases.payments.record import record_payments
from fiatrails.purchases.queues import PurchaseTools, advance_due
from fiatrails.purchases.supply import place_of, read_all
from tests.integration.chains.conftest import BLOCK_S, TOKEN, Rail, adjust_evm, call, rail, rail_config
from tests.kit.services import ChainFactory, DeployedChain

__all__ = ["adjust_evm", "rail", "rail_config"]

CHAIN = EvmChain(31337)
_ESCROW, _TOKEN, _COIN = load("MintEscrow"), load("CountryToken"), load("USDStablecoin")
Calls = Sequence[tuple[str, bytes]]


@pytest.fixture(scope="session")
def supply_chain(chain_factory: ChainFactory, services_dir: Path) -> DeployedChain:
    """Mines only on request, and holds no mints of other tests."""
    made = chain_factory(services_dir / "supply-chain", block_time=BLOCK_S)
    call(made.anvil.url, "evm_setIntervalMining", 0)
    return made


@pytest.fixture
def chain(supply_chain: DeployedChain) -> Iterator[DeployedChain]:
    """As it was before, once the test is over."""
    before = call(supply_chain.anvil.url, "evm_snapshot")
    yield supply_chain
    assert call(supply_chain.anvil.url, "evm_revert", before)


class World:
    """What happens on the chain, and what the books make of it. Amounts are whole tokens."""

    def __init__(self, rail: Rail) -> None:
        self.rail = rail
        country = rail.contracts.country("KES")
        self.escrow, self.token, self.coin = country.escrow, country.token, country.stablecoin
        self.admin = dev_address(DEPLOYER)

    # -- on the chain --------------------------------------------------------------------------------------------

    def send(self, sender: str, to: str, data: bytes) -> None:
        """A transaction that must succeed, in a block of its own."""
        self.rail.rpc("anvil_setBalance", sender, hex(10**20))
        sent = self.rail.send_as(sender, to, data)
        self.rail.mine()
        assert self.rail.rpc("eth_getTransactionReceipt", sent)["status"] == "0x1"

    def finalize(self) -> None:
        """Blocks on top, so that what was mined is final."""
        self.rail.mine(3)

    def purchase(self, tx_ref: str, *, user: str, tokens: int) -> Purchase:
        """A purchase that is ordered and paid, and goes no further."""
        now = self.rail.clock.now()
        create_purchase(request=NewPurchase(user, tokens * TOKEN, "KES", tx_ref), client="default", now=now)
        event = PaymentEvent(
            provider="mpesa", channel="gateway", event_key=f"gateway:R{tx_ref}", receipt=f"R{tx_ref}", tx_ref=tx_ref,
            paid=Money("KES", tokens * 100), phone="254712345678", occurred_at=None, raw=b"{}", trusted=True,
        )  # fmt: skip
        record_payments([event], now=now)
        return Purchase.objects.get(tx_ref=tx_ref)

    def advance(self) -> None:
        """One pass of the worker over queues and lane, without looking for outcomes."""
        advance_due(tools=PurchaseTools(clock=self.rail.clock, pool=self.rail.pool))
        self.rail.step()

    def submit(self, intent: Purchase) -> None:
        """Passes until the lane has seen the mint final. The purchase has not heard of it."""
        self.rail.until(
            lambda: self.rail.sql(
                "SELECT 1 FROM evm_slot_intent WHERE intent_id = %s AND state = 'executed'", intent.intent_id
            ),
            step=self.advance,
        )

    def mint(self, tx_ref: str, *, user: str, tokens: int) -> Purchase:
        """A purchase from its order to the mint in the books."""
        intent = self.purchase(tx_ref, user=user, tokens=tokens)
        self.submit(intent)
        self.collect()
        intent.refresh_from_db()
        assert intent.state == "executed"
        return intent

    def collect(self) -> None:
        """Purchases hear what the chain did."""
        while collect_outcomes(now=self.rail.clock.now()):
            pass

    def redeem(self, tokens: int, *, user: str) -> None:
        """The user gives tokens back for their coins."""
        self.send(user, self.token, self.approved())
        self.send(user, self.escrow, self.redeeming(tokens, to=user))

    def approved(self) -> bytes:
        """Calldata: the escrow may burn."""
        return _TOKEN.function("approve").encode(self.escrow, 2**255)

    def redeeming(self, tokens: int, *, to: str) -> bytes:
        """Calldata of a redemption."""
        return _ESCROW.function("redeem").encode(tokens * TOKEN, to)

    def burning(self, tokens: int) -> bytes:
        """Calldata of a burn."""
        return _TOKEN.function("burn").encode(tokens * TOKEN)

    def burn(self, tokens: int, *, user: str) -> None:
        """The user destroys tokens."""
        self.send(user, self.token, self.burning(tokens))

    def deposit(self, tx_ref: str, *, user: str, tokens: int, coin: str = "") -> str:
        """The user deposits coins himself; returns the id under which an executor may mint for them."""
        coin, amount = coin or self.coin, tokens * TOKEN
        self.send(user, coin, _COIN.function("mint").encode(user, amount))
        self.send(user, coin, _COIN.function("approve").encode(self.escrow, amount))
        word = bytes.fromhex(tx_ref_hash(tx_ref)[2:])
        self.send(user, self.escrow, _ESCROW.function("submitIntent").encode(amount, b"KES".ljust(32, b"\0"), word))
        return intent_id(chain_id=31337, escrow=self.escrow, payer=user, tx_ref=tx_ref)

    def execute(self, reference: str) -> None:
        """An executor mints for a deposit."""
        mint = _ESCROW.function("executeMint").encode(bytes.fromhex(reference[2:]))
        other = self.rail.user(90)
        self.send(self.admin, self.escrow, _ESCROW.function("grantRole").encode(keccak(text="EXECUTOR_ROLE"), other))
        self.send(other, self.escrow, mint)

    def mint_without_backing(self, tokens: int, *, to: str) -> None:
        """Somebody whom the token's admin has made a minter mints."""
        stranger = self.rail.user(91)
        self.send(self.admin, self.token, _TOKEN.function("addMinter").encode(stranger))
        self.send(stranger, self.token, _TOKEN.function("mint").encode(to, tokens * TOKEN))

    def take_coins(self, tokens: int) -> None:
        """Coins leave the escrow, past all of its rules."""
        self.send(self.escrow, self.coin, _COIN.function("transfer").encode(self.admin, tokens * TOKEN))

    def giving_back(self, tokens: int) -> bytes:
        """Calldata of the coin: the escrow gets some."""
        return _COIN.function("transfer").encode(self.escrow, tokens * TOKEN)

    def second_coin(self) -> str:
        """New deposits are made in another coin."""
        other = "0x" + "c2" * 20
        self.rail.rpc("anvil_setCode", other, self.rail.rpc("eth_getCode", self.coin, "latest"))
        self.send(self.admin, self.escrow, _ESCROW.function("setStablecoin").encode(other))
        return other

    def contract(self, calls: Calls) -> str:
        """A compliant contract that makes these calls, in this order, whenever it is called."""
        holder = self.rail.user(7)
        self.rail.rpc("anvil_setCode", holder, "0x" + _program(calls).hex())
        return holder

    # -- in the books --------------------------------------------------------------------------------------------

    def read(self) -> None:
        """The supply, up to now."""
        assert read_all(CHAIN, pool=self.rail.pool, clock=self.rail.clock)

    @property
    def place(self) -> int:
        """How far the supply was read."""
        return place_of(CHAIN.name)

    @property
    def head(self) -> int:
        """The latest block."""
        return int(self.rail.head()["number"], 16)

    def booked(self) -> tuple[float, float, float]:
        """Whole tokens in circulation, backing, and backing of burnt tokens."""
        codes = [f"token_{name}:KES.token" for name in ("supply", "issued", "burned")]
        supply, issued, burned = (balance(code) / TOKEN for code in codes)
        return -supply, issued, -burned

    def entries(self) -> list[str]:
        """Kinds of the entries that are no purchase's, in order."""
        outside = Entry.objects.exclude(kind__in=["payment", "mint"]).order_by("id")
        return list(outside.values_list("kind", flat=True))

    def findings(self) -> dict[str, tuple[str, ...]]:
        """What a reconcile finds."""
        found = [*check_books(), *check_chain(pool=self.rail.pool)]
        found += check_supply(pool=self.rail.pool, clock=self.rail.clock)
        assert sum(account.balance for account in trial_balance()) == 0
        return {finding.invariant: finding.offenders for finding in found}


def _program(calls: Calls) -> bytes:
    """EVM code: each call in turn, all or nothing."""
    code = b""
    for target, data in calls:
        for start in range(0, len(data), 32):
            word = data[start : start + 32].ljust(32, b"\0")
            code += b"\x7f" + word + b"\x61" + start.to_bytes(2, "big") + b"\x52"  # PUSH32, PUSH2, MSTORE
        # No answer is kept and no value sent: PUSH1 0 twice, length, PUSH1 0 twice, the target, GAS, CALL, ISZERO.
        code += b"\x60\0\x60\0\x61" + len(data).to_bytes(2, "big") + b"\x60\0\x60\0\x73"
        code += bytes.fromhex(target[2:]) + b"\x5a\xf1\x15"
        # Where it failed, the byte 0xfe is jumped over by nobody: PUSH2 to the trap, JUMPI.
        code += b"\x61TT\x57"
    trap = len(code) + 1
    return code.replace(b"\x61TT\x57", b"\x61" + trap.to_bytes(2, "big") + b"\x57") + b"\0\x5b\x60\0\x60\0\xfd"


@pytest.fixture
def world(rail: Rail) -> World:
    """Nothing was minted, and nothing read."""
    return World(rail)
