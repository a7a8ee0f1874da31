"""Refuse in Daraja's own shape."""

import secrets

from sandbox.kit.messages import Refusal


def daraja_refusal(status: int, code: str, message: str) -> Refusal:
    """Return an error of Daraja: `{requestId, errorCode, errorMessage}`."""
    request_id = f"{secrets.token_hex(2)}-{secrets.token_hex(2)}-{secrets.token_hex(4)}"
    return Refusal(status, {"requestId": request_id, "errorCode": code, "errorMessage": message})


def invalid(name: str) -> Refusal:
    """Return the refusal of one field."""
    return daraja_refusal(400, "400.002.02", f"Bad Request - Invalid {name}")


def spike_arrest() -> Refusal:
    """Return the refusal of a caller that is too quick."""
    return daraja_refusal(500, "500.003.02", "Error Occurred: Spike Arrest Violation")
