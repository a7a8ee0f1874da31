"""Names that are a public contract."""

from __future__ import annotations

from fiatrails.providers.core.models import Payment, ProviderRequest
from fiatrails.providers.mpesa.charging import account_reference, mask, parse_phone


def test_the_label_of_the_providers_is_rb_core() -> None:
    assert {model._meta.app_label for model in (Payment, ProviderRequest)} == {"rb_core"}


def test_an_account_reference_is_short_and_differs_for_every_push() -> None:
    references = {account_reference("0x" + "ab" * 32, number) for number in range(1, 50)}
    assert len(references) == 49
    assert {len(reference) for reference in references} == {12}
    assert all(reference.isalnum() and reference.upper() == reference for reference in references)


def test_a_phone_is_understood_in_every_usual_form_and_masked() -> None:
    forms = ("0708374149", "+254708374149", "254708374149", "708 374 149", "254-708-374-149")
    assert {parse_phone(form) for form in forms} == {"254708374149"}
    assert mask("254708374149") == "2547*****149"
