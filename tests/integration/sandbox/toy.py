"""A toy provider on the kit: it takes a charge, and a signed webhook says so later."""

import argparse
import hashlib
import hmac
import json
import sys

from sandbox.kit import options, process
from sandbox.kit.book import Book
from sandbox.kit.faults import Faults
from sandbox.kit.journal import Event
from sandbox.kit.messages import Refusal, Reply, Request
from sandbox.kit.notices import Notice, Notices
from sandbox.kit.parts import Parts
from sandbox.kit.provider import Provider
from sandbox.kit.router import Routes


class Charges(Book):
    def __init__(self, parts: Parts) -> None:
        self.by_id: dict[str, Event] = {}
        super().__init__(parts.journal)

    def put(self, charge: Event, *, told: bool) -> None:
        self._record({**charge, "told": told})

    def _apply(self, event: Event) -> None:
        self.by_id[event["id"]] = event


class Toy(Provider):
    def __init__(self, parts: Parts, receiver_url: str) -> None:
        self._url, self._charges = f"{receiver_url}/hook", Charges(parts)
        self._notices = Notices(parts.courier, parts.scheduler, (0.1,))

    def routes(self) -> Routes:
        return {("POST", "/charges/{id}"): self.charge}

    def no_route(self, request: Request, methods: list[str]) -> Refusal:
        return Refusal(405 if methods else 404, {"toy": request.path})

    def charge(self, request: Request) -> Reply:
        charge = {"event": "charge", "id": request.params["id"], **json.loads(request.body)}
        self._charges.put(charge, told=False)
        raw, book, key = json.dumps(charge).encode(), self._charges, charge["id"]
        signed = raw, {"X-Toy": hmac.new(b"secret", raw, hashlib.sha256).hexdigest()}
        is_open, accept = lambda: not book.by_id[key]["told"], lambda: book.put(charge, told=True)
        self._notices.send(Notice("charge", key, self._url, lambda: signed, is_open, accept))
        return Reply(201, charge)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    options.add_common_options(parser, port=4999, callback="the receiver of webhooks", state="the journal")
    settings = options.settings_of("toy", given := parser.parse_args())
    sys.exit(
        process.run("Toy", settings, Faults(settings.seed, kinds=("charge",)), lambda p: Toy(p, given.callback_url))
    )
