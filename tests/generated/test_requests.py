"""Requests that nobody thought of, made from the OpenAPI document and signed: no 5xx, nothing undocumented."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from requests.auth import AuthBase
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from fiatrails.api.openapi.document import document
from fiatrails.local.postgres import EmbeddedPostgres
from tests.functional.api.live import GATEWAY_SECRET, TOKENS, Live, hex_hmac, serve, signed
from tests.kit.databases import migrated_copy

pytestmark = pytest.mark.filterwarnings("ignore")
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
TOKEN = "callback-token-0123456789"
QUICK = settings(
    max_examples=12,
    stateful_step_count=6,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def live(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server that takes Daraja's callbacks from here."""
    database_url = migrated_copy(postgres, f"api_{uuid.uuid4().hex[:12]}")
    daraja = {"MPESA_CALLBACK_TOKEN": TOKEN, "MPESA_ALLOWED_SOURCES": "127.0.0.1"}
    with serve(database_url, tmp_path_factory.mktemp("schemathesis"), **daraja) as server:
        yield server


class Signature(AuthBase):
    """Signs the bytes that are really sent."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        body = request.body or b""
        raw = body.encode() if isinstance(body, str) else body
        headers = signed(raw)
        del headers["Content-Type"]
        request.headers.update(headers)
        request.headers["X-Mpesa-Signature"] = hex_hmac(GATEWAY_SECRET, raw)
        request.headers.pop("X-Key-Id", None)
        return request


def operation_id(case: Any) -> str:
    return str(case.operation.definition.raw.get("operationId"))


def help_along(case: Any, *, valid: bool) -> None:
    """A generator does not guess the token of the callbacks; `valid` also puts right what the domain limits beyond
    the schema, so that what lies behind the validation is reached."""
    if "token" in (case.path_parameters or {}):
        case.path_parameters = {**case.path_parameters, "token": TOKEN}
    if not valid or not isinstance(case.body, dict):
        return
    if operation_id(case) == "createMintIntent":
        case.headers = {**(case.headers or {}), "X-Idempotency-Key": uuid.uuid4().hex}
        amount = str((len(str(case.body)) % 900 + 1) * TOKENS)
        case.body = {**case.body, "user": "0x" + "ab" * 20, "amount": amount, "countryCode": "KES"}
        case.body.pop("fiatAmount", None)
        case.body["txRef"] = f"S-{uuid.uuid4().hex}"
    elif operation_id(case) == "mpesaGatewayCallback":
        case.body = {**case.body, "timestamp": int(time.time()), "amount": "1500.00", "phone": "254712345678"}
        case.body["metadata"] = {"receipt": uuid.uuid4().hex[:10]}


schema = schemathesis.openapi.from_dict(document())


@schema.parametrize()
@QUICK
def test_generated_requests_get_documented_answers(case: Any, live: Live) -> None:
    help_along(case, valid=False)
    response = case.call(base_url=live.url, auth=Signature())
    case.validate_response(response, checks=CHECKS)


def test_generated_sequences_get_documented_answers(live: Live) -> None:
    seen: Counter[tuple[str, int]] = Counter()
    described = schemathesis.openapi.from_dict(document())
    # Aliases repeat the same views, and open routes have no state.
    for path in list(described.raw_schema["paths"]):
        if not path.startswith(("/api/v1/mint-intents", "/api/v1/callbacks/mpesa")) or "token" in path:
            del described.raw_schema["paths"][path]

    class Signing(described.as_state_machine()):  # type: ignore[misc]
        """Makes intents, reads what it made, confirms payments."""

        def before_call(self, case: Any) -> None:
            """Half of the requests are put right."""
            help_along(case, valid=sum(seen.values()) % 2 == 0 or operation_id(case) == "createMintIntent")

        def get_call_kwargs(self, case: Any) -> dict[str, Any]:
            """Where to, and signed."""
            return {**super().get_call_kwargs(case), "base_url": live.url, "auth": Signature()}

        def validate_response(self, response: Any, case: Any, **_: Any) -> None:
            """The same checks as for single requests."""
            seen[operation_id(case), response.status_code] += 1
            case.validate_response(response, checks=CHECKS)

    Signing.run(settings=settings(QUICK, max_examples=20))
    print(dict(seen))
    # Without these the sequences would have tested refusals only.
    assert {("createMintIntent", 201), ("readMintIntent", 200), ("listMintIntents", 200)} <= set(seen)
    assert ("mpesaGatewayCallback", 200) in seen
    assert '"status": 5' not in live.log_path.read_text()
