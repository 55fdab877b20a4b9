"""The error envelope of the Stripe API (docs.stripe.com/api/errors, read 20 Nov 2026)."""

from collections.abc import Mapping
from typing import Any


class StripeApiError(Exception):
    """An answer that is an error: HTTP status, the fields of the envelope and headers beyond the usual.

    `happened` is true where the request did its work and this is how it ended, as a declined payment.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
        happened: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.kind = kind
        self.code = code
        self.param = param
        self.headers = dict(headers or {})
        self.happened = happened

    def envelope(self, request_id: str) -> dict[str, Any]:
        """The response body; absent `code` and `param` are left out, as the vendor does."""
        error: dict[str, Any] = {"type": self.kind}
        if self.code is not None:
            error["code"] = self.code
            error["doc_url"] = f"https://stripe.com/docs/error-codes/{self.code.replace('_', '-')}"
        if self.param is not None:
            error["param"] = self.param
        error["message"] = self.message
        error["request_log_url"] = f"https://dashboard.stripe.com/logs/{request_id}"
        return {"error": error}


def invalid(message: str, param: str | None = None, code: str | None = None) -> StripeApiError:
    """A 400 of type `invalid_request_error`; most business rules carry no code."""
    return StripeApiError(message, param=param, code=code)


def missing(param: str) -> StripeApiError:
    """A required parameter was not sent."""
    return invalid(f"Missing required param: {param}.", param, "parameter_missing")


def no_such(noun: str, identifier: str, *, param: str, status: int = 400) -> StripeApiError:
    """An unknown id; 404 when it stood in the path, 400 when in a body parameter."""
    return StripeApiError(
        f"No such {noun}: '{identifier}'", status=status, code="resource_missing", param=param
    )


def interval_mismatch(param: str, *, mixed: bool) -> StripeApiError:
    """Prices whose intervals cannot share a subscription; the vendor's text of classic mode is known."""
    if mixed:
        return invalid("The intervals of these prices cannot share a subscription.", param)
    return invalid(
        "Currency and interval fields must match across all plans on this subscription. Found mismatch in "
        "interval field.",
        param,
    )


def not_simulated(what: str, param: str | None = None) -> StripeApiError:
    """Refuse loudly what this simulator does not model, so that nothing is silently ignored."""
    return invalid(f"{what} is not simulated here; the simulated account refuses it.", param)
