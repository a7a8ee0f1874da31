"""The runbook's PromQL answers on what the product counts, asked of Prometheus' own tool."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import yaml
from prometheus_client import REGISTRY

from fiatrails.chains.evm.pool import EvmPool
from fiatrails.kernel import metrics
from fiatrails.local.toolchain import PROJECT_ROOT
from tests.kit.debian import program

PAGE = PROJECT_ROOT / "docs" / "reference" / "metrics.md"
SECTION = PAGE.read_text().partition("## The runbook's queries")[2]
AS_WRITTEN, PER_RAIL, CORRECTED = re.findall(r"```promql\n(.*?)```", SECTION, re.S)
ERROR_RATE, DEAD_LETTERS, SUCCESS_RATE = (line for line in AS_WRITTEN.splitlines() if line and not line.startswith("#"))

Answers = Callable[[str], dict[str, float]]


class Flaky(httpx.BaseTransport):
    """A node of which every tenth answer is an HTTP error, and every fifth one is a revert."""

    asked = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        if self.asked % 10 == 0:
            return httpx.Response(502, text="bad gateway")
        if self.asked % 5 == 0:
            return httpx.Response(200, json={"id": 0, "error": {"code": 3, "message": "execution reverted"}})
        return httpx.Response(200, json={"id": 0, "result": "0x"})


def counted() -> dict[str, float]:
    """The samples that the queries ask for, as `/metrics` writes them."""
    asked = ("fiatrails_rpc_errors_total", "fiatrails_rpc_requests_total", "fiatrails_mint_intents_total")
    return {
        series(sample.name, sample.labels): sample.value
        for family in REGISTRY.collect()
        for sample in family.samples
        if sample.name in (*asked, "fiatrails_dlq_depth")
    }


def series(name: str, labels: dict[str, str]) -> str:
    inside = ", ".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
    return f"{name}{{{inside}}}"


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    """Asks a query over five minutes, in each of which the same happened: a run with a tenth of failures."""
    before = counted()
    (endpoint,) = EvmPool(["http://node.example"], timeout_s=1, transports=[Flaky()]).endpoints
    for _ in range(100):
        try:
            endpoint.call("eth_call")
        except Exception as error:
            if "execution reverted" not in str(error) and "http_status" not in str(error):
                raise
    metrics.mint_intents.labels("executed").inc(18)
    metrics.mint_intents.labels("failed").inc(2)
    after = counted()
    told = [{"series": name, "values": f"{before[name]}+{after[name] - before[name]}x10"} for name in after]
    directory = tmp_path_factory.mktemp("promql")

    def ask(query: str) -> dict[str, float]:
        return asked_of_promtool(query.strip(), told, directory)

    return ask


def asked_of_promtool(query: str, told: list[dict[str, str]], directory: Path) -> dict[str, float]:
    """What the query answers: promtool is told to expect nothing and says what it got."""
    tests = {
        "tests": [{"interval": "1m", "input_series": told, "promql_expr_test": [{"expr": query, "eval_time": "10m"}]}]
    }
    (directory / "rules.yml").write_text(yaml.safe_dump({"rule_files": [], **tests}))
    promtool = program("promtool", package="prometheus")
    done = subprocess.run(
        [promtool, "test", "rules", "rules.yml"], cwd=directory, capture_output=True, text=True, check=False
    )
    _, _, got = done.stdout.partition("got:") if "got:" in done.stdout else done.stderr.partition("got:")
    assert got or done.returncode == 0, done.stderr
    return {labels: float(value) for labels, value in re.findall(r"(\w*\{.*?\}) (\S+?)(?=[,\n]|$)", got)}


def test_the_error_rate_answers_as_written(answers: Answers) -> None:
    """A tenth of the calls failed; reverts are answers."""
    assert answers(ERROR_RATE)['{method="eth_call"}'] == pytest.approx(0.1)


def test_the_error_rate_of_the_whole_rail_sums_both_sides(answers: Answers) -> None:
    assert answers(PER_RAIL) == {"{}": pytest.approx(0.1)}


def test_the_depth_of_dead_letters_answers_as_written(answers: Answers) -> None:
    assert answers(DEAD_LETTERS) == {'{__name__="fiatrails_dlq_depth"}': 0}


def test_the_success_rate_as_written_is_always_one(answers: Answers) -> None:
    """Eighteen of twenty succeeded, and the query says all: it divides a series by itself."""
    assert answers(SUCCESS_RATE) == {'{status="executed"}': 1}


def test_the_success_rate_corrected_tells_how_many_succeeded(answers: Answers) -> None:
    assert answers(CORRECTED) == {"{}": pytest.approx(0.9)}


def test_the_latencies_that_the_runbook_names_can_be_read_off() -> None:
    """A quantile between two bounds is interpolated: a goal has to be a bound."""
    assert {2, 3} <= set(metrics.rpc_duration._upper_bounds)
