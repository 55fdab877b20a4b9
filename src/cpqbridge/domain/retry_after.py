"""The wait that an HTTP answer asks for."""

from __future__ import annotations

from email.utils import parsedate_to_datetime


def asked_wait_seconds(retry_after: str, date: str) -> float | None:
    """Return the seconds that a `Retry-After` asks for, None where it asks for nothing that can be read.

    It is a number of seconds or a date (RFC 9110, section 10.2.3), which counts from the answer's own `Date`.
    """
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        wait = parsedate_to_datetime(text) - parsedate_to_datetime(date)
    except (ValueError, TypeError):
        return None
    return max(0.0, wait.total_seconds())
