"""Carries the SDK's requests over our own HTTP client: time-outs, no redirects, no retries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn
from urllib.parse import urlsplit

import httpx2
import stripe

from cpqbridge.clock import monotonic_seconds
from cpqbridge.domain.addresses import is_loopback_url
from cpqbridge.domain.calls import Call, CallEnd, CallWatch, NoWatch

_CONNECT_TIMEOUT_SECONDS = 10.0


class SdkTransport(stripe.HTTPClient):
    """The HTTP client of one StripeBilling; it may be shared by threads."""

    name = "httpx2"

    def __init__(
        self,
        api_base: str,
        *,
        timeout_seconds: float,
        watch: CallWatch | None = None,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        """Prepare connections; nothing is sent yet. `transport` stands in for the network in tests."""
        super().__init__()
        self._watch = watch or NoWatch()
        self._http = httpx2.Client(
            timeout=httpx2.Timeout(timeout_seconds, connect=min(timeout_seconds, _CONNECT_TIMEOUT_SECONDS)),
            follow_redirects=False,
            # A proxy of the company's stands between us and the internet, never between us and ourselves.
            trust_env=not is_loopback_url(api_base),
            transport=transport,
        )

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[str, int, Mapping[str, str]]:
        """Return body, status and headers of one request.

        Raises:
            stripe.APIConnectionError: No whole answer came; its cause is httpx2's error.
        """
        sent = dict(headers or {})
        call = Call(
            side="stripe",
            method=method.upper(),
            path=urlsplit(url).path,
            idempotency_key=sent.get("Idempotency-Key", ""),
        )
        self._watch.before(call)
        begun = monotonic_seconds()
        response = None
        try:
            response = self._http.request(method, url, headers=sent, content=post_data)
        except (httpx2.RequestError, httpx2.InvalidURL) as error:
            self._raise_connection_error(error)
        finally:
            self._watch.after(_end(call, response, seconds=monotonic_seconds() - begun))
        return response.text, response.status_code, response.headers

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    @staticmethod
    def _raise_connection_error(error: Exception) -> NoReturn:
        # The SDK leaves this constructor untyped.
        make: Any = stripe.APIConnectionError
        raise make(type(error).__name__) from error


def _end(call: Call, response: httpx2.Response | None, *, seconds: float) -> CallEnd:
    if response is None:
        return CallEnd(call=call, status=None, seconds=seconds)
    # Source: API reference, "Request IDs": every answer carries one (20 Nov 2026).
    request_id = response.headers.get("Request-Id", "")
    # Source: "Rate limits", the header says which limit was met (design notes, stripe.md 4.2, 20 Nov 2026).
    rate_limit = response.headers.get("Stripe-Rate-Limited-Reason", "")
    return CallEnd(
        call=call,
        status=response.status_code,
        seconds=seconds,
        request_id=request_id,
        rate_limit=rate_limit,
    )
