"""The one error tree, grouped by what happens next.

Every error has a stable code, names the record it is about where there is one, and says what
happened, why, and what to do. An order that cannot be billed is not an error but a returned
`cpqbridge.domain.refusal.Refusal`.
"""

from __future__ import annotations


class CpqbridgeError(Exception):
    """Base of every error raised on purpose; `code` is stable, `fix` says what to do next."""

    default_code = "error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        record_id: str | None = None,
        field: str | None = None,
        fix: str = "",
        request_link: str | None = None,
    ) -> None:
        """Keep the parts apart so that each can be shown in its own place."""
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.record_id = record_id
        self.field = field
        self.fix = fix
        self.request_link = request_link

    def __str__(self) -> str:
        """Return message and fix in one line, for people."""
        return f"{self.message} {self.fix}".strip()


class ConfigurationError(CpqbridgeError):
    """A setting, a mapping or an input file is wrong: a person must change it first."""

    default_code = "configuration"


class AccessLostError(CpqbridgeError):
    """One side no longer lets us in: stop this connection until somebody reconnects it."""

    default_code = "access_lost"


class PausedError(CpqbridgeError):
    """A person stopped everything: nothing begins until they resume, and then it goes on by itself."""

    default_code = "paused"


class TransientError(CpqbridgeError):
    """Nothing was changed and the same request may succeed later."""

    default_code = "transient"

    def __init__(
        self,
        message: str,
        *,
        retry_after_seconds: float | None = None,
        code: str | None = None,
        fix: str = "",
    ) -> None:
        """Keep the wait the other side asked for, in seconds, if it named one."""
        super().__init__(message, code=code, fix=fix)
        self.retry_after_seconds = retry_after_seconds


class OutcomeUnknownError(CpqbridgeError):
    """A write was sent and its answer was lost: read, or repeat with the same key, before anything else."""

    default_code = "outcome_unknown"

    def __init__(
        self,
        message: str,
        *,
        retry_after_seconds: float | None = None,
        code: str | None = None,
        fix: str = "",
    ) -> None:
        """Keep the wait the other side asked for, in seconds, if it named one."""
        super().__init__(message, code=code, fix=fix)
        self.retry_after_seconds = retry_after_seconds


class ConflictError(CpqbridgeError):
    """The other side has changed since it was read: read and plan again."""

    default_code = "conflict"


class RecordError(CpqbridgeError):
    """This record cannot be processed; the others go on."""

    default_code = "record"


class EventRefusedError(CpqbridgeError):
    """What was posted is no event of Stripe's for us: it is turned away, and nothing is stored."""

    default_code = "event_refused"


class InvariantError(CpqbridgeError):
    """Something that must hold does not: our bug. Stop this contract and tell somebody."""

    default_code = "invariant"
