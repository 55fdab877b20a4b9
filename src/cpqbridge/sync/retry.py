"""The one place that tries a call again."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeVar

from cpqbridge.errors import OutcomeUnknownError, TransientError

Result = TypeVar("Result")

FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 20.0


def call_with_retries(
    call: Callable[[], Result],
    *,
    sleep: Callable[[float], object],
    random_source: random.Random,
    attempts: int = 5,
) -> Result:
    """Return what `call` returns, trying again after errors that may pass.

    Only TransientError and OutcomeUnknownError are tried again, always with the same request: every write
    carries its own idempotency key or sets the same values again. The wait before try n + 1 is drawn evenly
    from 0 to 0.5 x 2^(n - 1) seconds, at most 20 (full jitter). A wait the other side asked for comes
    first; one longer than 20 seconds is not sat out here: the error goes up and the work is put off.

    Args:
        call: The whole request, able to run again.
        sleep: Waits for so many seconds.
        random_source: Where the jitter comes from.
        attempts: How often `call` runs at most, 1 or more.

    Raises:
        TransientError: The last try failed, or the wait asked for is too long.
        OutcomeUnknownError: The last try failed.
    """
    for attempt in range(1, attempts + 1):
        try:
            return call()
        except (TransientError, OutcomeUnknownError) as error:
            asked_seconds = _asked_seconds(error)
            if attempt >= attempts or asked_seconds > LONGEST_WAIT_SECONDS:
                raise
        ceiling_seconds = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** (attempt - 1))
        sleep(asked_seconds + random_source.uniform(0, ceiling_seconds))
    raise ValueError(f"attempts is {attempts}, it must be 1 or more")


def _asked_seconds(error: TransientError | OutcomeUnknownError) -> float:
    if isinstance(error, TransientError) and error.retry_after_seconds is not None:
        return max(0.0, error.retry_after_seconds)
    return 0.0
