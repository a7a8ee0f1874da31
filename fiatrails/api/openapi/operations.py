"""How drf-spectacular describes an operation of this product."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.utils import OpenApiParameter

from fiatrails.api.authentication import SignedRequest
from fiatrails.api.openapi.answers import LinkedResponse, RefusalResponse, response_header

Schema = dict[str, Any]
# Name, type, description, statuses of the refusals that carry it.
_HEADERS = (
    ("WWW-Authenticate", str, "", {401}),
    ("Allow", str, "", {405}),
    ("Retry-After", int, "Seconds", {429, 503}),
)


class SignedRequestExtension(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The two headers of a signed request."""

    target_class = SignedRequest
    name = ["signature", "timestamp"]

    def get_security_definition(self, auto_schema: AutoSchema) -> list[Schema]:  # noqa: ARG002 - the library names it
        """Return one scheme for each header; both are needed."""
        return [
            {
                "type": "apiKey",
                "in": "header",
                "name": "X-Request-Signature",
                "description": "Hex HMAC-SHA256(secret, X-Request-Timestamp + raw body); the body of a GET is empty.",
            },
            {
                "type": "apiKey",
                "in": "header",
                "name": "X-Request-Timestamp",
                "description": "Unix seconds of signing",
            },
        ]


class Operation(AutoSchema):
    """An operation with the headers that all have, links, and refusals that are described once."""

    def get_override_parameters(self) -> list[Any]:
        """Return X-Key-Id where requests are signed, and the headers of the answers."""
        # What is not JSON stands under (status, media type).
        answers = {code: response for code, response in self._answers().items() if isinstance(code, int)}
        refusals = [code for code, response in answers.items() if isinstance(response, RefusalResponse)]
        request_id = "The request's X-Request-Id, or a new one"
        parameters = [response_header("X-Request-Id", str, list(answers), request_id)]
        for name, type_, description, codes in _HEADERS:
            found = [code for code in refusals if code in codes]
            parameters += [response_header(name, type_, found, description)] if found else []
        if SignedRequest in self.view.authentication_classes:
            described = "Which key signed. Without it, the keys of the client `default` are tried."
            parameters.append(OpenApiParameter("X-Key-Id", str, OpenApiParameter.HEADER, description=described))
        return parameters

    def get_description(self) -> str:  # type: ignore[override] # as the library's own
        """Return nothing beside what is said to clients: docstrings speak to programmers."""
        return ""

    def get_operation(self, *args: Any) -> Schema | None:
        """Return the operation; every body is required, and who needs no signature says so."""
        operation: Schema | None = super().get_operation(*args)
        if operation is None:
            return None
        if "requestBody" in operation:
            operation["requestBody"]["required"] = True
        operation.setdefault("security", [])
        responses = operation["responses"]
        for code, response in self._answers().items():
            if isinstance(response, LinkedResponse):
                responses[str(code)]["links"] = response.links
            elif isinstance(response, RefusalResponse):
                responses[str(code)] = self._shared(response, responses[str(code)])
        operation["responses"] = dict(sorted(responses.items()))
        return operation

    def _shared(self, refusal: RefusalResponse, response: Schema) -> Schema:
        component = ResolvedComponent(refusal.name, ResolvedComponent.RESPONSE, response, refusal)  # type: ignore[no-untyped-call]
        self.registry.register_on_missing(component)
        reference: Schema = component.ref
        return reference

    def _answers(self) -> dict[Any, Any]:
        answers: Any = self.get_response_serializers()
        return answers if isinstance(answers, dict) else {}
