"""The reference pages say what the code says: no more, no less, and with the same defaults."""

from __future__ import annotations

import ast
import json
import re
from functools import cache
from pathlib import Path
from typing import Any, TypeGuard

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from fiatrails.compliance.sanctions.states import MOVES
from fiatrails.config.env import Environment
from fiatrails.kernel import metrics
from fiatrails.kernel.currencies import CURRENCIES
from fiatrails.kernel.profile import Profile
from fiatrails.ledger.accounts import FAMILIES, TERM_OF_KIND
from fiatrails.providers.core.models import PaymentState, RequestState
from fiatrails.providers.mpesa.config import SAFARICOM_SOURCES
from fiatrails.purchases.states import ALLOWED, DeliveryState, Hold, State, public_status
from tests.unit.docs.pages import ROOT, first_column, tables

REFERENCE = ROOT / "docs" / "reference"
CONFIGURATION = REFERENCE / "configuration.md"
# Set by the WSGI server for each request, or by the operating system.
_NOT_OURS = {"CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING", "PATH"}
_NAME = re.compile(r"[A-Z][A-Z0-9_]{2,}")


@cache
def variables_of_the_code() -> set[str]:
    """Every environment variable that the package reads: fields, `environ` look-ups, `envvar=`, modes' variables."""
    found = {name.upper() for name in Environment.model_fields}
    for path in (ROOT / "fiatrails").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            found |= _read_here(node)
    found |= set(re.findall(r'_Rule\(\s*"([A-Z_]+)"', (ROOT / "fiatrails/controls/modes.py").read_text()))
    return found - _NOT_OURS


def _read_here(node: ast.AST) -> set[str]:
    texts: list[ast.expr] = []
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
        if node.func.attr in ("get", "setdefault", "pop") and _is_environ(node.func.value):
            texts.append(node.args[0])
    elif isinstance(node, ast.Subscript) and _is_environ(node.value):
        texts.append(node.slice)
    elif (isinstance(node, ast.keyword) and node.arg == "envvar") or _names_a_variable(node):
        texts.append(node.value)
    return {t.value for t in texts if isinstance(t, ast.Constant) and _NAME.fullmatch(str(t.value))}


def _names_a_variable(node: ast.AST) -> TypeGuard[ast.Assign]:
    return isinstance(node, ast.Assign) and any(
        isinstance(target, ast.Name) and target.id.endswith("_VARIABLE") for target in node.targets
    )


def _is_environ(node: ast.expr) -> bool:
    return (isinstance(node, ast.Attribute) and node.attr == "environ") or (
        isinstance(node, ast.Name) and node.id == "environ"
    )


def variables_of_the_compose_file() -> set[str]:
    text = (ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8")
    return set(re.findall(r"\$\{([A-Z_]+)", text))


def documented_variables() -> list[str]:
    return [name for name in first_column(CONFIGURATION, under="## Environment variables") if _NAME.fullmatch(name)]


def test_every_environment_variable_is_documented_once() -> None:
    named = documented_variables()
    assert sorted(named) == sorted(set(named))
    # prometheus_client reads this one itself.
    known = variables_of_the_code() | variables_of_the_compose_file() | {"PROMETHEUS_MULTIPROC_DIR"}
    assert set(named) == known


def test_the_variables_state_the_defaults_of_the_code() -> None:
    said = {row[0].strip("`"): row[1] for table in tables(CONFIGURATION) for row in table if len(row) == 3}
    for name, field in Environment.model_fields.items():
        default = field.default
        cell = said[name.upper()]
        secret = hasattr(default, "get_secret_value")
        if default in (None, "") or (secret and not default.get_secret_value()):
            assert cell in ("none", "from the profile"), name
        elif name == "mpesa_allowed_sources":
            assert default == SAFARICOM_SOURCES
        elif name == "django_secret_key":
            assert cell == "a local one"
        else:
            text = default.get_secret_value() if secret else default
            assert cell == f"`{json.dumps(text) if isinstance(text, bool) else text}`", name


def keys(model: type[BaseModel], prefix: str = "") -> set[str]:
    found: set[str] = set()
    for field in model.model_fields.values():
        name, inner = f"{prefix}{field.alias}", _section(field.annotation)
        if inner is None:
            found.add(name)
        else:
            found |= keys(inner, f"{name}[]." if "tuple" in str(field.annotation) else f"{name}.")
    return found


def _section(annotation: Any) -> type[BaseModel] | None:
    inner = annotation.__args__[0] if hasattr(annotation, "__args__") else annotation
    return inner if isinstance(inner, type) and issubclass(inner, BaseModel) else None


def test_every_key_of_the_profile_is_documented() -> None:
    named = first_column(CONFIGURATION, under="## Deployment profile")
    assert sorted(named) == sorted(keys(Profile))


def field_of(key: str) -> FieldInfo:
    """The field itself, for keys of sections that a deployment leaves out by default."""
    model: type[BaseModel] = Profile
    for part in key.split("."):
        field = next(f for f in model.model_fields.values() if f.alias == part.removesuffix("[]"))
        model = _section(field.annotation) or model
    return field


def test_the_profile_states_the_defaults_of_the_code() -> None:
    defaults = Profile().model_dump(mode="json", by_alias=True)
    said = {row[0].strip("`"): row[1] for row in tables(CONFIGURATION)[-1]}
    words = {
        "1 token": 10**18,
        "1,000,000 tokens": 10**24,
        "5,000,000 tokens": 5 * 10**24,
        "500 gwei": 5 * 10**11,
        "1 gwei": 10**9,
        "none": None,
        "one to one": None,
        "required": PydanticUndefined,
        "empty": "",
    }
    for key, cell in said.items():
        value: Any = defaults
        for part in key.split("."):
            if value is None:
                value = field_of(key).default
                break
            # Of a list that is empty by default nothing has a default.
            value = value.get(part.removesuffix("[]"))
            value = (value[0] if value else {}) if part.endswith("[]") else value
        plain = cell.strip("`")
        whole = int(value) if isinstance(value, float) and value.is_integer() else value
        if cell in words:
            assert words[cell] == value, key
        else:
            assert plain in (json.dumps(whole), str(whole)), key


def test_every_metric_is_documented_with_its_labels() -> None:
    known = {}
    for value in vars(metrics).values():
        if hasattr(value, "_labelnames"):
            kind = value._type
            name = f"{value._name}_total" if kind == "counter" else value._name
            known[name] = (kind, ", ".join(f"`{label}`" for label in value._labelnames))
    rows = tables(REFERENCE / "metrics.md")[0]
    assert {row[0].strip("`"): (row[1], row[2]) for row in rows} == known


def test_every_state_and_move_is_documented() -> None:
    page = REFERENCE / "states.md"
    states, moves, holds, payments, requests, deliveries = tables(page)[:6]
    assert {row[0].strip("`") for row in deliveries} == {state.value for state in DeliveryState}
    assert {row[0]: row[1] for row in states} == {f"`{s.value}`": f"`{public_status(s)}`" for s in State}
    said = {row[0].strip("`"): set(re.findall(r"`(\w+)`", row[1])) for row in moves}
    assert said == {s.value: {t.value for t in targets} for s, targets in ALLOWED.items() if targets}
    assert {row[0].strip("`") for row in holds} == {hold.value for hold in Hold}
    assert {row[0].strip("`") for row in payments} == set(PaymentState.values)
    assert {row[0].strip("`") for row in requests} == set(RequestState.values)
    cases = next(table for table in tables(page) if table[0][0] == "`open`")
    said = {row[0].strip("`"): set(re.findall(r"`(\w+)`", row[2])) for row in cases}
    assert said == {state.value: {target.value for target in targets} for state, targets in MOVES.items()}


def test_every_account_family_is_documented_with_its_kind() -> None:
    said = {row[0].strip("`").split(":")[0]: row[1] for row in tables(REFERENCE / "ledger.md")[0]}
    assert said == {name: family.kind.value for name, family in FAMILIES.items()}


def test_the_tables_of_the_ledger_are_those_of_the_code() -> None:
    families, kinds, currencies = tables(REFERENCE / "ledger.md")[:3]
    assert families == [[f"`{f.form}`", f.kind, f.side or "none", f.balance] for f in FAMILIES.values()]
    assert kinds == [[f"`{kind}`", term or "none"] for kind, term in TERM_OF_KIND.items()]
    assert currencies == [[f"`{code}`", str(scale)] for code, scale in CURRENCIES.items()]


def test_every_table_is_documented() -> None:
    from django.apps import apps

    ours = {m._meta.db_table for m in apps.get_models() if m.__module__.startswith("fiatrails.")}
    assert set(first_column(REFERENCE / "database.md")) == ours


@cache
def operations_of_dead_letters() -> set[str]:
    """Operations of dead letters: the keyword of `add`, and what names an operation by position."""
    by_position = {"Work", "_queue", "alarm", "_alarm"}
    found = set()
    for path in (ROOT / "fiatrails").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            given = [keyword.value for keyword in node.keywords if name == "add" and keyword.arg == "operation"]
            given += node.args if name in by_position else []
            words = {str(value.value) for value in given if isinstance(value, ast.Constant)}
            found |= {word for word in words if re.fullmatch(r"[a-z]+(?:[A-Z][a-z]+)+", word)}
    return found


def test_every_kind_of_dead_letter_is_documented() -> None:
    said = "\n".join(row[0] for table in tables(ROOT / "docs/how-to/replay-dead-letters.md") for row in table)
    assert {"checkCompliance", "confirmPayment", "mintUnexpected", "suspendPayer"} <= operations_of_dead_letters()
    assert operations_of_dead_letters() - set(re.findall(r"`(\w+)`", said)) == set()


def test_every_decision_page_is_listed_and_has_its_parts() -> None:
    folder = ROOT / "docs" / "decisions"
    pages = sorted(path for path in folder.glob("[0-9]*.md"))
    assert [int(path.name[:4]) for path in pages] == list(range(1, len(pages) + 1))
    listed = re.findall(r"\]\((\d{4}-[a-z0-9-]+\.md)\)", (folder / "README.md").read_text())
    assert listed == [path.name for path in pages]


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md")), ids=lambda p: p.stem)
def test_a_decision_fits_on_a_page(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert re.findall(r"^## (\w+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]
    assert re.search(r"^Status: (accepted|superseded by )", text, re.MULTILINE)
    assert len(text.splitlines()) <= 60
