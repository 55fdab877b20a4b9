"""Writing to Salesforce until everything is taken: only what was not taken goes again, in smaller parts."""

from __future__ import annotations

from collections.abc import Sequence

from cpqbridge.errors import TransientError
from cpqbridge.mapping.raw import WriteBackRecord
from cpqbridge.salesforce.client import SalesforceClient
from cpqbridge.salesforce.writer import WriteFailure, write
from cpqbridge.sync.retry import Retries

_SMALLER = (1, 2, 5, 10, 50)
"""What parts are divided by, try by try: triggers of the org share limits among the records of a part.
Source: the project's design notes, salesforce.md 1.6 and 2.5 (20 Nov 2026)."""


def write_all(
    client: SalesforceClient, records: Sequence[WriteBackRecord], retries: Retries, *, step: str
) -> tuple[WriteFailure, ...]:
    """Write the records and return those that were not taken in the end.

    Records that somebody else holds, or that the org's triggers had no room for, are written again after a
    wait, like a call that failed as a whole. `step` names what is written, the same over runs.

    Raises:
        CpqbridgeError: no answer came in the end, or the token no longer opens the org.
    """
    writing = _Writing(client, records)
    if not records:
        return ()
    try:
        retries.call(writing.attempt, step=step)
    except TransientError:
        if not writing.was_answered:
            raise
    return writing.failures


class _Writing:
    """What is still to be written, and what was refused so far."""

    def __init__(self, client: SalesforceClient, records: Sequence[WriteBackRecord]) -> None:
        self._client = client
        self._left = tuple(records)
        self._refused: tuple[WriteFailure, ...] = ()
        self._busy: tuple[WriteFailure, ...] = ()
        self._answers = 0
        self.was_answered = False

    @property
    def failures(self) -> tuple[WriteFailure, ...]:
        """Return what was not taken so far."""
        return (*self._refused, *self._busy)

    def attempt(self) -> None:
        """Write what is left.

        Raises:
            TransientError: some of it was not taken but may be in a moment.
        """
        self.was_answered = False
        failures = write(self._client, self._left, divisor=_SMALLER[min(self._answers, len(_SMALLER) - 1)])
        self.was_answered = True
        self._answers += 1
        self._refused += tuple(failure for failure in failures if not failure.retryable)
        self._busy = tuple(failure for failure in failures if failure.retryable)
        if not self._busy:
            return
        busy = {(failure.object_name, failure.record_id) for failure in self._busy}
        self._left = tuple(each for each in self._left if (each.object_name, each.record_id) in busy)
        first = self._busy[0]
        raise TransientError(
            f"Salesforce did not take {len(self._left)} records: {first.message} ({first.code}).",
            code="salesforce_busy",
            fix=first.fix,
        )
