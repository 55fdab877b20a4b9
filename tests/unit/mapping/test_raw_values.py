"""Raw values: exact where they fit, a reason where they do not."""

from __future__ import annotations

import contextlib
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpqbridge.mapping import values
from cpqbridge.mapping.conversion import plain_text
from cpqbridge.mapping.countries import country_code
from cpqbridge.mapping.paths import follow, follow_any_case, parse_path
from cpqbridge.mapping.payment_terms import days_until_due
from cpqbridge.mapping.rules import STRIPE_OBJECTS, SourcePath, resolve


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (None, None),
        (Decimal("8.624657534246575"), Decimal("8.624657534246575")),
        (Decimal("1.0E-4"), Decimal("0.0001")),
        (600, Decimal(600)),
        (0.1, Decimal("0.1")),
        (Decimal(10**18 - 1), Decimal(10**18 - 1)),
    ],
)
def test_decimal_when_it_fits_keeps_every_digit(raw, expected):
    assert values.as_decimal(raw) == expected


@pytest.mark.parametrize(
    "raw",
    [
        *("600", True, [1], {}, 10**18, float("nan"), float("inf")),
        *(Decimal(text) for text in ("NaN", "Infinity", "1E+999999", "1E-41")),
    ],
)
def test_decimal_when_it_does_not_fit_says_why(raw):
    with pytest.raises(values.UnreadableValueError) as caught:
        values.as_decimal(raw)
    assert len(str(caught.value)) < 150


def test_decimal_when_it_has_thousands_of_digits_can_still_be_shown():
    with pytest.raises(values.UnreadableValueError, match="too large to show"):
        values.as_decimal(10**9999)


@pytest.mark.parametrize(
    "raw", ["2026-02-30", "20260201", "2026-W05-7", "tomorrow", 20260201, "1950-01-01", "2200-01-01"]
)
def test_date_when_it_is_none_refuses(raw):
    with pytest.raises(values.UnreadableValueError):
        values.as_date(raw)


def test_date_when_it_is_one_reads_it():
    assert values.as_date("2026-02-01") == date(2026, 2, 1)
    assert values.as_date(None) is None
    assert values.as_date(" ") is None


def test_instant_when_written_by_rest_is_aware_utc():
    expected = datetime(2026, 1, 28, 14, 4, 5, tzinfo=UTC)
    assert values.as_instant("2026-01-28T14:04:05.000+0000") == expected
    assert values.as_instant("2026-01-28T15:04:05.000+0100") == expected
    assert values.as_instant("2026-01-28T14:04:05Z") == expected


@pytest.mark.parametrize("raw", ["2026-01-28T14:04:05", "2026-01-28", "x", 5, "0001-01-01T00:00:00+0900"])
def test_instant_when_it_has_no_offset_or_is_none_refuses(raw):
    with pytest.raises(values.UnreadableValueError):
        values.as_instant(raw)


junk = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.decimals() | st.text() | st.lists(st.text())
)


@given(junk)
def test_converters_when_given_anything_answer_or_refuse(raw):
    for convert in (
        values.as_text,
        values.as_boolean,
        values.as_decimal,
        values.as_whole_number,
        values.as_date,
        values.as_instant,
        days_until_due,
    ):
        with contextlib.suppress(ValueError):
            convert(raw)


@pytest.mark.parametrize(
    ("term", "days"),
    [
        ("Net 30", 30),
        ("net 30", 30),
        ("NET45", 45),
        (" Net  60 ", 60),
        ("Net 30 days", 30),
        ("30", 30),
        ("0", 0),
        (Decimal("30.0"), 30),
        (15, 15),
        (None, None),
        ("", None),
        (" - ", None),
        ("\N{EM DASH}", None),
    ],
)
def test_payment_term_when_known_gives_days(term, days):
    assert days_until_due(term) == days


@pytest.mark.parametrize(
    "term", ["Due on Receipt", "Net", "Net thirty", "-30", "30%", "Net 99999", True, 3.5, Decimal("30.5"), {}]
)
def test_payment_term_when_unknown_is_not_guessed(term):
    with pytest.raises(ValueError, match=r"payment term|whole number"):
        days_until_due(term)


def test_follow_when_relationship_is_null_is_none():
    assert follow({"Opportunity": None}, ("Opportunity", "Name")) is None
    assert follow({"Opportunity": "x"}, ("Opportunity", "Name")) is None
    assert follow({}, ("Name",)) is None
    assert follow({"Account": {"Name": "Baden"}}, ("Account", "Name")) == "Baden"


def test_follow_any_case_when_case_differs_finds_the_field():
    assert follow_any_case({"Account": {"AccountNumber": "7"}}, ("account", "accountnumber")) == "7"
    assert follow_any_case({"Account": {"Name": None}}, ("Account", "Name")) is None


@pytest.mark.parametrize(
    ("stripe_object", "path", "expected"),
    [
        ("customer", "Name", SourcePath("Order", ("Account", "Name"))),
        ("customer", "Account.Name", SourcePath("Order", ("Account", "Name"))),
        ("customer", "Owner.Email", SourcePath("Order", ("Account", "Owner", "Email"))),
        ("customer", "Order.BillToContact.Email", SourcePath("Order", ("BillToContact", "Email"))),
        ("product", "Family", SourcePath("OrderItem", ("Product2", "Family"))),
        ("price", "UnitPrice", SourcePath("OrderItem", ("PricebookEntry", "UnitPrice"))),
        ("price", "OrderItem.Rate__c", SourcePath("OrderItem", ("Rate__c",))),
        ("phase_item", "Product2.Name", SourcePath("OrderItem", ("Product2", "Name"))),
        ("phase_item", "Order.PoNumber", SourcePath("Order", ("PoNumber",))),
        ("invoice", "PoNumber", SourcePath("Order", ("PoNumber",))),
        ("invoice", "Order.PoNumber", SourcePath("Order", ("PoNumber",))),
    ],
)
def test_resolve_when_path_is_typed_starts_at_the_right_record(stripe_object, path, expected):
    assert resolve(stripe_object, path) == expected


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("", "API name"),
        ("Account..Name", "API name"),
        ("Name; DROP", "API name"),
        ("OrderItems.Quantity", "many records"),
        ("SBQQ__Quote__c.Name", "SBQQ__Quote__r"),
        ("AccountId.Name", "'Account'"),
        ("SBQQ__Quote__r", "must end with a field"),
    ],
)
def test_path_when_malformed_says_what_to_write(path, reason):
    with pytest.raises(ValueError, match=reason):
        parse_path(path)


def test_plain_text_when_given_a_date_or_nothing():
    assert plain_text(date(2026, 1, 31)) == "2026-01-31"
    with pytest.raises(ValueError, match="nothing"):
        plain_text(None)


@pytest.mark.parametrize(
    ("stripe_object", "path"),
    [
        ("customer", "A.B.C.D.E.Name"),
        ("phase", "A.B.C.D.E.F.Name"),
        ("customer", "Order.A.B.C.D.E.F.Name"),
    ],
)
def test_resolve_when_the_path_is_too_long_refuses(stripe_object, path):
    with pytest.raises(ValueError, match="five"):
        resolve(stripe_object, path)


@pytest.mark.parametrize("stripe_object", STRIPE_OBJECTS)
@pytest.mark.parametrize("prefix", ["Order.", "order."])
def test_resolve_when_the_path_starts_at_the_order_does_so_for_every_object(stripe_object, prefix):
    found = resolve(stripe_object, f"{prefix}A.B.C.D.E.Name")
    assert found == SourcePath("Order", ("A", "B", "C", "D", "E", "Name"))


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("Switzerland", "CH"),
        ("usa", "US"),
        ("UK", "GB"),
        ("de", "DE"),
        ("Österreich", "AT"),
        ("Narnia", None),
        ("", None),
    ],
)
def test_country_when_known_gives_its_code(name, code):
    assert country_code(name) == code
