"""The org's daily API calls: who may use how much of them, and when work that waits goes on.

Everybody's calls to the org count, not only ours. Work in the background (polls, sweeps, reconciling, runs
that nobody asked for) stops at the configured share of what the org is allowed a day. Work that was begun may
use the reserve up to 95 %, so that Salesforce is told of what was billed. What a person asks for is always
tried. While work waits, one call every five minutes goes through; its answer says how much is used by then.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from cpqbridge.clock import Clock
from cpqbridge.domain.calls import ApiUsage
from cpqbridge.errors import TransientError
from cpqbridge.store import api_usage
from cpqbridge.store.api_usage import KnownUsage
from cpqbridge.store.database import Store

WORK_SHARE = Decimal("0.95")
LOOK_AGAIN = timedelta(minutes=5)
WAITS_FOR_CALLS = frozenset({"api_share_used", "salesforce_limit"})
"""Codes of errors that only say that the org has no calls left for now."""

_MOVED_SHARE = 200
"""Usage is stored when it moved by a two-hundredth of what is allowed, or when five minutes have passed."""


class Purpose(StrEnum):
    """For whom a call is made."""

    PERSON = "person"
    WORK = "work"
    BACKGROUND = "background"


_purpose: ContextVar[Purpose] = ContextVar("cpqbridge_purpose", default=Purpose.PERSON)


@contextmanager
def calling_for(purpose: Purpose) -> Iterator[None]:
    """Make the calls of the block, in this thread, for `purpose`; elsewhere calls are made for a person."""
    token = _purpose.set(purpose)
    try:
        yield
    finally:
        _purpose.reset(token)


@contextmanager
def going_on() -> Iterator[None]:
    """Make the calls of the block for work that was begun, unless a person asked for it."""
    with calling_for(Purpose.WORK if _purpose.get() is Purpose.BACKGROUND else _purpose.get()):
        yield


class OrgAllowance:
    """How much of an org's calls a day is used, as all processes of the store know it."""

    def __init__(self, store: Store, *, connection_id: int, share: Decimal, clock: Clock) -> None:
        """Read nothing yet.

        Args:
            store: where the usage is kept.
            connection_id: whose org it is.
            share: what of the allowed calls background work may see used, above 0 up to 1.
            clock: the connection's.
        """
        self._store = store
        self._connection_id = connection_id
        self._share = share
        self._clock = clock
        self._guard = threading.Lock()
        self._noted: KnownUsage | None = None

    def require(self) -> None:
        """Check that the org has calls left for the purpose at hand.

        Raises:
            TransientError: it has not (code `api_share_used`), with the wait until somebody looks again.
        """
        purpose = _purpose.get()
        if purpose is Purpose.PERSON:
            return
        share = self._share if purpose is Purpose.BACKGROUND else max(self._share, WORK_SHARE)
        with self._store.read() as transaction:
            known = api_usage.find(transaction, connection_id=self._connection_id)
        if known is None or known.used < share * known.allowed:
            return
        now = self._clock.now()
        if now - known.noted_at >= LOOK_AGAIN:
            with self._store.write_lightly() as transaction:
                if api_usage.claim_look(transaction, connection_id=self._connection_id, known=known, at=now):
                    return
            known = KnownUsage(used=known.used, allowed=known.allowed, noted_at=now)
        raise _share_used(known, share, now)

    def note(self, usage: ApiUsage) -> None:
        """Keep what an answer said, where it is news."""
        now = self._clock.now()
        with self._guard:
            noted = self._noted
            moved = noted is None or abs(usage.used - noted.used) * _MOVED_SHARE >= usage.allowed
            changed = noted is None or usage.allowed != noted.allowed or self._is_other_side(noted, usage)
            if noted is not None and not moved and not changed and now - noted.noted_at < LOOK_AGAIN:
                return
            self._noted = known = KnownUsage(used=usage.used, allowed=usage.allowed, noted_at=now)
        with self._store.write_lightly() as transaction:
            api_usage.put(transaction, connection_id=self._connection_id, known=known)

    def _is_other_side(self, noted: KnownUsage, usage: ApiUsage) -> bool:
        """Return whether a share was reached, or is no longer, since the usage was noted."""
        return any(
            (noted.used >= share * noted.allowed) != (usage.used >= share * usage.allowed)
            for share in (self._share, WORK_SHARE, Decimal(1))
        )


def _share_used(known: KnownUsage, share: Decimal, now: datetime) -> TransientError:
    again_at = known.noted_at + LOOK_AGAIN
    return TransientError(
        f"The org has used {known.used} of its {known.allowed} API calls of 24 hours; this work waits from "
        f"{share * 100:.0f} % on.",
        code="api_share_used",
        retry_after_seconds=max(1.0, (again_at - now).total_seconds()),
        fix=f"It goes on by itself when the usage has fallen, looked at next at {again_at:%H:%M} UTC. "
        "To let it use more, raise `sync.api_share`; a sync asked for by a person goes through.",
    )
