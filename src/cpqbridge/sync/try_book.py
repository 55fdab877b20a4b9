"""How often one call may be tried again: at most eight times an hour, over runs, restarts and processes.

A call that succeeds at once is not written down. The hour is counted by the connection's clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from cpqbridge.clock import Clock
from cpqbridge.errors import TransientError
from cpqbridge.store import tries
from cpqbridge.store.database import Store

HOUR = timedelta(hours=1)
SENDS_AN_HOUR = 9
"""The first send of a step and eight tries again."""


class TryBook:
    """The failing calls of one connection, in the store."""

    def __init__(self, store: Store, *, connection_id: int, clock: Clock) -> None:
        """Read nothing yet."""
        self._store = store
        self._connection_id = connection_id
        self._clock = clock

    def sends(self, step: str) -> int:
        """Return how often a failing call was sent in the last hour, 0 when it is not failing.

        Raises:
            TransientError: so often that it has to wait (code `too_many_tries`).
        """
        now = self._clock.now()
        with self._store.read() as transaction:
            sent = tries.sent_since(
                transaction, connection_id=self._connection_id, step=step, since=now - HOUR
            )
        require_few(sent, now)
        return len(sent)

    def note(self, step: str) -> None:
        """Record that the call is sent now.

        Raises:
            TransientError: it was sent too often and has to wait (code `too_many_tries`); nothing is noted.
        """
        now = self._clock.now()
        with self._store.write() as transaction:
            known = tries.sent_since(
                transaction, connection_id=self._connection_id, step=step, since=now - HOUR
            )
            require_few(known, now)
            tries.note(transaction, connection_id=self._connection_id, step=step, at=now, since=now - HOUR)

    def failed(self, step: str) -> None:
        """Record the first failure of a call, which was sent just now."""
        now = self._clock.now()
        with self._store.write() as transaction:
            tries.note(transaction, connection_id=self._connection_id, step=step, at=now, since=now - HOUR)

    def passed(self, step: str) -> None:
        """Forget the failures of a call: it was answered."""
        with self._store.write() as transaction:
            tries.forget(transaction, connection_id=self._connection_id, step=step)


def require_few(sent: Sequence[datetime], now: datetime) -> None:
    """Check that a call that was sent at these instants of the last hour may be sent once more.

    Raises:
        TransientError: it may not before the oldest is an hour past (code `too_many_tries`).
    """
    if len(sent) < SENDS_AN_HOUR:
        return
    wait = sent[-SENDS_AN_HOUR] + HOUR - now
    last = f"the last time at {sent[-1]:%H:%M} UTC"
    raise TransientError(
        f"The same call has failed {len(sent)} times within an hour, {last}.",
        code="too_many_tries",
        retry_after_seconds=max(1.0, wait.total_seconds()),
        fix=f"It goes on by itself at {now + wait:%Y-%m-%d %H:%M} UTC; the log names each failure.",
    )
