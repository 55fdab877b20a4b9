"""Templates become pages. Everything is escaped; a name that is missing is an error, not a blank."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined

from cpqbridge import __version__
from cpqbridge.domain.money import major_text
from cpqbridge.domain.refusal import OrderState
from cpqbridge.sync.proof_words import reason_fix, reason_text

_STATE_ICONS = {
    OrderState.QUEUED: "◷",
    OrderState.SYNCED: "✓",
    OrderState.UNCHANGED: "✓",
    OrderState.WAITING: "…",
    OrderState.SKIPPED: "○",
    OrderState.HELD: "‖",
    OrderState.REFUSED: "✕",
    OrderState.FAILED: "!",
}
_STATE_SIGNS = {
    OrderState.QUEUED: "clock",
    OrderState.SYNCED: "check",
    OrderState.UNCHANGED: "check",
    OrderState.WAITING: "hourglass",
    OrderState.SKIPPED: "dash",
    OrderState.HELD: "pause",
    OrderState.REFUSED: "error",
    OrderState.FAILED: "warning",
}
_STATE_WORDS = {state: state.value.capitalize() for state in OrderState}


@dataclass(frozen=True, slots=True)
class Badge:
    """How a state is shown: an icon (`sign` in the app's sprite), a word, and the name of its colour."""

    icon: str
    sign: str
    word: str
    name: str


def badge(state: str) -> Badge:
    """Return how an order state is shown."""
    known = OrderState(state)
    return Badge(
        icon=_STATE_ICONS[known], sign=_STATE_SIGNS[known], word=_STATE_WORDS[known], name=known.value
    )


def money_text(text: str) -> str:
    """Return a decimal string with commas between thousands."""
    sign = "-" if text.startswith("-") else ""
    whole, point, decimals = text.removeprefix("-").partition(".")
    return f"{sign}{int(whole):,}{point}{decimals}" if whole.isdecimal() else text


def minor_text(amount_minor: int, currency: str) -> str:
    """Return an amount in minor units as people write it: 86246 usd is 862.46 USD."""
    return f"{money_text(major_text(amount_minor, currency))} {currency.upper()}"


def counted(number: int, word: str) -> str:
    """Return a number with its noun: 1 order, 2 orders."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def render(template: str, **context: Any) -> str:
    """Return the page that a template makes of its context."""
    return _environment().get_template(template).render(**context)


def stylesheet() -> str:
    """Return the report's style, for pages that must stand alone."""
    environment = _environment()
    loader = PackageLoader("cpqbridge.web", "static")
    return "".join(loader.get_source(environment, name)[0] for name in ("report.css", "timeline.css"))


def zone_text(at: datetime, zone: str) -> str:
    """Return an instant to the minute in a zone, with the zone's short name on that day, like EST."""
    return f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M %Z}"


def utc_text(at: datetime) -> str:
    """Return an instant to the second in UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("cpqbridge.web"),
        autoescape=True,
        undefined=StrictUndefined,
        # One page names a hundred pieces; each is read once.
        cache_size=1000,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "reason": reason_text,
        "reason_fix": reason_fix,
        "badge": badge,
        "money": money_text,
        "minor": minor_text,
        "iso": datetime.isoformat,
        "utc_text": utc_text,
        "zone_text": zone_text,
    }
    environment.globals |= {"app_version": __version__, "counted": counted}
    return environment
