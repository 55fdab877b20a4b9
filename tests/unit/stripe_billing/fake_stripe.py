"""A transport that plays Stripe from a script."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx2

from cpqbridge.stripe_billing.client import StripeBilling

KEY = "sk_test_51SecretValue"


class FakeStripe:
    """Answers each request with what the test's function returns and keeps the requests."""

    def __init__(self, answer: Callable[[httpx2.Request], httpx2.Response]) -> None:
        self.requests: list[httpx2.Request] = []
        self._answer = answer

    def billing(self) -> StripeBilling:
        return StripeBilling(KEY, transport=httpx2.MockTransport(self._handle))

    def _handle(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        return self._answer(request)


def answering(status: int, body: Any, **headers: str) -> FakeStripe:
    content = body if isinstance(body, str) else json.dumps(body)
    return FakeStripe(lambda _: httpx2.Response(status, text=content, headers=headers))


def failing(error: Exception) -> FakeStripe:
    def fail(_: httpx2.Request) -> httpx2.Response:
        raise error

    return FakeStripe(fail)


def refusal(message: str = "No.", **details: Any) -> dict[str, Any]:
    return {"error": {"type": "invalid_request_error", "message": message, **details}}


def listing(*objects: dict[str, Any], has_more: bool = False) -> dict[str, Any]:
    return {"object": "list", "url": "/v1/things", "data": list(objects), "has_more": has_more}
