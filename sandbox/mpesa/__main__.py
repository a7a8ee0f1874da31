"""`python -m sandbox.mpesa`: start a simulator and run it until SIGTERM."""

import argparse
import logging
import os
import secrets
import signal
import sys
import threading
from pathlib import Path

from sandbox.mpesa.app import Simulator
from sandbox.mpesa.config import Config
from sandbox.mpesa.journal import JournalInUse
from sandbox.mpesa.wire import is_url

# Public on purpose: these open nothing but a simulator. The environment overrides them.
_DEFAULTS = {
    "MPESA_SANDBOX_CONSUMER_KEY": "sandbox-consumer-key",
    "MPESA_SANDBOX_CONSUMER_SECRET": "sandbox-consumer-secret",
    "MPESA_SANDBOX_PASSKEY": "sandbox-passkey",
    "MPESA_SANDBOX_INITIATOR": "testapi",
    "MPESA_SANDBOX_INITIATOR_PASSWORD": "sandbox-initiator",
}


def main(arguments: list[str] | None = None) -> int:
    """Parse, start, wait; return the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    config = _config(_parser().parse_args(arguments))
    try:
        simulator = Simulator(config)
    except (JournalInUse, OSError) as error:
        print(f"cannot start: {error}", file=sys.stderr)
        return 1
    for number in (signal.SIGTERM, signal.SIGINT):
        # `stop` waits for the serving loop, so it must not run inside that loop's own thread.
        signal.signal(number, lambda *_: threading.Thread(target=simulator.stop).start())
    print(f"M-PESA sandbox on http://{config.host}:{config.port}, seed {config.seed}", flush=True)
    simulator.run()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox.mpesa", description="A simulator of M-PESA (Daraja).")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=4010)
    parser.add_argument("--callback-url", type=_url, required=True, help="base URL of the gateway-form receiver")
    parser.add_argument("--state-dir", type=Path, required=True, help="where the money book lives")
    parser.add_argument("--seed", default=None, help="repeats identifiers and faults; drawn and printed if not given")
    parser.add_argument("--shortcode", default="174379")
    parser.add_argument("--gateway-secret-env", default="MPESA_SANDBOX_GATEWAY_SECRET", metavar="NAME")
    parser.add_argument("--token-seconds", type=_positive, default=3599)
    parser.add_argument("--answer-delay-ms", type=_milliseconds, default=300, help="how long a customer thinks")
    parser.add_argument("--result-delay-ms", type=_milliseconds, default=100, help="from an ack to its result")
    parser.add_argument(
        "--resend-ms",
        type=_schedule,
        default=_schedule("1000,2000,5000,10000,30000,60000"),
        help="pauses between gateway notices; the last repeats",
    )
    parser.add_argument("--production-urls", action="store_true", help="refuse the C2B URLs that production refuses")
    return parser


def _config(given: argparse.Namespace) -> Config:
    setting = {name: os.environ.get(name, default) for name, default in _DEFAULTS.items()}
    gateway_secret = os.environ.get(given.gateway_secret_env, "")
    return Config(
        host=given.host,
        port=given.port,
        callback_url=given.callback_url,
        state_dir=given.state_dir,
        seed=given.seed or secrets.token_hex(8),
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


def _url(text: str) -> str:
    if not is_url(text):
        raise argparse.ArgumentTypeError("must be an http(s) URL")
    return text


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError("must be more than 0")
    return value


def _milliseconds(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError("must be 0 or more")
    return value


def _schedule(text: str) -> tuple[float, ...]:
    return tuple(_positive(part) / 1000 for part in text.split(","))


if __name__ == "__main__":
    sys.exit(main())
