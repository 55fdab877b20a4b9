"""The only reader of time. Everything else is handed an instant."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime
from typing import Protocol

from cpqbridge.errors import ConfigurationError


class Clock(Protocol):
    """Gives the present instant."""

    def now(self) -> datetime:
        """Return the present instant, aware, UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the present instant, aware, UTC."""
        return datetime.now(UTC)


class SettableClock:
    """A clock that stands still until it is set; for simulated connections and tests."""

    def __init__(self, instant: datetime) -> None:
        """Start at `instant`, which must be aware."""
        self._instant = instant.astimezone(UTC)

    def now(self) -> datetime:
        """Return the instant last set, aware, UTC."""
        return self._instant

    def set(self, instant: datetime) -> None:
        """Stand at `instant`, which must be aware; going back is allowed."""
        self._instant = instant.astimezone(UTC)


def monotonic_seconds() -> float:
    """Return seconds that only grow, for measuring how long something took."""
    return time.monotonic()


def parse_instant(text: str, *, name: str) -> datetime:
    """Return an ISO 8601 date or time as an aware UTC instant; without an offset it is UTC.

    Raises:
        ConfigurationError: `text` is neither an ISO date nor an ISO time; `name` tells which input it was.
    """
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        try:
            day = date.fromisoformat(text)
        except ValueError:
            raise ConfigurationError(
                f"{name} is {text!r}, which is not a date or time.",
                code="time_not_understood",
                field=name,
                fix="Write it like 2026-11-20 or 2026-11-20T09:30:00Z.",
            ) from None
        parsed = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
