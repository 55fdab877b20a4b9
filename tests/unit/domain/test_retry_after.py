"""The wait that an answer asks for, in seconds or as a date."""

from __future__ import annotations

import pytest

from cpqbridge.domain.retry_after import asked_wait_seconds

DATE = "Sat, 21 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("text", "date", "expected"),
    [
        ("30", "", 30.0),
        (" 0 ", DATE, 0.0),
        ("Sat, 21 Nov 2026 12:01:30 GMT", DATE, 90.0),
        ("Sat, 21 Nov 2026 11:00:00 GMT", DATE, 0.0),
        ("Sat, 21 Nov 2026 12:01:30 GMT", "", None),
        ("", DATE, None),
        ("soon", DATE, None),
        ("-5", DATE, None),
        ("1.5", DATE, None),
        ("٣", DATE, None),
        ("Sat, 21 Nov 2026 12:01:30 GMT", "Sat, 21 Nov 2026 12:00:00 -0000", None),
    ],
)
def test_wait_is_read_or_there_is_none(text: str, date: str, expected: float | None) -> None:
    assert asked_wait_seconds(text, date) == expected
