"""Make the dump of a rail that the test of upgrades restores: `python -m tests.data.upgrade.make DIRECTORY`.

It drives a whole rail through commands and HTTP only, so it still runs when tables and models have other names. The
dump that is kept was made with the code that README.md names; making it anew with later code would lose its purpose,
which is to be older than the migrations. Run it again to keep a dump of a later version beside this one.
"""

from __future__ import annotations

import gzip
import hashlib
import hmac
import json
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from fiatrails.local.postgres import EmbeddedPostgres
from tests.data.upgrade.site import dump_database, fresh_site, pack, write_profile
from tests.kit.rail import compliant_users
from tests.kit.services import DeployedChain
from tests.kit.upgrade import CHAIN, DATABASE, EXPECTED, FILES, SECRETS, DumpedRail

TOKEN = 10**18
PHONE = "254708374149"
OPERATOR_PASSWORD = "a long password of the dumped rail"
UNFINISHED = ("paid", "cleared", "submitting", "mined", "refunding")
CLOSED_PORT = "http://127.0.0.1:9"
_TAIL = ",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- "
LIST = (
    f'36,"YAN, Xiaobing","individual","SDNTK"{_TAIL},"DOB 25 Mar 1977; citizen China."\r\n'
    f'37,"LAZARUS GROUP",-0- ,"DPRK3"{_TAIL},"Digital Currency Address - ETH '
    '0x098B716B8Aaf21512996dC57EB0615e2383E2f96."\r\n\x1a'
)
NEXT_LIST = LIST.removesuffix("\x1a") + f'38,"OTIENO, Barasa","individual","SDGT"{_TAIL},"DOB 02 Apr 1991."\r\n\x1a'


@dataclass(slots=True)
class Story:
    """What happens on the rail before it is dumped, chapter by chapter."""

    rail: DumpedRail
    chain: DeployedChain
    users: list[str]
    shop_secret: str = ""

    # -- what clients, payers and operators do

    def order(self, ref: str, user: str, *, tokens: int = 10, payer: object = None, shop: bool = False) -> str:
        """Create an intent over HTTP, twice with the same key, and return its id."""
        order = {"user": user, "amount": str(tokens * TOKEN), "countryCode": "KES", "txRef": ref}
        body = json.dumps(order | ({"payer": payer} if payer else {})).encode()
        headers = {"X-Idempotency-Key": hashlib.sha256(ref.encode()).hexdigest()}
        headers |= {"X-Key-Id": "shop-1"} if shop else {}
        secret = self.shop_secret if shop else SECRETS["HMAC_SECRET"]
        answers = [self.rail.signed("POST", "/api/v1/mint-intents", body, secret=secret, **headers) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [201, 201], answers[0].text
        return str(answers[0].json()["intentId"])

    def pay(self, ref: str, *, kes: int = 10, receipt: str = "", status: int = 200) -> None:
        """Deliver the gateway's callback, twice."""
        receipt = receipt or hashlib.sha256(ref.encode()).hexdigest()[:10].upper()
        for _ in range(2):
            paid = {"txRef": ref, "amount": kes, "phone": PHONE, "timestamp": int(time.time())}
            body = json.dumps({**paid, "metadata": {"receipt": receipt}}).encode()
            signature = hmac.new(SECRETS["MPESA_GATEWAY_SECRET"].encode(), body, hashlib.sha256).hexdigest()
            answer = httpx.post(
                f"{self.rail.api_url}/api/v1/callbacks/mpesa",
                content=body,
                timeout=20,
                trust_env=False,
                headers={"Content-Type": "application/json", "X-Mpesa-Signature": signature},
            )
            assert answer.status_code == status, answer.text

    def sandbox(self, control: str, **body: object) -> Any:
        """Pull a string of the simulator."""
        answer = httpx.post(f"{self.rail.sandbox_url}/_sandbox/{control}", json=body, timeout=20, trust_env=False)
        return answer.raise_for_status().json()

    def ask(self, *arguments: str) -> Any:
        """Run a command and return its document."""
        return json.loads(self.rail.cli(*arguments, "--json", codes=(0, 1)))

    def decide(self, *arguments: str, actor: str = "ann") -> None:
        """Run a command that asks for a reason, as an operator."""
        self.rail.cli(*arguments, "--reason", "as the story has it", "--actor", actor, "--yes")

    def state(self, ref: str) -> str:
        """Where an intent stands."""
        return str(self.ask("intent", "show", ref)["state"])

    def executed(self) -> set[str]:
        """References of the intents that are executed."""
        found = self.ask("intent", "list", "--state", "executed", "--limit", "1000")["intents"]
        return {intent["txRef"] for intent in found}

    def until(self, ref: str, *states: str) -> None:
        """Wait until an intent is in one of these states."""
        self.wait(lambda: self.state(ref) in states, f"{ref} {' or '.join(states)}")

    def wait(self, done: Callable[[], object], what: str) -> None:
        """Wait for something that the rail does by itself."""
        print(f"  {what}", flush=True)
        deadline = time.monotonic() + 120
        while not done():
            assert time.monotonic() < deadline, f"never: {what}\n{self.rail.log_tails()}"
            time.sleep(0.3)

    # -- chapters

    def one_that_expires(self) -> None:
        """An intent of a profile that gives it a minute."""
        write_profile(self.rail.directory, intentExpiryS=60)
        api = self.rail.start_api()
        self.order("EXPIRED-1", self.users[0])
        api.terminate()
        write_profile(self.rail.directory)
        self.rail.start_api()

    def people(self) -> None:
        """A second client, operators, their sign-ins."""
        self.rail.cli("client", "create", "shop", "--quota", "300", "--actor", "ann")
        made = self.ask("client", "add-secret", "shop", "--key-id", "shop-1", "--actor", "ann")
        self.shop_secret = str(made["secret"])
        self.ask("client", "add-secret", "shop", "--key-id", "shop-0", "--actor", "ann")
        self.rail.cli("client", "end-secret", "shop-0", "--actor", "ann", "--yes")
        password = self.rail.directory / "operator-password"
        password.write_text(OPERATOR_PASSWORD)
        for name, officer in (("ann", "--officer"), ("ben", "--officer"), ("cleo", "--no-officer")):
            self.rail.cli("operator", "add", name, officer, "--password-file", str(password), "--actor", "root")
        self.rail.cli("operator", "disable", "cleo", "--actor", "root", "--yes")
        self.sign_in("ann", OPERATOR_PASSWORD)
        self.sign_in("ben", "a guess")

    def sign_in(self, name: str, password: str) -> None:
        """Fill in the form of the admin."""
        with httpx.Client(base_url=self.rail.api_url, timeout=20, trust_env=False) as browser:
            page = browser.get("/admin/login/").text
            token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
            assert token is not None
            form = {"username": name, "password": password, "csrfmiddlewaretoken": token[1]}
            browser.post("/admin/login/?next=/admin/", data=form, headers={"Referer": self.rail.api_url})

    def lists(self) -> None:
        """A small list, another edition of it, and questions to it."""
        path = self.rail.directory / "sdn.csv"
        path.write_text(LIST)
        arguments = ("lists", "load", str(path), "--allow-shrink", "--reason", "a small one", "--actor", "ann", "--yes")
        self.rail.cli(*arguments)
        for name in ("Xiaobing Yan", "Jane Wanjiku"):
            answer = self.rail.signed("POST", "/api/v1/screenings", json.dumps({"name": name}).encode())
            assert answer.status_code == 200, answer.text
        path.write_text(NEXT_LIST)
        self.rail.cli(*arguments)

    def modes(self) -> None:
        """Modes that came and went, and one that ran out."""
        for mode in ("maintenance", "read_only"):
            self.decide("mode", "set", mode, "on")
            self.decide("mode", "set", mode, "off")
        self.decide("mode", "set", "db_fallback", "on", "--for", "1m", actor="ben")
        self.decide("mode", "set", "db_fallback", "off")

    def orders_before_the_worker(self) -> list[str]:
        """A batch of two clients, and everything whose payment needs no worker; returns the references to be minted."""
        batch = [f"BATCH-{number:02}" for number in range(12)]
        for number, ref in enumerate(batch):
            self.order(ref, self.users[number % 6], tokens=10, shop=number % 3 == 0)
            self.pay(ref)
        self.pay("EARLY-1")
        self.order("EARLY-1", self.users[1])
        self.pay("CONFLICT-1", kes=11, receipt="CONFLICT01")
        self.pay("CONFLICT-1", kes=12, receipt="CONFLICT01", status=409)
        self.order("PARTS-1", self.users[2])
        self.pay("PARTS-1", kes=4, receipt="PARTS00001")
        self.pay("PARTS-1", kes=6, receipt="PARTS00002")
        for ref, kes in (("SHORT-1", 8), ("SHORT-2", 7), ("OVER-1", 12), ("OVER-2", 15)):
            self.order(ref, self.users[3])
            self.pay(ref, kes=kes)
        for ref in ("RISKY-1", "RISKY-2"):
            self.order(ref, stranger(ref))
            self.pay(ref)
        for ref in ("CANCELLED-1", "CANCELLED-2"):
            self.order(ref, self.users[4])
            self.decide("intent", "cancel", ref)
        self.pay("CANCELLED-2")
        for ref in ("UNMATCHED-1", "UNMATCHED-2", "UNMATCHED-3"):
            self.pay(ref, kes=33)
        for ref in ("AWAITING-1", "AWAITING-2"):
            self.order(ref, self.users[5])
        self.order("LISTED-1", self.users[6], payer={"name": "Xiaobing Yan", "type": "person"})
        self.order("LISTED-2", self.users[7], payer={"name": "Barasa Otieno", "type": "person"})
        jane = {"name": "Jane Wanjiku", "type": "person", "birthDate": "1988-02-01"}
        self.order("NAMED-1", self.users[8], payer=jane)
        for ref in ("LISTED-1", "LISTED-2", "NAMED-1"):
            self.pay(ref)
        for number in range(4):
            self.order(f"FAST-{number}", self.users[9], tokens=90)
            self.pay(f"FAST-{number}", kes=90)
        return [*batch, "EARLY-1", "PARTS-1", "NAMED-1"]

    def native(self) -> None:
        """Pushes and paybill payments through the simulator, one of them of a payer who is not compliant."""
        self.rail.cli("mpesa", "register-urls", "--actor", "ann", "--yes")
        for ref, user, behaviour in (
            ("PUSH-1", self.users[0], "pay"),
            ("PUSH-2", self.users[1], "cancel"),
            ("PUSH-3", stranger("PUSH-3"), "pay"),
            ("PUSH-4", stranger("PUSH-4"), "pay"),
            ("PUSH-5", stranger("PUSH-5"), "pay"),
        ):
            self.order(ref, user)
            self.sandbox("stk", behaviour=behaviour, next=1)
            self.rail.cli("mpesa", "stk-push", ref, "--phone", PHONE)
            self.until(ref, "executed" if ref == "PUSH-1" else "awaiting_payment" if behaviour == "cancel" else "held")
            if behaviour == "cancel":
                self.wait(lambda: "ended unpaid" in self.rail.cli("intent", "show", "PUSH-2"), "PUSH-2 ended unpaid")
        self.order("PAYBILL-1", self.users[2])
        self.sandbox("pay", amount=10, billRef="PAYBILL-1", msisdn=PHONE, names=["GRACE", "A.", "ATIENO"])
        self.until("PAYBILL-1", "executed")
        self.sandbox("pay", amount=21, billRef="PAYBILL-NOBODY", msisdn=PHONE, names=["PETER", "", "OUMA"])
        self.decide("intent", "refund", "PUSH-3")
        self.until("PUSH-3", "refunded")
        self.sandbox("faults", failResultNext=1, failResultCode="21")
        self.decide("intent", "refund", "PUSH-4")
        self.wait(lambda: self.ask("intent", "show", "PUSH-4")["hold"] == "refund_failed", "PUSH-4 was refused")

    def decisions(self) -> None:
        """What operators decide about what is held, surplus and unmatched."""
        for ref in ("SHORT-1", "OVER-1"):
            self.decide("intent", "accept", ref)
        self.decide("intent", "refund", "RISKY-2", "--external-reference", "BANK-4411")
        self.pay("BATCH-00", receipt="SURPLUS001")
        receipt = next(p["receipt"] for p in self.ask("payments", "list")["payments"] if p["txRef"] == "UNMATCHED-2")
        self.decide("payments", "refund", receipt, "--external-reference", "BANK-4413")
        self.rail.cli("user", "attest", self.users[10], "--risk-score", "12", "--actor", "ann")
        self.rail.cli("user", "risk", self.users[10], "44", "--actor", "ann")
        case = next(case for case in self.ask("case", "list")["cases"] if case["user"] == self.users[6].lower())
        number = str(case["number"])
        reason = ("--reason", "passport seen")
        self.rail.cli("case", "release", number, *reason, "--actor", "ann")
        self.rail.cli("case", "approve", number, "--actor", "ben")
        self.wait(lambda: {"SHORT-1", "OVER-1", "LISTED-1"} <= self.executed(), "what was let go on is minted")
        self.until("EXPIRED-1", "expired")

    def dead_letters(self) -> None:
        """Items that were replayed and discarded."""
        self.rail.processes[-1].terminate()
        replayed = self.unreached("UNREACHED-1")
        self.rail.cli("dlq", "replay", "--item-id", replayed["itemId"], "--actor", "ann", "--yes")
        discarded = self.items("callbackConflict")[0]
        self.rail.cli("dlq", "discard", discarded["itemId"], "--reason", "looked into", "--actor", "ben", "--yes")
        self.rail.start_worker()
        self.until("UNREACHED-1", "executed")

    def unreached(self, ref: str) -> dict[str, Any]:
        """An intent that is paid while no worker reaches the node, and the dead letter that becomes of it."""
        intent_id = self.order(ref, self.users[0])
        self.pay(ref)
        self.rail.extra_env["RPC_URL"] = CLOSED_PORT
        blind = self.rail.start_worker()
        del self.rail.extra_env["RPC_URL"]
        found: list[dict[str, Any]] = []

        def is_buried() -> bool:
            found[:] = [item for item in self.items("checkCompliance") if item["intentId"] == intent_id]
            return bool(found)

        self.wait(is_buried, f"{ref} ran out of attempts")
        blind.kill()
        return found[0]

    def items(self, operation: str) -> list[dict[str, Any]]:
        """The dead letters of an operation that stand."""
        groups = self.ask("dlq", "list")["groups"]
        return [item for group in groups for item in group["items"] if item["operation"] == operation]

    def half_way(self) -> dict[str, Any]:
        """Leave work of every kind unfinished; returns the state of each of these intents by its reference, and a dead
        letter that is to be replayed."""
        worker = self.rail.processes[-1]
        anvil = self.chain.anvil
        self.order("HALF-PUSH-1", self.users[3])
        anvil.rpc("evm_setIntervalMining", 0)
        for ref, user in (("HALF-MINED-1", 0), ("HALF-SENT-1", 1), ("HALF-CLEARED-1", 2)):
            self.order(ref, self.users[user])
            self.pay(ref)
            self.until(ref, "submitting", "cleared")
            if ref == "HALF-MINED-1":
                self.wait(lambda: self.lane("published") == 1, "the first is sent")
                anvil.rpc("evm_mine")
                self.until(ref, "mined")
        self.wait(lambda: self.lane("published") == 1, "the second is sent")
        worker.kill()
        to_replay = self.unreached("HALF-UNREACHED-1")
        for number in range(3):
            self.order(f"HALF-PAID-{number}", self.users[3 + number])
            self.pay(f"HALF-PAID-{number}")
        self.rail.cli("mpesa", "stk-push", "HALF-PUSH-1", "--phone", PHONE)
        self.decide("intent", "refund", "PUSH-5")
        self.decide("mode", "set", "degraded", "on")
        found = self.ask("intent", "list", "--limit", "1000")["intents"]
        states = {intent["txRef"]: intent["state"] for intent in found if intent["state"] in UNFINISHED}
        return {"halfWay": states, "toReplay": to_replay}

    def lane(self, what: str) -> int:
        """How many slots of the executor's lane are in a state."""
        lanes = self.ask("nonce", "show")["lanes"]
        return next(int(lane[what]) for lane in lanes if lane["role"] == "executor")

    def tell(self) -> dict[str, Any]:
        """The whole story."""
        self.one_that_expires()
        self.people()
        self.lists()
        self.modes()
        minted = self.orders_before_the_worker()
        self.rail.start_worker()
        self.wait(lambda: set(minted) <= self.executed(), "everything in order is minted")
        self.native()
        self.decisions()
        self.dead_letters()
        return self.half_way()


def stranger(name: str) -> str:
    """A recipient whom the registry does not know."""
    return "0x" + hashlib.sha256(name.encode()).hexdigest()[:40]


def main(target: Path) -> None:
    """Make the dump and write its files into `target`."""
    work = Path(tempfile.mkdtemp(prefix="fiatrails-dump-"))
    with fresh_site(work) as (rail, chain, postgres):
        rail.start_simulator()
        story = Story(rail, chain, compliant_users(chain, 12))
        keep(rail, story.tell(), postgres, target)
    (target / CHAIN).write_bytes(gzip.compress((work / "chain-state.json").read_bytes(), mtime=0))
    shutil.rmtree(work)


def keep(rail: DumpedRail, half_way: dict[str, Any], postgres: EmbeddedPostgres, target: Path) -> None:
    """Stop everything but the chain, require that the books hold, and write all but the chain."""
    for process in reversed(rail.processes):
        process.terminate()
    assert rail.findings() == []
    kept = {**half_way, "answers": rail.answers()}
    target.mkdir(parents=True, exist_ok=True)
    (target / EXPECTED).write_text(json.dumps(kept, indent=1) + "\n")
    (target / DATABASE).write_bytes(gzip.compress(dump_database(postgres, rail.database_url), mtime=0))
    files = ("0.json", "1.json", "2.json", "password", "deployments.json", "seed.json", "sandbox")
    (target / FILES).write_bytes(pack(rail.directory, *files))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
