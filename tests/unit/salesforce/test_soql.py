"""SOQL text is safe whatever the values hold."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpqbridge.errors import ConfigurationError
from cpqbridge.salesforce.soql import (
    admin_condition,
    datetime_literal,
    day_start_literal,
    one_of,
    quoted,
    select,
)


@given(st.text())
def test_quoted_when_any_text_stays_one_literal(text: str) -> None:
    literal = quoted(text)
    assert re.fullmatch(r"'(?:[^'\\]|\\.)*'", literal, re.DOTALL)


def test_quoted_when_special_characters_escapes_them() -> None:
    assert quoted("O'Hara \\ \n") == r"'O\'Hara \\ \n'"


def test_literals_when_instant_and_day_are_utc() -> None:
    half_past = datetime(2026, 2, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    assert datetime_literal(half_past) == "2026-01-31T23:30:00Z"
    assert datetime_literal(datetime(2026, 1, 1, 0, 0, 0, 999_999, tzinfo=UTC)) == "2026-01-01T00:00:00Z"
    assert day_start_literal(date(2026, 2, 1)) == "2026-02-01T00:00:00Z"


def test_one_of_when_repeated_values_lists_each_once_sorted() -> None:
    assert one_of("Id", ["b", "a", "b"]) == "Id IN ('a', 'b')"


def test_select_when_parts_are_given_puts_them_in_order() -> None:
    assert select(["Id"], "Order") == "SELECT Id FROM Order"
    assert select(["Id", "A.B"], "X", where="Id = 'y'", order_by="Id") == (
        "SELECT Id, A.B FROM X WHERE Id = 'y' ORDER BY Id"
    )


@pytest.mark.parametrize(
    "text", ["A = 1", "(A = 1) OR B = 2", "Name = ') OR ('", "Name = 'it\\'s)'", "A = 1 AND (B = 2 OR C = 3)"]
)
def test_admin_condition_when_balanced_is_put_in_parentheses(text: str) -> None:
    assert admin_condition(text, setting="filters.Order") == f"({text})"


@pytest.mark.parametrize("text", ["", "  ", "A = 1) OR (B = 2", "(A = 1", "A = 'x", "A = 'x\\'", "A = 1)"])
def test_admin_condition_when_it_reaches_outside_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        admin_condition(text, setting="filters.Order")
    assert (caught.value.code, caught.value.field) == ("filter_not_balanced", "filters.Order")
