"""Stripe's events taken in: a genuine one is stored once, by its id, with what it names and none of its data.

Nothing else happens in the request, so Stripe is answered at once; a worker, in this process or another,
looks at it afterwards (`cpqbridge.sync.event_desk`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import structlog

from cpqbridge.clock import Clock, SystemClock
from cpqbridge.errors import EventRefusedError
from cpqbridge.store import connections, cursors, events
from cpqbridge.store.connections import Connection
from cpqbridge.store.events import EventState
from cpqbridge.stripe_billing.webhooks import event_of, is_signed
from cpqbridge.sync.event_names import HEARD, named

if TYPE_CHECKING:
    from cpqbridge.sync.service import SyncService

log = structlog.get_logger(__name__)


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

    def take(self, payload: bytes, signature: str) -> None:
        """Store an event for a worker to look at; one that is stored already changes nothing.

        Raises:
            EventRefusedError: it is not believed, or not for us; nothing is stored.
        """
        try:
            event, takers = self._believed(payload, signature)
        except EventRefusedError as error:
            log.warning("event_refused", code=error.code, length_bytes=len(payload))
            raise
        found = named(event)
        state = EventState.WAITING if found.type in HEARD else EventState.IGNORED
        new = 0
        with self._service.store.write() as transaction:
            for connection in takers:
                connection_id, now = connection.connection_id, self._service.clock_of(connection).now()
                new += events.keep(
                    transaction, connection_id=connection_id, events=[found], at=now, state=state
                )
                cursors.move(transaction, connection_id=connection_id, name=cursors.EVENTS_HEARD, instant=now)
        log.info("event_taken", type=found.type, stripe_event=found.event_id, is_new=new > 0)

    def _believed(self, payload: bytes, signature: str) -> tuple[Mapping[str, Any], Sequence[Connection]]:
        """Return the event and the connections it is for, at least one."""
        with self._service.store.read() as transaction:
            known = connections.list_all(transaction)
            own = connections.open_webhook_secrets(self._service.store, transaction)
        if not own and not self._secrets:
            raise _no_secret()
        now = self._machine_clock.now()
        is_for_all = is_signed(payload, signature, secrets=self._secrets, now=now)
        signed = [
            each
            for each in known
            if is_for_all or is_signed(payload, signature, secrets=own.get(each.connection_id, ()), now=now)
        ]
        if not signed:
            raise _not_signed()
        event = event_of(payload)
        if event is None:
            raise EventRefusedError(
                "The body is signed, but no event with an id, a type and a time.",
                code="event_not_one",
                fix="Let the event destination in Stripe send snapshot payloads, not thin ones.",
            )
        takers = [each for each in signed if _is_of(event, each)]
        if not takers:
            raise _of_another(event)
        return event, takers


def _no_secret() -> EventRefusedError:
    return EventRefusedError(
        "No events are taken here: no connection has the signing secret of a webhook.",
        code="event_no_secret",
        fix="Give it one: cpqbridge connection webhook --secret -",
    )


def _not_signed() -> EventRefusedError:
    return EventRefusedError(
        "This is not signed with a secret of this endpoint, or its stamp is more than five minutes off.",
        code="event_not_signed",
        fix="Compare the endpoint's signing secret in Stripe with the one of cpqbridge connection webhook, "
        "see that the proxy passes the body on unchanged, and look at the clock of this machine.",
    )


def _is_of(event: Mapping[str, Any], connection: Connection) -> bool:
    """Return whether the event says nothing that contradicts the connection's account and mode."""
    account, mode = event.get("account"), event.get("livemode")
    is_mode = mode is None or mode == connection.facts.live_mode
    return is_mode and (account is None or account == connection.facts.stripe_account_id)


def _of_another(event: Mapping[str, Any]) -> EventRefusedError:
    mode = "live" if event.get("livemode") else "test"
    account = event.get("account")
    whose = f"account {account}" if isinstance(account, str) else "an account"
    return EventRefusedError(
        f"The event is of {whose} in {mode} mode, and no connection with this secret is.",
        code="event_of_another",
        fix="Send it to the cpqbridge that is connected to that account and mode, or delete this endpoint.",
    )
