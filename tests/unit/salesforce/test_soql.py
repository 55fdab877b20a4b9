"""SOQL text is safe whatever the values hold."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from cpqbridge.salesforce.soql import (
    datetime_literal,
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


def test_one_of_when_repeated_values_lists_each_once_sorted() -> None:
    assert one_of("Id", ["b", "a", "b"]) == "Id IN ('a', 'b')"


def test_select_when_parts_are_given_puts_them_in_order() -> None:
    assert select(["Id"], "Order") == "SELECT Id FROM Order"
    assert select(["Id", "A.B"], "X", where="Id = 'y'", order_by="Id") == (
        "SELECT Id, A.B FROM X WHERE Id = 'y' ORDER BY Id"
    )
