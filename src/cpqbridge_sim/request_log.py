"""The record of every request a simulator answered, which tests and reports count calls by."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedRequest:
    """One answered API request; `at` is the simulated time as ISO text in UTC, `number` starts at 1.

    `fault` says what struck it, for example `reset after`; the status is 0 where no answer came.
    `retry_after_seconds` is what the answer asked the client to wait.
    """

    number: int
    at: str
    method: str
    path: str
    parameters: Mapping[str, Any]
    idempotency_key: str | None
    status: int
    response: Any
    fault: str | None = None
    retry_after_seconds: int | None = None


Observer = Callable[[LoggedRequest], None]
_observers: list[Observer] = []


def observe(observer: Observer) -> None:
    """Call `observer` with every request that any simulator of this process answers from now on."""
    _observers.append(observer)


class RequestLog:
    """Requests in the order they were answered; simulator controls are never recorded here."""

    def __init__(self) -> None:
        self._requests: list[LoggedRequest] = []

    def record(  # noqa: PLR0913 - keyword-only fields of one row
        self,
        *,
        at: str,
        method: str,
        path: str,
        parameters: Mapping[str, Any],
        idempotency_key: str | None,
        status: int,
        response: Any,
        fault: str | None = None,
        retry_after: str | None = None,
    ) -> LoggedRequest:
        """Append one request and return it with its number."""
        entry = LoggedRequest(
            number=len(self._requests) + 1,
            at=at,
            method=method,
            path=path,
            parameters=parameters,
            idempotency_key=idempotency_key,
            status=status,
            response=response,
            fault=fault,
            retry_after_seconds=None if retry_after is None else int(retry_after),
        )
        self._requests.append(entry)
        for observer in _observers:
            observer(entry)
        return entry

    def after(self, number: int = 0) -> list[dict[str, Any]]:
        """All requests with a greater number, in order, as plain data."""
        return [asdict(entry) for entry in self._requests[max(number, 0) :]]

    @property
    def count(self) -> int:
        """How many API requests were answered."""
        return len(self._requests)
