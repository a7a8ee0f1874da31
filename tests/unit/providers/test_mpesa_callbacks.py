"""Native callbacks: read as providers.md describes them, and nothing but BadInput for anything else."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fiatrails.kernel.errors import BadInput
from fiatrails.kernel.money import Money
from fiatrails.providers.mpesa import callbacks, fields

Parser = Callable[[bytes], object]
PARSERS: list[Parser] = [
    callbacks.parse_stk,
    callbacks.parse_c2b,
    callbacks.parse_result,
    callbacks.parse_timeout,
]


def stk(code: Any = 0, items: Any = None, **more: Any) -> bytes:
    callback = {
        "MerchantRequestID": "29115-34620561-1",
        "CheckoutRequestID": "ws_CO_1",
        "ResultCode": code,
        "ResultDesc": "text",
        **more,
    }
    if items is not None:
        callback["CallbackMetadata"] = {"Item": items}
    return json.dumps({"Body": {"stkCallback": callback}}).encode()


PAID = [
    {"Name": "Amount", "Value": 10.0},
    {"Name": "MpesaReceiptNumber", "Value": "nlj7rt61sv"},
    {"Name": "Balance"},
    {"Name": "TransactionDate", "Value": 20191219102115},
    {"Name": "PhoneNumber", "Value": 254708374149},
]


def c2b(**changes: Any) -> bytes:
    body = {
        "TransactionType": "Pay Bill",
        "TransID": "RKTQDM7W6S",
        "TransTime": "20191122063845",
        "TransAmount": "5.00",
        "BusinessShortCode": "600638",
        "BillRefNumber": " INV-1 ",
        "InvoiceNumber": "",
        "OrgAccountBalance": "49197.00",
        "ThirdPartyTransID": "",
        "MSISDN": "2547*****149",
        "FirstName": "JOHN",
    }
    return json.dumps({**body, **changes}).encode()


def test_a_paid_push_is_read() -> None:
    callback = callbacks.parse_stk(stk(items=PAID, Unheard="of"))
    event = callback.event
    assert (callback.checkout_id, callback.code) == ("ws_CO_1", "0")
    assert (event.receipt, event.paid, event.phone) == ("NLJ7RT61SV", Money("KES", 1000), "254708374149")
    assert event.occurred_at == datetime(2019, 12, 19, 7, 21, 15, tzinfo=UTC)
    assert not event.trusted
    assert callbacks.checkout_of(event.event_key) == "ws_CO_1"


@pytest.mark.parametrize("code", ["0", 0, " 0 "])
def test_codes_are_read_as_number_and_as_text(code: Any) -> None:
    assert callbacks.parse_stk(stk(code, PAID)).event.paid == Money("KES", 1000)


def test_an_unpaid_push_carries_no_money() -> None:
    event = callbacks.parse_stk(stk(1032)).event
    assert (event.paid, event.receipt) == (None, None)


def test_failure_and_success_of_one_push_are_different_events() -> None:
    keys = {callbacks.parse_stk(raw).event.event_key for raw in (stk(1032), stk(1), stk(0, PAID))}
    assert len(keys) == 3


@pytest.mark.parametrize(
    "items",
    [
        None,
        [],
        PAID[1:],
        [PAID[0]],
        [{"Name": "Amount", "Value": -1}, PAID[1]],
        [{"Name": "Amount", "Value": 1e300}, PAID[1]],
        [{"Name": "Amount", "Value": 0.001}, PAID[1]],
        [{"Name": "Amount", "Value": True}, PAID[1]],
        [PAID[0], {"Name": "MpesaReceiptNumber", "Value": "a b"}],
        [1],
        [PAID[0]] * 101,
    ],
)
def test_a_success_that_does_not_say_what_was_paid_is_refused(items: Any) -> None:
    with pytest.raises(BadInput):
        callbacks.parse_stk(stk(0, items))


@pytest.mark.parametrize("extreme", [b"1E99999999999999999999", b"-1E-99999999999999999999", b"9" * 5000, b"NaN"])
def test_extreme_numbers_are_refused_and_cost_nothing(extreme: bytes) -> None:
    with pytest.raises(BadInput):
        callbacks.parse_c2b(c2b().replace(b'"5.00"', extreme))


def test_a_paybill_payment_is_read_and_its_reference_trimmed() -> None:
    payment = callbacks.parse_c2b(c2b())
    assert (payment.shortcode, payment.event.tx_ref) == ("600638", "INV-1")
    assert (payment.event.receipt, payment.event.paid) == ("RKTQDM7W6S", Money("KES", 500))
    assert payment.event.phone == "2547*****149"


@pytest.mark.parametrize(
    ("reference", "read"), [(None, ""), ("", ""), ("x" * 129, ""), ("ünï", ""), (12345, "12345"), ({}, "")]
)
def test_money_with_an_unusable_reference_is_still_money(reference: Any, read: str) -> None:
    assert callbacks.parse_c2b(c2b(BillRefNumber=reference)).event.tx_ref == read


@pytest.mark.parametrize(
    ("names", "read"),
    [
        (("JOHN", "OTIENO", "DOE"), "JOHN OTIENO DOE"),
        (("JOHN", "", ""), "JOHN"),
        (("JOHN", None, "DOE"), "JOHN DOE"),
        (("  JOHN ", "\t", "O'Neil-Doe"), "JOHN O'Neil-Doe"),
        (("Wanjikũ", "", "N\u0303ande"), "Wanjikũ N\u0303ande"),
        (("محمد", "", "علي"), "محمد علي"),
        ((None, None, None), ""),
        (("", "", ""), ""),
        ((7, ["JOHN"], {"a": 1}), ""),
        (("254708374149", "", ""), ""),
        (("J***", "", "D**"), ""),
        (("JOHN", "", "D**"), ""),
        (("JOHN", "XXXX", "DOE"), ""),
        (("J\u2022\u2022\u2022", "", ""), ""),
        (("XAVIER", "", "MAXX"), "XAVIER MAXX"),
        (("a\0b", "\ud800", "c\n"), "a b c"),
        (("\u202eJOHN\u200b", "", ""), "JOHN"),
        (("\U0001f600", "", ""), ""),
        (("A" * 10_000, "B" * 10_000, "C" * 10_000), " ".join(letter * 100 for letter in "ABC")),
    ],
)
def test_the_name_of_a_payer_is_read_where_it_is_one(names: tuple[Any, Any, Any], read: str) -> None:
    first, middle, last = names
    event = callbacks.parse_c2b(c2b(FirstName=first, MiddleName=middle, LastName=last)).event
    assert (event.payer_name, event.paid) == (read, Money("KES", 500))


def test_the_same_payment_with_its_name_masked_says_the_same() -> None:
    told, hidden = (callbacks.parse_c2b(c2b(FirstName=name)).event for name in ("JOHN", "J***"))
    assert (told.payer_name, hidden.payer_name) == ("JOHN", "")
    assert told.digest == hidden.digest


@given(st.lists(st.text(max_size=400) | st.none() | st.integers(), min_size=3, max_size=3))
def test_whatever_a_name_is_it_can_be_kept(parts: list[Any]) -> None:
    name = fields.payer_name(*parts)
    assert len(name) <= 320
    assert name == name.strip()
    assert "\0" not in name
    name.encode("utf-8")


def test_a_name_given_twice_is_refused() -> None:
    raw = c2b().replace(b'"TransAmount"', b'"TransAmount": "1.00", "TransAmount"')
    with pytest.raises(BadInput):
        callbacks.parse_c2b(raw)


PARAMETER = {"Key": "ReceiptNo", "Value": "RKTQDM7W6S"}


@pytest.mark.parametrize("parameter", [PARAMETER, [PARAMETER], [PARAMETER, {"Key": "DebitPartyCharges"}]])
def test_result_parameters_come_as_object_or_list(parameter: Any) -> None:
    body = {
        "Result": {
            "ResultType": "0",
            "ResultCode": 0,
            "ResultDesc": "ok",
            "OriginatorConversationID": "o",
            "ConversationID": "c",
            "TransactionID": "t",
            "Other": [],
            "ResultParameters": {"ResultParameter": parameter},
        }
    }
    result = callbacks.parse_result(json.dumps(body).encode())
    assert (result.code, result.parameters["ReceiptNo"]) == ("0", "RKTQDM7W6S")


def test_an_amount_in_a_result_keeps_its_plain_form() -> None:
    raw = (
        b'{"Result": {"ResultCode": "0", "ResultParameters": {"ResultParameter": {"Key": "Amount", "Value": 1.5E+2}}}}'
    )
    assert callbacks.parse_result(raw).parameters["Amount"] == "150"


def test_codes_may_be_words() -> None:
    assert callbacks.parse_result(b'{"Result": {"ResultCode": "R000002"}}').code == "R000002"


@pytest.mark.parametrize("body", [b"{}", b'{"Result": {"ConversationID": "c"}}', b'{"Result": 1}'])
def test_a_timeout_of_any_form_is_a_timeout(body: bytes) -> None:
    assert isinstance(callbacks.parse_timeout(body), callbacks.QueueTimeout)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda children: (
        st.lists(children, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "Body",
                    "stkCallback",
                    "CheckoutRequestID",
                    "ResultCode",
                    "CallbackMetadata",
                    "Item",
                    "Name",
                    "Value",
                    "Amount",
                    "MpesaReceiptNumber",
                    "TransID",
                    "TransAmount",
                    "BillRefNumber",
                    "TransTime",
                    "MSISDN",
                    "Result",
                    "ResultParameters",
                    "ResultParameter",
                    "Key",
                ]
            )
            | st.text(max_size=5),
            children,
            max_size=6,
        )
    ),
    max_leaves=20,
)


@pytest.mark.parametrize("parse", PARSERS)
@given(raw=st.binary(max_size=300))
def test_no_bytes_raise_anything_but_bad_input(parse: Parser, raw: bytes) -> None:
    _harmless(parse, raw)


@pytest.mark.parametrize("parse", PARSERS)
@given(body=JSON)
def test_no_json_raises_anything_but_bad_input(parse: Parser, body: Any) -> None:
    _harmless(parse, json.dumps(body).encode())


@given(
    code=JSON,
    items=st.lists(st.fixed_dictionaries({"Name": st.sampled_from(["Amount", "MpesaReceiptNumber"]), "Value": JSON})),
)
def test_no_push_raises_anything_but_bad_input(code: Any, items: Any) -> None:
    _harmless(callbacks.parse_stk, stk(code, items))
    _harmless(callbacks.parse_stk, stk(0, items))


@given(
    changes=st.dictionaries(st.sampled_from(["TransID", "TransTime", "TransAmount", "BillRefNumber", "MSISDN"]), JSON)
)
def test_no_paybill_payment_raises_anything_but_bad_input(changes: dict[str, Any]) -> None:
    _harmless(callbacks.parse_c2b, c2b(**changes))


@given(parameters=JSON)
def test_no_result_raises_anything_but_bad_input(parameters: Any) -> None:
    raw = json.dumps({"Result": {"ResultCode": 0, "ResultParameters": parameters}}).encode()
    _harmless(callbacks.parse_result, raw)


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(BadInput):
        fields.json_object(b'{"a":' * 30_000)


def _harmless(parse: Parser, raw: bytes) -> None:
    try:
        parse(raw)
    except BadInput as error:
        assert error.message
