"""A chain whose blocks a test mines when it wants to, lanes on it, and orders to mint."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.conf import settings as django_settings
from django.db import connection, transaction
from pydantic import SecretStr

from fiatrails.chains.core.chain import Outcome
from fiatrails.chains.core.clearance import Clearance
from fiatrails.chains.evm.contracts.deployment import Deployment, deployment
from fiatrails.chains.evm.contracts.escrow import MintEscrow
from fiatrails.chains.evm.contracts.identifiers import intent_id, tx_ref_hash
from fiatrails.chains.evm.contracts.registry import UserRegistry, UserUpdate
from fiatrails.chains.evm.orders import MintOrder
from fiatrails.chains.evm.pool import EvmPool
from fiatrails.chains.evm.signer import Signers, load_signers
from fiatrails.chains.evm.submitter import lanes, outcomes
from fiatrails.chains.evm.submitter.reservation import reserve
from fiatrails.kernel.conf import Config, config
from tests.kit.services import ChainFactory, DeployedChain

KEY = b"a test's clearance key"
BLOCK_S = 0.3
TOKEN = 10**18
_REFERENCES = itertools.count(1)


class ShiftedClock:
    """The machine's clock, which a test may move forward."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        """The present moment."""
        return datetime.now(UTC) + self.ahead

    def advance(self, seconds: float) -> None:
        """Lets time pass."""
        self.ahead += timedelta(seconds=seconds)


@pytest.fixture(scope="session")
def manual_chain(chain_factory: ChainFactory, services_dir: Path) -> DeployedChain:
    """Mines only on request (never automine), so that every race can be played out step by step."""
    chain = chain_factory(services_dir / "manual-chain", block_time=BLOCK_S)
    call(chain.anvil.url, "evm_setIntervalMining", 0)
    return chain


@pytest.fixture(scope="session")
def live_chain(chain_factory: ChainFactory, services_dir: Path) -> DeployedChain:
    """Mines by itself, quickly."""
    return chain_factory(services_dir / "live-chain", block_time=BLOCK_S)


@pytest.fixture
def chain(request: pytest.FixtureRequest) -> DeployedChain:
    """The manual chain, or the live one for tests marked with `live`."""
    wanted = "live_chain" if "on_live_chain" in request.fixturenames else "manual_chain"
    found: DeployedChain = request.getfixturevalue(wanted)
    return found


@pytest.fixture
def on_live_chain() -> None:
    """Asks for the chain that mines by itself."""


def call(url: str, method: str, *parameters: object) -> Any:
    """One JSON-RPC call straight to the node."""
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(parameters)}
    answer = httpx.post(url, json=body, timeout=20, trust_env=False).json()
    assert "error" not in answer, answer
    return answer["result"]


@dataclass
class Rail:
    """One worker's tools on a chain, and shortcuts for tests."""

    chain: DeployedChain
    pool: EvmPool
    signers: Signers
    clock: ShiftedClock = field(default_factory=ShiftedClock)
    holder: str = "worker-1"
    mines: bool = True

    @property
    def contracts(self) -> Deployment:
        """Addresses on the chain."""
        return deployment(self.chain.deployments_path, 31337)

    @property
    def escrow(self) -> str:
        """The Kenyan escrow."""
        return self.contracts.country("KES").escrow

    def rpc(self, method: str, *parameters: object) -> Any:
        """One call straight to the node."""
        return call(self.chain.anvil.url, method, *parameters)

    def mine(self, blocks: int = 1) -> None:
        """Blocks, unless the chain mines by itself."""
        if self.mines:
            self.rpc("anvil_mine", hex(blocks))

    def head(self) -> dict[str, Any]:
        """The latest block."""
        found: dict[str, Any] = self.rpc("eth_getBlockByNumber", "latest", False)
        return found

    def chain_nonce(self) -> int:
        """Mined transactions of the executor."""
        return int(self.rpc("eth_getTransactionCount", self.executor, "latest"), 16)

    @property
    def executor(self) -> str:
        """The executor's address."""
        return self.signers.executors[0].address

    def user(self, number: int) -> str:
        """A made-up address."""
        return f"0x{0xA11CE0000 + number:040x}"

    def register(self, users: Sequence[str], *, score: int = 10, verified: bool = True) -> None:
        """Makes users compliant, written by the officer's unlocked key."""
        officer = self.signers.officer
        assert officer is not None
        nonce = int(self.rpc("eth_getTransactionCount", officer.address, "pending"), 16)
        for offset, user in enumerate(users):
            data = UserRegistry.update_user(UserUpdate(user, score, "0x" + "ab" * 32, verified))
            self.send_as(officer.address, self.contracts.registry, data, nonce=nonce + offset)
        self.until(
            lambda: int(self.rpc("eth_getTransactionCount", officer.address, "latest"), 16) >= nonce + len(users),
            step=self.mine,
        )

    def is_compliant(self, user: str) -> bool:
        """What the registry says of the user now."""
        question = UserRegistry(self.contracts.registry).is_compliant(user)
        return question.decode(self.pool.call("eth_call", *question.call().params))

    def send_as(self, sender: str, to: str, data: bytes, *, nonce: int | None = None) -> str:
        """A transaction that no row of ours knows of."""
        self.rpc("anvil_impersonateAccount", sender)
        fields = {"from": sender, "to": to, "data": "0x" + data.hex(), "gas": hex(1_000_000)}
        if nonce is not None:
            fields["nonce"] = hex(nonce)
        return str(self.rpc("eth_sendTransaction", fields))

    def order(self, number: int, *, amount: int = TOKEN, clear_for_s: float = 600, alone: bool = False) -> MintOrder:
        """A cleared order of a new payment for user `number`."""
        reference = f"REF-{next(_REFERENCES)}"
        made = intent_id(chain_id=31337, escrow=self.escrow, payer=self.escrow, tx_ref=reference)
        now = self.clock.now()
        clearance = Clearance.issue(
            intent_id=made,
            recipient=self.user(number),
            amount=amount,
            issued_at=now,
            expires_at=now + timedelta(seconds=clear_for_s),
            policy="test",
            key=KEY,
        )
        return MintOrder(made, self.user(number), amount, "KES", tx_ref_hash(reference), clearance, alone)

    def reserve(self, orders: Sequence[MintOrder]) -> list[str]:
        """As the owner of the intents does it."""
        with transaction.atomic():
            return reserve(orders, now=self.clock.now(), clearance_key=KEY).accepted

    def tick(self) -> lanes.TickReport:
        """One pass over the executor's lane."""
        return lanes.tick(self.lane_id, clock=self.clock, pool=self.pool, signers=self.signers, holder=self.holder)

    def take(self, limit: int = 1000) -> list[Outcome]:
        """What is new, told once."""
        with transaction.atomic():
            return outcomes.take(limit, now=self.clock.now())

    @property
    def lane_id(self) -> int:
        """The executor's lane."""
        return int(self.sql("SELECT id FROM evm_lane WHERE role = 'executor' ORDER BY id")[0][0])

    def sql(self, text: str, *parameters: Any) -> list[Any]:
        """Rows."""
        with connection.cursor() as cursor:
            cursor.execute(text, list(parameters))
            return cursor.fetchall() if cursor.description else []

    def until(self, done: Callable[[], Any], *, within_s: float = 20, step: Callable[[], Any] | None = None) -> Any:
        """Waits, with a step between the looks."""
        deadline = time.monotonic() + within_s
        while True:
            found = done()
            if found:
                return found
            assert time.monotonic() < deadline, f"did not happen within {within_s} s: {self.state()}"
            if step is not None:
                step()
            time.sleep(0.005 if self.mines else 0.05)

    def step(self) -> None:
        """A tick, and a block for what it sent."""
        self.tick()
        self.mine()

    def run(self, done: Callable[[], Any], *, within_s: float = 20) -> Any:
        """Steps until it happens."""
        return self.until(done, within_s=within_s, step=self.step)

    def slots(self) -> list[tuple[Any, ...]]:
        """(nonce, kind, state, result) of the executor's slots."""
        found: list[tuple[Any, ...]] = self.sql(
            "SELECT nonce, kind, state, result FROM evm_nonce_slot WHERE lane_id = %s ORDER BY nonce", self.lane_id
        )
        return found

    def attempts(self) -> list[str]:
        """Hashes of everything signed, in order."""
        return [row[0] for row in self.sql("SELECT hash FROM evm_attempt ORDER BY id")]

    def take_all(self) -> list[tuple[str, str, str]]:
        """(kind, code, intent) of everything new, in order of telling."""
        told: list[tuple[str, str, str]] = []
        while news := self.take():
            told += [(outcome.kind.value, outcome.code, outcome.reference) for outcome in news]
        return told

    def settled(self) -> bool:
        """Whether nothing of the executor's lane is open; a vacant slot is nothing."""
        open_slots = "SELECT 1 FROM evm_nonce_slot WHERE state <> 'final' AND kind <> 'vacant' AND lane_id = %s"
        return not self.sql(open_slots, self.lane_id)

    def finish(self, *, within_s: float = 30) -> None:
        """Ticks until nothing is open."""
        self.run(self.settled, within_s=within_s)

    def state(self) -> Any:
        """For the message of a failed wait."""
        slots = self.sql("SELECT nonce, kind, state, result, error, block_number FROM evm_nonce_slot ORDER BY id")
        return slots, self.sql("SELECT address, next_nonce, held FROM evm_lane")

    def mints(self, ids: Sequence[str]) -> dict[str, int]:
        """How often the escrow executed each intent on the canonical chain."""
        question = MintEscrow(self.escrow).mints_between(0, int(self.head()["number"], 16))
        logs = self.rpc(question.method, *question.params)
        counts = dict.fromkeys(ids, 0)
        for log in logs:
            if log["topics"][1] in counts:
                counts[log["topics"][1]] += 1
        return counts

    def states(self) -> dict[str, str]:
        """State by intent, of the newest slot."""
        return dict(self.sql("SELECT intent_id, state FROM evm_slot_intent ORDER BY id"))


@pytest.fixture
def rail_config(chain: DeployedChain, configure: Callable[..., Config]) -> Config:
    """This process configured for the module's chain, with short times."""
    current = django_settings.FIATRAILS
    evm = current.profile.evm.model_copy(
        update={"block_time_ms": int(BLOCK_S * 1000), "finality": "finalized", "bump_after_blocks": 5}
    )
    timeouts = current.profile.timeouts.model_copy(update={"rpc_ms": 3000, "lease_s": 2.0})
    return configure(
        profile=current.profile.model_copy(
            update={"rpc_urls": (chain.anvil.url,), "chain_id": 31337, "evm": evm, "timeouts": timeouts}
        ),
        deployments_path=chain.deployments_path,
        signers=replace(
            current.signers,
            keystores=(chain.executor_keystore,),
            officer_keystore=chain.officer_keystore,
            password_file=chain.password_file,
        ),
        clearance_key=SecretStr(KEY.decode()),
        nonce_override=None,
    )


@pytest.fixture
def adjust_evm(configure: Callable[..., Config]) -> Callable[..., None]:
    """Changes fields of the profile's evm section."""

    def change(**fields: object) -> None:
        profile = config().profile
        configure(profile=profile.model_copy(update={"evm": profile.evm.model_copy(update=fields)}))

    return change


@pytest.fixture
def rail(
    request: pytest.FixtureRequest, transactional_db: None, chain: DeployedChain, rail_config: Config
) -> Iterator[Rail]:
    """A worker on the chain, with its lanes made and twenty compliant users."""
    pool = EvmPool([chain.anvil.url], timeout_s=3)
    live = "on_live_chain" in request.fixturenames
    made = Rail(chain, pool, load_signers(rail_config.signers), mines=not live)
    # What an earlier test left in the node's pool would take the nonces of this one.
    made.rpc("anvil_dropAllTransactions")
    users = [made.user(number) for number in range(20)]
    if not made.is_compliant(users[-1]):
        made.register(users)
    lanes.ensure_lanes(signers=made.signers, pool=pool, now=made.clock.now())
    yield made
    pool.close()
