"""One request to Salesforce or Stripe, as it is told to whoever must know of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

Side = Literal["salesforce", "stripe"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request that is about to be sent.

    `path` is without its query; `idempotency_key` is empty where there is none.
    """

    side: Side
    method: str
    path: str
    idempotency_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiUsage:
    """How many API calls the org has used of how many, in the last 24 hours."""

    used: int
    allowed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnd:
    """How a request ended, after `seconds`.

    `status` is the HTTP status, None where no whole answer came. `request_id` is the vendor's name for it,
    empty where there is none. `usage` is what an org says of its API calls. `rate_limit` is which
    limit Stripe says was met, empty when none was.
    """

    call: Call
    status: int | None
    seconds: float
    request_id: str = ""
    usage: ApiUsage | None = None
    rate_limit: str = ""


class CallWatch(Protocol):
    """Is told of every request; one per opened connection, called by several threads at once."""

    def before(self, call: Call) -> None:
        """Be told of a request before it is sent; it is not sent when this raises."""
        ...

    def after(self, end: CallEnd) -> None:
        """Be told how it ended; does not raise."""
        ...


class NoWatch:
    """Lets everything through and tells nobody."""

    def before(self, call: Call) -> None:
        """Do nothing."""

    def after(self, end: CallEnd) -> None:
        """Do nothing."""
