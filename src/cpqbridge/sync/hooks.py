"""Stripe's events taken in: a genuine one is stored once, by its id, with what it names and none of its data.

Nothing else happens in the request, so Stripe is answered at once; a worker, in this process or another,
looks at it afterwards (`cpqbridge.sync.event_desk`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog

from cpqbridge.clock import Clock, SystemClock
from cpqbridge.store import connections, events
from cpqbridge.store.connections import Connection
from cpqbridge.store.events import EventState
from cpqbridge.stripe_billing.webhooks import event_of, is_signed
from cpqbridge.sync.event_names import HEARD, named

if TYPE_CHECKING:
    from cpqbridge.sync.service import SyncService

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRefusal:
    """Why a request was not taken for an event of Stripe, and what to do; `code` is stable."""

    code: str
    message: str
    fix: str


NO_SECRET = EventRefusal(
    code="event_no_secret",
    message="No events are taken here: no connection has the signing secret of a webhook.",
    fix="Give it one: cpqbridge connection webhook --secret -",
)
NOT_SIGNED = EventRefusal(
    code="event_not_signed",
    message="This is not signed with a secret of this endpoint, or its stamp is more than five minutes off.",
    fix="Compare the endpoint's signing secret in Stripe with the one given to cpqbridge connection webhook, "
    "the proxy (it must pass the body on unchanged), and the clock of this machine.",
)
NOT_AN_EVENT = EventRefusal(
    code="event_not_one",
    message="The body is signed but no event with an id, a type and a time.",
    fix="Let the event destination in Stripe send snapshot payloads, not thin ones.",
)


class StripeHook:
    """Takes in the events of all connections' endpoints."""

    def __init__(
        self, service: SyncService, *, secrets: Sequence[str] = (), machine_clock: Clock | None = None
    ) -> None:
        """Believe what is signed with a connection's own secret, for it, or with one of `secrets`, for all.

        Stamps are compared with the machine's clock, simulated or not: whoever signs reads his own.
        """
        self._service = service
        self._secrets = tuple(secrets)
        self._machine_clock = machine_clock or SystemClock()

    def take(self, payload: bytes, signature: str) -> EventRefusal | None:
        """Store an event for a worker to look at; one that is stored already changes nothing.

        Returns:
            None when it was taken, else why not; then nothing is stored.
        """
        refusal, event, takers = self._believed(payload, signature)
        if refusal is not None:
            log.warning("event_refused", code=refusal.code, length_bytes=len(payload))
            return refusal
        found = named(event)
        state = EventState.WAITING if found.type in HEARD else EventState.IGNORED
        new = 0
        with self._service.store.write() as transaction:
            for connection in takers:
                new += events.keep(
                    transaction,
                    connection_id=connection.connection_id,
                    events=[found],
                    at=self._service.clock_of(connection).now(),
                    state=state,
                )
        log.info("event_taken", type=found.type, stripe_event=found.event_id, is_new=new > 0)
        return None

    def _believed(
        self, payload: bytes, signature: str
    ) -> tuple[EventRefusal | None, Mapping[str, Any], Sequence[Connection]]:
        """Return the event and whose it is, or why it is not believed."""
        with self._service.store.read() as transaction:
            known = connections.list_all(transaction)
            own = connections.open_webhook_secrets(self._service.store, transaction)
        if not own and not self._secrets:
            return NO_SECRET, {}, ()
        now = self._machine_clock.now()
        is_for_all = is_signed(payload, signature, secrets=self._secrets, now=now)
        signed = [
            each
            for each in known
            if is_for_all or is_signed(payload, signature, secrets=own.get(each.connection_id, ()), now=now)
        ]
        if not signed:
            return NOT_SIGNED, {}, ()
        event = event_of(payload)
        if event is None:
            return NOT_AN_EVENT, {}, ()
        takers = [each for each in signed if _is_of(event, each)]
        return (None if takers else _of_another(event)), event, takers


def _is_of(event: Mapping[str, Any], connection: Connection) -> bool:
    """Return whether the event says nothing that contradicts the connection's account and mode."""
    account, mode = event.get("account"), event.get("livemode")
    return account in {None, connection.facts.stripe_account_id} and mode in {
        None,
        connection.facts.live_mode,
    }


def _of_another(event: Mapping[str, Any]) -> EventRefusal:
    mode = "live" if event.get("livemode") else "test"
    account = event.get("account")
    whose = f"account {account}" if isinstance(account, str) else "another account"
    return EventRefusal(
        code="event_of_another",
        message=f"The event is of {whose} in {mode} mode, and no connection with this secret is.",
        fix="Send it to the cpqbridge that is connected to that account and mode, or delete this endpoint.",
    )
