"""Signed delivery of events to webhook endpoints: at least once, and not in any promised order.

Source: docs.stripe.com/webhooks and /webhooks/signature, read 20 Nov 2026.
"""

import hashlib
import hmac
import http.client
import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from cpqbridge_sim.stripe.outbox import Delivery
from cpqbridge_sim.stripe.resources.account_and_events import shown
from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import answered

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_ANSWER_SECONDS = 20.0
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
# "Three times over the course of a few hours" in a sandbox, "up to three days with an exponential back off"
# in live mode; the vendor publishes no intervals, so these are the simulator's own.
_TEST_RETRIES = (5 * _MINUTE, 30 * _MINUTE, 2 * _HOUR)
_LIVE_RETRIES = (5 * _MINUTE, 30 * _MINUTE, 2 * _HOUR, 5 * _HOUR, 10 * _HOUR, _DAY // 2, _DAY // 2, _DAY // 2)
# A secret that was rolled signs beside the new one for at most a day.
ROLL_SECONDS_MAX = _DAY

Send = Callable[[str, Mapping[str, str], bytes], int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One attempt to deliver: what is posted where; a forged one only looks like it."""

    delivery: Delivery
    url: str
    headers: Mapping[str, str]
    body: bytes
    forged: bool = False


class Webhooks:
    """The deliveries of one account.

    Attributes:
        send: posts one attempt and returns the HTTP status, or None when no answer came; without it
            deliveries wait for `take`.
        shuffled: whether what is due at once goes out in another order.
        duplicated: whether everything goes out twice.
        lost: whether what is due is dropped without a try; only `retry` brings it back.
        forged: whether a forgery goes out before everything that is due: another id, a signature by nobody.
        forged_answers: what the forgeries got.
        sent_at: the time that signatures carry, in Unix seconds; the machine's, as receivers compare it with
            their own clock.
    """

    def __init__(self, state: AccountState) -> None:
        self._state = state
        self.send: Send | None = None
        self.shuffled = False
        self.duplicated = False
        self.lost = False
        self.forged = False
        self.forged_answers: list[int | None] = []
        self.sent_at: Callable[[], float] = time.time
        self._order = random.Random("cpqbridge")  # noqa: S311 - the same order in every run, no secret
        self._sending = False

    def send_due(self) -> None:
        """Deliver what is due through `send`; what fails and is due again by now is tried again at once."""
        if self.send is None or self._sending:
            return
        self._sending = True
        try:
            while batch := self.take():
                for outgoing in batch:
                    self.answered(outgoing, self.send(outgoing.url, outgoing.headers, outgoing.body))
        finally:
            self._sending = False

    def take(self) -> list[Outgoing]:
        """What has to be posted now; the answer of each goes to `answered`."""
        outbox = self._state.outbox
        outbox.waiting = [entry for entry in outbox.waiting if entry.status == "pending"]
        due = [entry for entry in outbox.waiting if entry.due_at <= self._state.now]
        if self.lost:
            for entry in due:
                entry.status = "lost"
            return []
        batch = [outgoing for entry in due if (outgoing := self._outgoing(entry)) is not None]
        if self.duplicated:
            batch += batch
        if self.shuffled:
            self._order.shuffle(batch)
        if self.forged:
            batch = [each for outgoing in batch for each in (self._forgery(outgoing), outgoing)]
        return batch

    def _forgery(self, genuine: Outgoing) -> Outgoing:
        event = {**json.loads(genuine.body), "id": self._state.identifiers.new("evt")}
        body = json.dumps(event, indent=2).encode()
        at = int(self.sent_at())
        signature = f"t={at},v1={signed(self._state.identifiers.new('whsec'), at, body)}"
        headers = {**genuine.headers, "Stripe-Signature": signature}
        return replace(genuine, headers=headers, body=body, forged=True)

    def _outgoing(self, delivery: Delivery) -> Outgoing | None:
        endpoint = self._state.store.get("webhook_endpoint", delivery.endpoint_id)
        if endpoint is None or endpoint["status"] != "enabled":
            # "If your endpoint has been disabled or deleted when we attempt a retry, future retries of that
            # event are prevented."
            delivery.status = "failed"
            return None
        body = json.dumps(answered(shown(delivery.event)), indent=2).encode()
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": self._signature(delivery.endpoint_id, body),
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        }
        return Outgoing(delivery=delivery, url=endpoint["url"], headers=headers, body=body)

    def _signature(self, endpoint_id: str, body: bytes) -> str:
        at = int(self.sent_at())
        secrets = [
            secret for secret, until in self._state.outbox.secrets[endpoint_id] if until is None or at < until
        ]
        return ",".join([f"t={at}", *(f"v1={signed(secret, at, body)}" for secret in secrets)])

    def answered(self, outgoing: Outgoing, status: int | None) -> None:
        """Note the answer of an attempt, or of a forgery, which is nobody's delivery."""
        if outgoing.forged:
            self.forged_answers.append(status)
        else:
            self.settle(outgoing.delivery, status)

    def settle(self, delivery: Delivery, status: int | None) -> None:
        """Note the answer of an attempt: all but 2xx is tried again later, until the tries are used up."""
        delivery.answers.append(status)
        if delivery.status != "pending":
            return
        if status is not None and 200 <= status < 300:  # noqa: PLR2004 - the class of HTTP statuses
            delivery.status = "succeeded"
            delivery.event["pending_webhooks"] -= 1
            return
        retries = _LIVE_RETRIES if self._state.livemode else _TEST_RETRIES
        tried = len(delivery.answers) - 1
        if tried >= len(retries):
            delivery.status = "failed"
        else:
            delivery.due_at += retries[tried]

    def retry(self) -> None:
        """Have everything that was not delivered tried again now, as a person can in the dashboard."""
        outbox = self._state.outbox
        outbox.waiting = [entry for entry in outbox.deliveries if entry.status != "succeeded"]
        for delivery in outbox.waiting:
            delivery.status, delivery.due_at = "pending", self._state.now

    def roll_secret(self, endpoint_id: str, *, keep_seconds: int) -> str:
        """A new secret for an endpoint, which the dashboard does; the old one signs too for a while.

        Raises:
            KeyError: there is no such endpoint.
            ValueError: `keep_seconds` is negative or more than a day.
        """
        if not 0 <= keep_seconds <= ROLL_SECONDS_MAX:
            raise ValueError(f"`keep_seconds` must lie between 0 and {ROLL_SECONDS_MAX}.")
        until = int(self.sent_at()) + keep_seconds
        secrets = self._state.outbox.secrets
        kept = [(secret, until if end is None else min(end, until)) for secret, end in secrets[endpoint_id]]
        fresh = self._state.identifiers.new("whsec")
        secrets[endpoint_id] = [(fresh, None), *kept]
        return fresh

    def told(self) -> list[dict[str, Any]]:
        """All deliveries as plain data, oldest first."""
        return [
            {
                "number": entry.number,
                "event": entry.event["id"],
                "type": entry.event["type"],
                "endpoint": entry.endpoint_id,
                "status": entry.status,
                "due_at": entry.due_at,
                "answers": list(entry.answers),
            }
            for entry in self._state.outbox.deliveries
        ]


def signed(secret: str, at: int, body: bytes) -> str:
    """HMAC-SHA256 over time and raw body, in hexadecimal digits."""
    return hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()


def post_over_loopback(url: str, headers: Mapping[str, str], body: bytes) -> int | None:
    """Post to this machine and return the status; None for no answer, or for an address elsewhere."""
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname not in _LOOPBACK:
        return None
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=_ANSWER_SECONDS)
    try:
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", target or "/", body=body, headers=dict(headers))
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
