"""The one place that tries a call again: how often, after what waits, and when it is put off instead."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from structlog.contextvars import bound_contextvars

from cpqbridge.errors import OutcomeUnknownError, RecordError, TransientError
from cpqbridge.stripe_billing.error_codes import REPEATED_ERROR

Result = TypeVar("Result")

FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 20.0
ATTEMPTS = 5
"""How often a call is sent at most in one run. The first run of a failing call does so; each later one sends
it once, and the book of tries holds all of them together to `cpqbridge.sync.try_book.SENDS_AN_HOUR`."""

TOO_MANY_TRIES = "too_many_tries"
"""The code of a call that failed so often within an hour that it has to wait."""

NOT_SENT = frozenset({"api_share_used", TOO_MANY_TRIES})
"""Codes of errors of ours that stand in place of a call: nothing was sent, and it is put off."""


class Book(Protocol):
    """Knows how often a failing call was sent lately; see `cpqbridge.sync.try_book`."""

    def sends(self, step: str) -> int:
        """Return how often a failing call was sent in the last hour, 0 when it is not failing.

        Raises:
            TransientError: so often that it has to wait (code `too_many_tries`).
        """
        ...

    def note(self, step: str) -> None:
        """Record that the call is sent now.

        Raises:
            TransientError: it was sent too often and has to wait (code `too_many_tries`).
        """
        ...

    def failed(self, step: str) -> None:
        """Record the first failure of a call, which was sent just now."""
        ...

    def passed(self, step: str) -> None:
        """Forget the failures of a call: it was answered."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How calls that may pass are tried again. Without a `book` only the tries of one call are counted.

    `told` is called with an error's code before each further try. `attempts` is how often a call is sent at
    most, 1 or more.
    """

    sleep: Callable[[float], object]
    random_source: random.Random = field(default_factory=random.SystemRandom)
    attempts: int = ATTEMPTS
    book: Book | None = None
    told: Callable[[str], object] = lambda _code: None

    def call(self, function: Callable[[], Result], *, step: str = "") -> Result:
        """Return what `function` returns, sent again after errors that may pass.

        Only TransientError and OutcomeUnknownError are tried again, always with the same request: every write
        carries its own idempotency key or sets the same values again. The wait before try n + 1 is drawn
        evenly from 0 to 0.5 x 2^(n - 1) seconds, at most 20 (full jitter). A wait the other side asked for
        comes first; one longer than 20 seconds is not sat out here: the error goes up and the work is put
        off, by `retry_after_seconds` at least.

        Args:
            function: The whole request, able to run again.
            step: What is asked for, the same over runs and restarts; empty where tries are not counted.

        Raises:
            TransientError: The last try failed, the wait asked for is too long, or the step was sent too
                often in the last hour (code `too_many_tries`).
            OutcomeUnknownError: The last try failed.
        """
        book = self.book if step else None
        sends = 0 if book is None else book.sends(step)
        attempts = 1 if sends else self.attempts
        for attempt in range(1, attempts + 1):
            if book is not None and (sends or attempt > 1):
                book.note(step)
            try:
                with bound_contextvars(try_number=attempt):
                    result = function()
            except (TransientError, OutcomeUnknownError) as error:
                if book is not None and not sends and attempt == 1 and error.code not in NOT_SENT:
                    book.failed(step)
                if attempt >= attempts or not self._is_worth_a_wait(error):
                    raise
                self.told(error.code)
                asked_seconds = _asked_seconds(error)
            except RecordError:
                self._passed(book, step, failed=bool(sends) or attempt > 1)
                raise
            else:
                self._passed(book, step, failed=bool(sends) or attempt > 1)
                return result
            self.sleep(asked_seconds + self.wait_seconds(attempt))
        raise ValueError(f"attempts is {self.attempts}, it must be 1 or more")

    def wait_seconds(self, attempt: int) -> float:
        """Return how long to wait after try `attempt` (1 is the first), in seconds, drawn by chance."""
        ceiling_seconds = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** (attempt - 1))
        return self.random_source.uniform(0, ceiling_seconds)

    def _is_worth_a_wait(self, error: TransientError | OutcomeUnknownError) -> bool:
        hopeless = error.code in NOT_SENT or error.code == REPEATED_ERROR
        return not hopeless and _asked_seconds(error) <= LONGEST_WAIT_SECONDS

    def _passed(self, book: Book | None, step: str, *, failed: bool) -> None:
        if book is not None and failed:
            book.passed(step)


def _asked_seconds(error: TransientError | OutcomeUnknownError) -> float:
    return max(0.0, error.retry_after_seconds or 0.0)
