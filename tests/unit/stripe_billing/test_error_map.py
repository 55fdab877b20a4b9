"""Every exception class of the SDK ends in one of our errors; an unknown one stops its record."""

from __future__ import annotations

import inspect
from typing import Any

import httpx2
import pytest
import stripe
from stripe import _error, oauth_error
from tests.unit.stripe_billing.fake_stripe import KEY, refusal

from cpqbridge.errors import (
    AccessLostError,
    CpqbridgeError,
    InvariantError,
    OutcomeUnknownError,
    RecordError,
    TransientError,
)
from cpqbridge.stripe_billing.error_codes import REPEATED_ERROR
from cpqbridge.stripe_billing.error_map import error_for


def exception_classes() -> list[type[stripe.StripeError]]:
    found = {
        entry
        for module in (_error, oauth_error)
        for entry in vars(module).values()
        if inspect.isclass(entry) and issubclass(entry, stripe.StripeError)
    }
    return sorted(found, key=lambda entry: (entry.__module__, entry.__name__))


def an_error(
    kind: type[stripe.StripeError], status: int | None, details: dict[str, Any] | None = None
) -> stripe.StripeError:
    """Build an error of any class the way the SDK leaves it, whatever its constructor wants."""
    error = kind.__new__(kind)
    body = None if details is None else {"error": {"message": "It said so.", **details}}
    stripe.StripeError.__init__(error, "It said so.", None, status, body, {})
    return error


def mapped(
    kind: type[stripe.StripeError], status: int | None, *, writes: bool = True, **details: Any
) -> CpqbridgeError:
    return error_for(an_error(kind, status, details), writes=writes, secret=KEY)


def test_the_sdk_has_the_classes_the_walk_is_about() -> None:
    names = {entry.__name__ for entry in exception_classes()}
    assert {"APIError", "CardError", "RateLimitError", "QuotaExceededError", "OAuthError"} <= names


@pytest.mark.parametrize("kind", exception_classes(), ids=lambda kind: kind.__qualname__)
@pytest.mark.parametrize("status", [None, 302, 400, 401, 402, 403, 404, 409, 418, 429, 500, 503])
def test_every_class_with_any_status_has_one_of_our_classes(
    kind: type[stripe.StripeError], status: int | None
) -> None:
    for writes in (True, False):
        error = mapped(kind, status, writes=writes)
        assert type(error) in {
            AccessLostError,
            InvariantError,
            OutcomeUnknownError,
            RecordError,
            TransientError,
        }
        assert error.code.startswith("stripe_")
        assert error.fix


@pytest.mark.parametrize(
    ("kind", "status", "details", "expected", "code"),
    [
        ("AuthenticationError", 401, {}, AccessLostError, "stripe_access_lost"),
        ("PermissionError", 403, {}, AccessLostError, "stripe_permission"),
        ("RateLimitError", 429, {}, TransientError, "stripe_rate_limit"),
        ("RateLimitError", 429, {"code": "lock_timeout"}, TransientError, "stripe_locked"),
        ("RateLimitError", 400, {"code": "rate_limit"}, TransientError, "stripe_rate_limit"),
        ("APIError", 409, {"code": "idempotency_key_in_use"}, TransientError, "stripe_conflict"),
        ("APIError", 500, {}, OutcomeUnknownError, "stripe_outcome_unknown"),
        ("APIError", 503, {}, OutcomeUnknownError, "stripe_outcome_unknown"),
        ("APIError", 200, {}, OutcomeUnknownError, "stripe_outcome_unknown"),
        ("InvalidRequestError", 400, {}, RecordError, "stripe_refused"),
        ("InvalidRequestError", 404, {"code": "resource_missing"}, RecordError, "stripe_gone"),
        (
            "InvalidRequestError",
            400,
            {"code": "resource_already_exists"},
            RecordError,
            "stripe_already_exists",
        ),
        ("IdempotencyError", 400, {"type": "idempotency_error"}, InvariantError, "stripe_idempotency"),
        ("CardError", 402, {"type": "card_error"}, RecordError, "stripe_refused"),
        ("StripeError", 418, {}, RecordError, "stripe_unexpected"),
    ],
)
def test_classes_when_writing_have_the_documented_meaning(
    kind: str, status: int, details: dict[str, Any], expected: type[CpqbridgeError], code: str
) -> None:
    error = mapped(getattr(_error, kind), status, **details)
    assert (type(error), error.code) == (expected, code)


def test_reads_when_the_server_fails_can_simply_be_repeated() -> None:
    assert type(mapped(stripe.APIError, 500, writes=False)) is TransientError


def test_missing_when_reading_has_its_own_code() -> None:
    error = mapped(stripe.InvalidRequestError, 404, writes=False, code="resource_missing")
    assert error.code == "stripe_missing"


@pytest.mark.parametrize(
    ("cause", "writes", "expected"),
    [
        (httpx2.ConnectError("refused"), True, TransientError),
        (httpx2.ConnectTimeout("slow"), True, TransientError),
        (httpx2.ReadTimeout("slow"), True, OutcomeUnknownError),
        (httpx2.RemoteProtocolError("cut"), True, OutcomeUnknownError),
        (httpx2.ReadTimeout("slow"), False, TransientError),
        (None, True, OutcomeUnknownError),
    ],
)
def test_connection_errors_tell_whether_anything_was_sent(
    cause: Exception | None, writes: bool, expected: type[CpqbridgeError]
) -> None:
    error = an_error(stripe.APIConnectionError, None)
    error.__cause__ = cause
    assert type(error_for(error, writes=writes, secret=KEY)) is expected


def test_refusal_keeps_text_parameter_and_request_link() -> None:
    link = "https://dashboard.stripe.com/test/logs/req_1"
    error = mapped(
        stripe.InvalidRequestError,
        400,
        **refusal("No such price: 'price_x'", param="items[0][price]", request_log_url=link)["error"],
    )
    assert "No such price: 'price_x'" in error.message
    assert (error.field, error.request_link) == ("items[0][price]", link)


@pytest.mark.parametrize("link", ["javascript:alert(1)", 7, None, ""])
def test_request_link_when_it_is_no_https_address_is_left_out(link: object) -> None:
    assert mapped(stripe.InvalidRequestError, 400, request_log_url=link).request_link is None


def test_missing_permission_is_named() -> None:
    text = "The provided key does not have the required permissions: rak_price_write."
    error = mapped(stripe.PermissionError, 403, message=text)
    assert "rak_price_write" in error.message


def test_secret_is_taken_out_of_every_text() -> None:
    for kind in exception_classes():
        for status in (None, 400, 401, 500):
            error = mapped(kind, status, message=f"Invalid API Key provided: {KEY}")
            assert KEY not in str(error) + repr(error) + str(vars(error))


def test_bodies_that_are_not_stripes_are_not_repeated() -> None:
    error = stripe.APIError(
        "Invalid response body from API: <html>secret page</html>", "<html>", 502, None, {}
    )
    assert "secret page" not in str(error_for(error, writes=True, secret=KEY))


def test_retry_after_when_it_is_a_number_is_kept() -> None:
    error = stripe.RateLimitError("slow", None, 429, None, {"retry-after": "3"})
    ours = error_for(error, writes=True, secret=KEY)
    assert isinstance(ours, TransientError)
    assert ours.retry_after_seconds == 3


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"stripe-rate-limited-reason": "resource-specific"}, 60),
        ({"stripe-rate-limited-reason": "resource-specific", "retry-after": "5"}, 5),
        ({"stripe-rate-limited-reason": "global-rate"}, None),
    ],
)
def test_a_limit_on_one_object_is_waited_for_without_being_asked(
    headers: dict[str, str], seconds: float | None
) -> None:
    ours = error_for(stripe.RateLimitError("slow", None, 429, None, headers), writes=True, secret=KEY)
    assert isinstance(ours, TransientError)
    assert ours.retry_after_seconds == seconds


@pytest.mark.parametrize(("replayed", "code"), [("true", REPEATED_ERROR), ("", "stripe_outcome_unknown")])
def test_an_error_that_a_key_repeats_is_told_apart(replayed: str, code: str) -> None:
    error = stripe.APIError("failed", None, 500, None, {"idempotent-replayed": replayed})
    ours = error_for(error, writes=True, secret=KEY)
    assert (type(ours), ours.code) == (OutcomeUnknownError, code)


def test_refusal_of_a_second_currency_has_its_own_code() -> None:
    said = "You cannot combine currencies on a single customer. This customer has … with currency usd."
    error = mapped(stripe.InvalidRequestError, 400, message=said)
    assert (type(error), error.code) == (RecordError, "customer_currency")
    assert "usd" in error.message
