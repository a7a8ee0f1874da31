"""Define the faults that only M-PESA has."""

from typing import Any

from sandbox.kit.faults import Fault, Faults, chance, choice, count, flag
from sandbox.kit.messages import control_refusal

_KINDS = ("stk", "c2b", "result", "gateway")


def mpesa_faults(seed: str) -> Faults:
    """Return the faults of an M-PESA, all off; those of its API spare the access tokens."""
    own = {
        **chance("spikeArrest"),
        "queueTimeoutNext": count(1_000_000),
        "failResultNext": count(1_000_000),
        "failResultCode": Fault("26", _result_code),
        "inFlight": choice("error", "4999"),
        "alsoAsC2b": flag(),
        "oauthDown": flag(),
    }
    return Faults(seed, kinds=_KINDS, own=own, spared=("/oauth/",))


def _result_code(name: str, value: Any) -> str:
    code = str(value)
    if isinstance(value, bool) or not code.isalnum() or code == "0":
        raise control_refusal(f"{name} must be a result code other than 0")
    return code
