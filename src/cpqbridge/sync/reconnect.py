"""Giving a connection a new sign-in or a new key: of the same org, the same account and the same mode only.

Each side is taken by itself, so that both can be put in order one after the other when both were lost.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import Connection as Transaction

from cpqbridge.salesforce.oauth import SignedIn
from cpqbridge.store import audit, connections, logins
from cpqbridge.store.audit import AuditEntry
from cpqbridge.store.connections import Connection
from cpqbridge.store.logins import Login
from cpqbridge.stripe_billing.client import StripeBilling
from cpqbridge.sync.identity import require_same

if TYPE_CHECKING:
    from cpqbridge.sync.service import SyncService


class Reconnect:
    """The use cases of a connection that has to be let in again."""

    def __init__(self, service: SyncService) -> None:
        """Work on the connections of `service`."""
        self._service = service

    def salesforce(self, name: str, signed_in: SignedIn, login: Login) -> Connection:
        """Keep a new sign-in, then check both sides; a connection that was stopped goes on.

        The sign-in is kept also when the check then finds something wrong with the other side.

        Raises:
            ConfigurationError: it is another org (code `wrong_org`); nothing is kept.
            CpqbridgeError: the check found something; see `Connections.check`.
        """
        store = self._service.store
        with store.write() as transaction:
            connection = connections.find(transaction, name)
            require_same(connection.facts, replace(connection.facts, org_id=signed_in.org_id))
            connection_id = connection.connection_id
            logins.save(
                store, transaction, connection_id=connection_id, login=login, at=self._service.clock.now()
            )
            connections.replace_secrets(
                store, transaction, connection_id=connection_id, salesforce_token=signed_in.access_token
            )
            connections.move_org(
                transaction, connection_id=connection_id, salesforce_url=signed_in.instance_url
            )
            self._note(transaction, connection, "salesforce_reconnected", username=login.username)
        return self._service.check_connection(name)

    def stripe(self, name: str, stripe_key: str) -> Connection:
        """Keep a new key, then check both sides; a connection that was stopped goes on.

        The key is kept also when the check then finds something wrong with the other side.

        Raises:
            ConfigurationError: it is no key, or of another account or mode; nothing is kept.
            AccessLostError: Stripe does not accept it; nothing is kept.
            CpqbridgeError: the check found something; see `Connections.check`.
        """
        store = self._service.store
        with store.read() as transaction:
            connection = connections.find(transaction, name)
        known = connection.facts
        with StripeBilling(stripe_key, api_base=known.stripe_api_base) as client:
            account = client.account()
        require_same(known, replace(known, stripe_account_id=account.account_id, live_mode=account.livemode))
        with store.write() as transaction:
            connections.replace_secrets(
                store, transaction, connection_id=connection.connection_id, stripe_key=stripe_key
            )
            self._note(transaction, connection, "stripe_reconnected")
        return self._service.check_connection(name)

    def _note(self, transaction: Transaction, connection: Connection, action: str, **detail: object) -> None:
        entry = AuditEntry(
            connection_id=connection.connection_id,
            at=self._service.clock.now(),
            action=action,
            subject=connection.name,
            detail=detail,
        )
        audit.record(transaction, entry)
