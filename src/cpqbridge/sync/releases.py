"""What a person lets through for one sync: codes of holds, and the first day billed after a take-over."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from datetime import date

from cpqbridge.domain.refusal import OrderState
from cpqbridge.domain.refusal_catalog import REFUSAL_CATALOG
from cpqbridge.errors import ConfigurationError
from cpqbridge.planning.checks import EARLIEST, LATEST
from cpqbridge.planning.safety import NEVER_RELEASED, RELEASED_THOUGH_REFUSED
from cpqbridge.sync.adoption import TAKEOVER
from cpqbridge.sync.standings import FIRST_INVOICE_DIFFERS

__all__ = ["TAKEOVER", "cutover_of", "releasable", "released_codes"]


def releasable() -> frozenset[str]:
    """Return every code that a person can release."""
    held = {code for code, cause in REFUSAL_CATALOG.items() if cause.state is OrderState.HELD}
    return frozenset({*held, *RELEASED_THOUGH_REFUSED, FIRST_INVOICE_DIFFERS} - NEVER_RELEASED)


def released_codes(codes: Iterable[str]) -> frozenset[str]:
    """Return the codes; one that cannot be released would be passed over in silence, so it is an error.

    Raises:
        ConfigurationError: one of them cannot be released, or is none at all.
    """
    asked = tuple(codes)
    known = sorted(releasable())
    for code in asked:
        if code not in known:
            near = [] if code in REFUSAL_CATALOG else difflib.get_close_matches(code, known, n=1)
            meant = f"Did you mean {near[0]!r}? " if near else ""
            raise ConfigurationError(
                f"{code!r} is not a code that can be released.",
                code="release_unknown",
                field="--release",
                fix=f"{meant}Codes that can be: {', '.join(known)}.",
            )
    return frozenset(asked)


def cutover_of(text: str | None, released: Collection[str]) -> date | None:
    """Return the first day that is billed here of a contract that is taken over; None without a take-over.

    Raises:
        ConfigurationError: there is a day without a take-over, a take-over without a day, or no such day.
    """
    if text is None:
        if TAKEOVER in released:
            raise _wrong(
                "A take-over needs its cut-over date: the first day that is billed here.",
                "cutover_missing",
                "Add --cutover and that day, such as 2026-12-01; the contract's first day bills all of it.",
            )
        return None
    if TAKEOVER not in released:
        raise _wrong(
            "A cut-over date is for a take-over only.",
            "cutover_without_takeover",
            "Add --release takeover, or leave --cutover out.",
        )
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if not EARLIEST <= day <= LATEST:
        raise _wrong(
            f"{text!r} is not a cut-over date.",
            "cutover_value",
            f"Give a day between {EARLIEST} and {LATEST}, such as 2026-12-01.",
        )
    return day


def _wrong(message: str, code: str, fix: str) -> ConfigurationError:
    return ConfigurationError(message, code=code, field="--cutover", fix=fix)
