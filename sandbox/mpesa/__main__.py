"""`python -m sandbox.mpesa`: start a simulator of M-PESA and run it until SIGTERM."""

import argparse
import os
import sys

from sandbox.kit.options import add_common_options, milliseconds, positive, schedule, settings_of
from sandbox.kit.process import run
from sandbox.mpesa.config import Config
from sandbox.mpesa.faults import mpesa_faults
from sandbox.mpesa.provider import Mpesa
from sandbox.mpesa.world import World

# Public on purpose: these open nothing but a simulator. The environment overrides them.
_DEFAULTS = {
    "MPESA_SANDBOX_CONSUMER_KEY": "sandbox-consumer-key",
    "MPESA_SANDBOX_CONSUMER_SECRET": "sandbox-consumer-secret",
    "MPESA_SANDBOX_PASSKEY": "sandbox-passkey",
    "MPESA_SANDBOX_INITIATOR": "testapi",
    "MPESA_SANDBOX_INITIATOR_PASSWORD": "sandbox-initiator",
}


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, serve until a signal, and return the exit code."""
    given = _parser().parse_args(arguments)
    settings = settings_of("mpesa", given)
    faults, config = mpesa_faults(settings.seed), _config(given)
    return run("M-PESA", settings, faults, lambda parts: Mpesa(World.open(parts, config)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox.mpesa", description="A simulator of M-PESA (Daraja).")
    add_common_options(
        parser, port=4010, callback="base URL of the gateway-form receiver", state="where the money book lives"
    )
    parser.add_argument("--shortcode", default="174379")
    parser.add_argument("--gateway-secret-env", default="MPESA_SANDBOX_GATEWAY_SECRET", metavar="NAME")
    parser.add_argument("--token-seconds", type=positive, default=3599)
    parser.add_argument("--answer-delay-ms", type=milliseconds, default=300, help="how long a customer thinks")
    parser.add_argument("--result-delay-ms", type=milliseconds, default=100, help="from an ack to its result")
    parser.add_argument(
        "--resend-ms",
        type=schedule,
        default=schedule("1000,2000,5000,10000,30000,60000"),
        help="pauses between gateway notices; the last repeats",
    )
    parser.add_argument("--production-urls", action="store_true", help="refuse the C2B URLs that production refuses")
    return parser


def _config(given: argparse.Namespace) -> Config:
    setting = {name: os.environ.get(name, default) for name, default in _DEFAULTS.items()}
    gateway_secret = os.environ.get(given.gateway_secret_env, "")
    return Config(
        callback_url=given.callback_url,
        shortcode=given.shortcode,
        consumer_key=setting["MPESA_SANDBOX_CONSUMER_KEY"],
        consumer_secret=setting["MPESA_SANDBOX_CONSUMER_SECRET"],
        passkey=setting["MPESA_SANDBOX_PASSKEY"],
        initiator=setting["MPESA_SANDBOX_INITIATOR"],
        initiator_credential=setting["MPESA_SANDBOX_INITIATOR_PASSWORD"],
        gateway_secret=gateway_secret.encode() or None,
        token_s=given.token_seconds,
        answer_delay_s=given.answer_delay_ms / 1000,
        result_delay_s=given.result_delay_ms / 1000,
        resend_schedule_s=given.resend_ms,
        production_urls=given.production_urls,
    )


if __name__ == "__main__":
    sys.exit(main())
