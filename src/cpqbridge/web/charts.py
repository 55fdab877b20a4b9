"""Small pictures of numbers by the hour, drawn as SVG by the server; the same numbers stand in a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cpqbridge.sync.home_view import Hour

WIDTH, HEIGHT = 480.0, 80.0
_GAP = 2.0


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle of the picture; `kind` names its colour."""

    x: float
    y: float
    width: float
    height: float
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """A picture of so many units wide and high; `most` is what its full height stands for."""

    bars: tuple[Bar, ...]
    most: int
    width: float = WIDTH
    height: float = HEIGHT


def hour_bars(hours: Sequence[Hour]) -> Bars:
    """Return one bar for each hour, the runs that went well at the bottom."""
    most = max((sum(hour.runs.values()) for hour in hours), default=0)
    step = WIDTH / max(1, len(hours))
    found = []
    for place, hour in enumerate(hours):
        y = HEIGHT
        for result, runs in hour.runs.items():
            height = HEIGHT * runs / most if most else 0.0
            if runs:
                y -= height
                kind = result.replace(" ", "-")
                found.append(
                    Bar(round(place * step, 1), round(y, 1), round(step - _GAP, 1), round(height, 1), kind)
                )
    return Bars(bars=tuple(found), most=most)


def seconds_words(seconds: float | None) -> str:
    """Return a bound of seconds in words, as in "within 3 s"."""
    if seconds is None:
        return "no syncs yet"
    if seconds == float("inf"):
        return "more than 1 hour"
    if seconds < 60:  # noqa: PLR2004 - seconds of a minute
        return f"within {seconds:.0f} s"
    return f"within {seconds / 60:.0f} min" if seconds % 60 == 0 else f"within {seconds / 60:.1f} min"
