"""The SDK behind plain calls: one place where its answers become dicts and its errors become ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx2
import stripe

from cpqbridge.domain.billing import StepAction
from cpqbridge.domain.calls import CallWatch
from cpqbridge.stripe_billing.error_map import error_for
from cpqbridge.stripe_billing.parameters import checked_parameters
from cpqbridge.stripe_billing.transport import SdkTransport


class Sdk:
    """A StripeClient that never retries and keeps its key to itself."""

    def __init__(
        self,
        api_key: str,
        *,
        api_base: str,
        api_version: str,
        timeout_seconds: float,
        watch: CallWatch | None,
        transport: httpx2.BaseTransport | None,
    ) -> None:
        """Build the client; nothing is sent yet."""
        self._secret = api_key
        self._transport = SdkTransport(
            api_base, timeout_seconds=timeout_seconds, watch=watch, transport=transport
        )
        self._client = stripe.StripeClient(
            api_key,
            base_addresses={"api": api_base},
            stripe_version=api_version,
            max_network_retries=0,
            http_client=self._transport,
        )

    def __repr__(self) -> str:
        """Return nothing of the key."""
        return "Sdk()"

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def checked(self, action: StepAction, parameters: Mapping[str, object]) -> dict[str, Any]:
        """Return the parameters of a step as they are sent, after `checked_parameters`."""
        return checked_parameters(action, parameters)

    def get(self, path: str, parameters: Mapping[str, object] | None = None) -> dict[str, Any]:
        """Return the object or list at `path`.

        Raises:
            CpqbridgeError: As the error map says.
        """
        return self._send("get", path, dict(parameters or {}), idempotency_key=None)

    def post(self, path: str, body: Mapping[str, object], *, idempotency_key: str) -> dict[str, Any]:
        """Write and return the object Stripe answers with.

        Raises:
            CpqbridgeError: As the error map says.
        """
        return self._send("post", path, dict(body), idempotency_key=idempotency_key)

    def _send(
        self, method: str, path: str, parameters: dict[str, object], *, idempotency_key: str | None
    ) -> dict[str, Any]:
        options = {} if idempotency_key is None else {"idempotency_key": idempotency_key}
        try:
            answered = self._client.raw_request(method, path, **parameters, **options)
            return self._client.deserialize(answered, api_mode="V1").to_dict()
        except stripe.StripeError as error:
            raise error_for(error, writes=method != "get", secret=self._secret) from None
