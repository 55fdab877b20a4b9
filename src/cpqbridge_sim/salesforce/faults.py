"""What the simulated org answers when a fault strikes; `cpqbridge_sim.faults` plans them.

Codes and texts are those of the design notes, section 1.6 (REST API guide, "Status Codes and Error
Responses", read 20 Nov 2026).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cpqbridge_sim.faults import AFTER, LostAnswerError
from cpqbridge_sim.salesforce.errors import ApiError

if TYPE_CHECKING:
    from cpqbridge_sim.faults import Fault

KINDS = frozenset(
    {
        "latency",
        "refused",
        "reset",
        "timeout",
        "cut",
        "html",
        "bad_request",
        "unauthorized",
        "forbidden",
        "not_found",
        "conflict",
        "rate_limit",
        "server_error",
        "request_limit",
        "query_timeout",
        "query_locator",
        "short_pages",
        "row_lock",
        "validation",
        "flow",
        "trigger",
        "lag",
    }
)
# Kinds that only say how a request is served: nothing is answered in its place.
_SERVED = frozenset({"latency", "short_pages", "lag"})
_UNKNOWN_EXCEPTION = 500
_ERRORS: dict[str, tuple[str, str]] = {
    "bad_request": ("MALFORMED_QUERY", "unexpected token: fault"),
    "unauthorized": ("INVALID_SESSION_ID", "Session expired or invalid"),
    "forbidden": ("INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object id"),
    "not_found": ("NOT_FOUND", "The requested resource does not exist"),
    "conflict": ("CONFLICT", "The request conflicts with the current state of the resource."),
    "rate_limit": ("REQUEST_LIMIT_EXCEEDED", "Too many requests; try again later."),
    "query_timeout": ("QUERY_TIMEOUT", "Your query request was running for too long."),
    "query_locator": ("INVALID_QUERY_LOCATOR", "invalid query locator"),
    "row_lock": (
        "UNABLE_TO_LOCK_ROW",
        "unable to obtain exclusive access to this record or 1 records",
    ),
    "validation": ("FIELD_CUSTOM_VALIDATION_EXCEPTION", "A validation rule of this org says no."),
    "flow": (
        "CANNOT_EXECUTE_FLOW_TRIGGER",
        "We can't save this record because the \u201cOrder check\u201d process failed.",
    ),
    "trigger": (
        "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
        "SBQQ.OrderAfter: execution of AfterUpdate caused by: System.LimitException: Too many SOQL queries",
    ),
}


def refusal_of(fault: Fault) -> ApiError | None:
    """The error that comes in place of an answer; None for faults that answer nothing, or only delay."""
    if fault.is_wire or fault.kind in _SERVED:
        return None
    status = fault.answer_status
    if fault.kind == "request_limit":
        which = "TotalRequests" if fault.answer_reason == "total" else "ConcurrentRequests"
        code, message = "REQUEST_LIMIT_EXCEEDED", f"{which} Limit exceeded."
    elif fault.kind == "server_error":
        code, message = _server_error(status)
    else:
        code, message = _ERRORS[fault.kind]
    return ApiError(status, code, fault.message or message)


def headers_of(fault: Fault) -> dict[str, str]:
    """What the answer's headers say beyond the usual."""
    return {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}


def strike(fault: Fault | None, *, when: str, answer: object = None) -> None:
    """Answer in place of the org, before or after it did its work.

    Raises:
        ApiError: the answer of the fault.
        LostAnswerError: there is none.
    """
    if fault is None or fault.when != when:
        return
    if fault.is_wire:
        raise LostAnswerError(fault, answer if when == AFTER else None)
    error = refusal_of(fault)
    if error is not None:
        raise error


def _server_error(status: int) -> tuple[str, str]:
    if status == _UNKNOWN_EXCEPTION:
        return "UNKNOWN_EXCEPTION", "An unexpected error occurred. Please include this ErrorId: 1234-5678 (9)"
    return "SERVER_UNAVAILABLE", "The server is unavailable; try again later."
