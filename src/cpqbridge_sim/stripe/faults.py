"""What the simulated account answers when a fault strikes; `cpqbridge_sim.faults` plans them.

A 500 `after` is what the key replays, as the vendor says of its own errors, while a 502 to 504 comes from a
machine in between, so that the key replays the true answer. With `stored` also an error `before` is replayed:
the endpoint began and failed (docs.stripe.com/api/idempotent_requests, read 20 Nov 2026).
"""

from cpqbridge_sim.faults import AFTER, Fault, LostAnswerError
from cpqbridge_sim.stripe.errors import StripeApiError
from cpqbridge_sim.stripe.in_flight import key_in_use, lock_timeout
from cpqbridge_sim.stripe.rate_limits import too_many

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
        "lock_timeout",
        "server_error",
    }
)
# Kinds that answer from the vendor's own errors; texts as the vendor writes them.
_PLAIN = {
    "bad_request": ("Invalid request.", "invalid_request_error", "parameter_invalid_empty"),
    "unauthorized": ("Invalid API Key provided: sk_test_*********", "invalid_request_error", None),
    "forbidden": (
        "The provided key 'rk_test_*********' does not have the required permissions for this endpoint.",
        "invalid_request_error",
        "more_permissions_required_for_application",
    ),
    "not_found": ("No such object: 'gone'", "invalid_request_error", "resource_missing"),
}


def refusal_of(fault: Fault, key: str | None) -> StripeApiError | None:
    """The error that comes in place of an answer; None for faults that answer nothing or only delay."""
    error: StripeApiError | None = None
    if fault.kind == "conflict":
        error = key_in_use(key or "")
    elif fault.kind == "lock_timeout":
        error = lock_timeout()
    elif fault.kind == "rate_limit":
        error = too_many(fault.answer_reason)
    elif fault.kind == "server_error":
        error = server_error(fault.answer_status)
    elif fault.kind in _PLAIN:
        message, kind, code = _PLAIN[fault.kind]
        error = StripeApiError(fault.message or message, status=fault.answer_status, kind=kind, code=code)
    if error is None:
        return None
    if fault.should_retry is not None:
        error.headers["Stripe-Should-Retry"] = "true" if fault.should_retry else "false"
    if fault.retry_after is not None:
        error.headers["Retry-After"] = str(fault.retry_after)
    return error


def strike_before(fault: Fault, key: str | None) -> None:
    """Answer in place of the API; what a key replays is answered where keys are known.

    Raises:
        StripeApiError: the answer of the fault.
        LostAnswerError: there is none.
    """
    if fault.when == AFTER or fault.is_stored:
        return
    if fault.is_wire:
        raise LostAnswerError(fault)
    error = refusal_of(fault, key)
    if error is not None:
        raise error


def strike_after(fault: Fault, answer: object) -> None:
    """Lose the answer of a request that was executed.

    Raises:
        StripeApiError: another answer comes instead.
        LostAnswerError: none comes.
    """
    if fault.when != AFTER:
        return
    if fault.is_wire:
        raise LostAnswerError(fault, answer)
    error = refusal_of(fault, None)
    if error is not None:
        raise error


def server_error(status: int) -> StripeApiError:
    """An error of the vendor's side."""
    return StripeApiError("An unexpected error occurred.", status=status, kind="api_error")
