"""The OpenAPI document against the addresses that are really served."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from django.urls import URLPattern, get_resolver

from fiatrails.api.geo import _EXEMPT
from fiatrails.api.openapi.document import ALIASES, document

PATHS = {path: item for path, item in document()["paths"].items() if path not in ALIASES}


def served(patterns: list[Any], prefix: str = "/") -> Iterator[str]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            named = re.sub(r"<str:(\w+)>", r"{\1}", route)
            yield named.replace("{intent_id}", "{intentId}").replace("{screening_id}", "{screeningId}")
        else:
            yield from served(pattern.url_patterns, route)


def test_every_address_is_described_and_every_description_is_served() -> None:
    assert sorted(served(get_resolver().url_patterns)) == sorted({*PATHS, *ALIASES})


def test_the_document_is_valid_openapi_3_1() -> None:
    # Here, because every process of a run reads this file, and it takes a second to import.
    import schemathesis

    found = document()
    assert found["openapi"].startswith("3.1")
    schemathesis.openapi.from_dict(found).validate()


def test_every_operation_documents_its_errors() -> None:
    for path, item in PATHS.items():
        for operation in item.values():
            codes = set(operation["responses"])
            assert "405" in codes, path
            if operation.get("requestBody"):
                assert {"400", "413", "503"} <= codes, path
            if operation["security"]:
                assert "401" in codes, path


def test_every_operation_that_may_be_refused_by_country_says_so() -> None:
    for path, item in PATHS.items():
        for operation in item.values():
            assert ("403" in operation["responses"]) == (_EXEMPT.fullmatch(path) is None), path
