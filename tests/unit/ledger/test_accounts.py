"""The chart: what a code may look like follows from its family."""

from __future__ import annotations

import pytest

from fiatrails.kernel.errors import BadInput
from fiatrails.ledger import accounts
from fiatrails.ledger.accounts import CODE_LENGTH, FAMILIES, TERM_OF_KIND, AccountKind, EntryKind, Side, account_spec

SOLANA_ADDRESS = "7EcDhSYGxXyscszYEp35KHN8vvw3svAuLKTzXwCFLtVx"
EXAMPLES = {"<provider>": "mpesa", "<party>": SOLANA_ADDRESS, "<CUR>": "USD", "<COUNTRY>": "KES"}


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda family: family.name)
def test_the_form_of_a_family_is_the_shape_of_its_codes(family: accounts.Family) -> None:
    code = family.form
    for place, example in EXAMPLES.items():
        code = code.replace(place, example)
    spec = account_spec(code)
    assert (spec.family, spec.kind, spec.currency) == (family, family.kind, code.rpartition(":")[2])


def test_every_kind_of_entry_says_what_it_adds_to_the_equation() -> None:
    assert set(TERM_OF_KIND) == set(EntryKind)


def test_a_party_keeps_its_case_and_its_currency_may_be_longer() -> None:
    spec = account_spec(f"creator:{SOLANA_ADDRESS}:USDC")
    assert (spec.kind, spec.family.side, spec.currency) == (AccountKind.LIABILITY, Side.DELIVERED, "USDC")


@pytest.mark.parametrize(
    "code",
    [
        "creator:USD",
        "creator::USD",
        "creator:a:b:USD",
        "creator:a b:USD",
        "creator:KES.token",
        "platform:p-1:USD",
        "pending:mpesa:KES",
        "pending:KES.token",
        "token_supply:KES",
        "cash:KES",
        "cash:Mpesa:KES",
        "creator:" + "x" * CODE_LENGTH + ":USD",
    ],
)
def test_a_code_of_another_shape_is_refused(code: str) -> None:
    with pytest.raises(BadInput, match="unknown_account"):
        account_spec(code)


def test_a_code_in_an_unknown_currency_is_refused() -> None:
    with pytest.raises(BadInput, match="unknown_currency"):
        account_spec("pending:XXX")
