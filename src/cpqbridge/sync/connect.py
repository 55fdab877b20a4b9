"""Making, checking and opening connections: both sides say who they are, and that never changes silently."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from cpqbridge.clock import Clock, SystemClock
from cpqbridge.domain.billing import Link
from cpqbridge.domain.calls import CallWatch, NoWatch, Side
from cpqbridge.errors import AccessLostError, ConfigurationError
from cpqbridge.mapping.configuration import Configuration, default_configuration, parse_configuration
from cpqbridge.mapping.needs import FieldNeeds, field_needs
from cpqbridge.salesforce.client import Renew, SalesforceClient
from cpqbridge.salesforce.schema import OrgSchema
from cpqbridge.salesforce.selection import load_needed_schema
from cpqbridge.store import audit, connections, links, logins
from cpqbridge.store.audit import AuditEntry
from cpqbridge.store.connections import Connection, ConnectionFacts, ConnectionSecrets
from cpqbridge.store.database import Store
from cpqbridge.store.logins import Login
from cpqbridge.stripe_billing.client import StripeBilling
from cpqbridge.sync.configure import save_version
from cpqbridge.sync.examining import Sides, examine
from cpqbridge.sync.identity import IdentityWatch, questions, require_same
from cpqbridge.sync.mapping_check import require_fitting
from cpqbridge.sync.ports import OpenConnection
from cpqbridge.sync.retry import Retries
from cpqbridge.sync.session_keeping import SessionKeeper
from cpqbridge.sync.sides import OrgFields, SalesforceOrg, StripeAccountSide
from cpqbridge.sync.try_book import TryBook

SCHEMA_LIFE = timedelta(hours=12)
"""How long what is known about the org's fields is used; `connection check` reads it again at once."""

_BOTH_SIDES: tuple[Side, ...] = ("salesforce", "stripe")

Opener = Callable[[int], OpenConnection]
"""Opens a connection by id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewConnection:
    """What a person says to make a connection. `live` says that the Stripe key is meant to be a live one.

    `login` renews the session that `salesforce_token` is of; without it a person gives a fresh token.
    """

    name: str
    salesforce_url: str
    salesforce_token: str = field(repr=False)
    stripe_key: str = field(repr=False)
    stripe_api_base: str | None = None
    configuration: Configuration = field(default_factory=default_configuration)
    live: bool = False
    login: Login | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshSecrets:
    """Secrets that take the place of stored ones; None keeps the stored one."""

    salesforce_token: str | None = field(default=None, repr=False)
    stripe_key: str | None = field(default=None, repr=False)

    def complete(self) -> ConnectionSecrets | None:
        """Return both secrets, None when one is to be kept: then the stored ones must be opened."""
        if self.salesforce_token is None or self.stripe_key is None:
            return None
        return ConnectionSecrets(salesforce_token=self.salesforce_token, stripe_key=self.stripe_key)

    def over(self, stored: ConnectionSecrets) -> ConnectionSecrets:
        """Return the stored secrets with the fresh ones in their place."""
        return ConnectionSecrets(
            salesforce_token=self.salesforce_token or stored.salesforce_token,
            stripe_key=self.stripe_key or stored.stripe_key,
        )


class Connections:
    """The connections of a store and their opened clients, kept for the life of this process."""

    def __init__(
        self,
        store: Store,
        retries: Retries,
        *,
        watch: Callable[[Connection, Configuration], CallWatch] | None = None,
        clock_of: Callable[[Connection], Clock] | None = None,
        machine_clock: Clock | None = None,
    ) -> None:
        """Open nothing yet.

        `watch` makes what stands between a connection and the network, `clock_of` gives the clock that a
        connection lives by, the machine's without it.
        """
        self._store = store
        self._retries = retries
        self._watch = watch or (lambda _connection, _configuration: NoWatch())
        self._machine_clock = machine_clock or SystemClock()
        self._clock_of = clock_of or (lambda _connection: self._machine_clock)
        self._sessions = SessionKeeper(store, clock=self._machine_clock, sleep=retries.sleep)
        self._opened: dict[int, tuple[object, OpenConnection]] = {}
        # Opened with older facts or secrets; a run may still be using them, so they are closed at the end.
        self._replaced: list[OpenConnection] = []
        # The sides that have said who they are, for the secrets they were asked with.
        self._proven: dict[int, tuple[ConnectionSecrets, set[Side]]] = {}
        self._guard = threading.Lock()
        self._guards: dict[int, threading.Lock] = {}

    def add(self, new: NewConnection, clock: Clock) -> Connection:
        """Ask both sides who they are, store the connection, link customers that carry our metadata.

        Raises:
            ConfigurationError: the name is taken, the mode is another one, an address or key cannot be, or a
                rule of the mapping does not fit the org.
            CpqbridgeError: a side does not answer or does not let us in.
        """
        configuration = new.configuration
        secrets = ConnectionSecrets(salesforce_token=new.salesforce_token, stripe_key=new.stripe_key)
        with self._store.read() as transaction:
            connections.require_free_name(transaction, new.name)
        examined = examine(
            Sides(
                secrets=secrets,
                salesforce_url=new.salesforce_url,
                stripe_api_base=new.stripe_api_base,
                live=new.live,
            ),
            configuration,
            self._retries,
            with_customers=True,
        )
        require_fitting(configuration.mapping, examined.schema)
        now = clock.now()
        with self._store.write() as transaction:
            connection = connections.add(
                self._store, transaction, name=new.name, facts=examined.facts, secrets=secrets, at=now
            )
            connection_id = connection.connection_id
            save_version(transaction, connection, configuration, at=now)
            if new.login is not None:
                logins.save(
                    self._store,
                    transaction,
                    connection_id=connection_id,
                    login=new.login,
                    at=self._machine_clock.now(),
                )
            self._save_schema(transaction, connection_id, examined.schema)
            for account_id, customer_id in sorted(examined.customers.items()):
                # The empty fingerprint makes the first sync of the account bring the customer up to date.
                link = Link(key=f"customer:{account_id}", stripe_id=customer_id, fingerprint="")
                links.save(transaction, connection_id=connection_id, link=link, at=now)
            _note(
                transaction,
                connection,
                "connection_added",
                now,
                detail={"customers": len(examined.customers)},
                after=_sides(examined.facts),
            )
        self._proven[connection_id] = (secrets, set(_BOTH_SIDES))
        return connection

    def check(self, name: str | None, clock: Clock, *, fresh: FreshSecrets | None = None) -> Connection:
        """Ask both sides again who they are; a connection that was stopped goes on.

        With `fresh` the sides are asked with these secrets, which are kept when they are the same sides.

        Raises:
            ConfigurationError: org, account or mode are not the ones that were connected.
            CpqbridgeError: a side does not answer or does not let us in.
        """
        fresh = fresh or FreshSecrets()
        with self._store.read() as transaction:
            connection = connections.find(transaction, name)
            secrets = fresh.complete() or fresh.over(
                connections.open_secrets(self._store, transaction, connection_id=connection.connection_id)
            )
            document = connections.configuration(transaction, connection_id=connection.connection_id)
        known = connection.facts
        examined = examine(
            Sides(
                secrets=secrets,
                salesforce_url=known.salesforce_url,
                stripe_api_base=known.stripe_api_base,
                live=known.live_mode,
                renew=self._renewal(connection, fresh),
            ),
            parse_configuration(document or {}),
            self._retries,
        )
        self._require_same(connection, examined.facts, is_fresh=fresh != FreshSecrets())
        now = clock.now()
        with self._store.write() as transaction:
            connections.replace_secrets(
                self._store,
                transaction,
                connection_id=connection.connection_id,
                salesforce_token=fresh.salesforce_token,
                stripe_key=fresh.stripe_key,
            )
            connections.mark_checked(
                transaction, connection_id=connection.connection_id, facts=examined.facts, at=now
            )
            self._save_schema(transaction, connection.connection_id, examined.schema)
            renewed = {
                name: "renewed"
                for name, given in (
                    ("salesforce_access", fresh.salesforce_token),
                    ("stripe_access", fresh.stripe_key),
                )
                if given
            }
            _note(
                transaction,
                connection,
                "connection_checked",
                now,
                before={**_sides(known), "access_lost": connection.access_lost},
                after={**_sides(examined.facts), "access_lost": None, **renewed},
            )
            self._proven[connection.connection_id] = (secrets, set(_BOTH_SIDES))
            return connections.get(transaction, connection_id=connection.connection_id)

    def open(self, connection_id: int) -> OpenConnection:
        """Return both sides of a connection, ready for use; opened anew when anything stored has changed.

        Raises:
            ConfigurationError: the secrets or the configuration cannot be read.
        """
        # One at a time: two threads that need the same connection first must not both open it. Other
        # connections are not held up by an org that is slow to say which fields it has.
        with self._guard:
            guard = self._guards.setdefault(connection_id, threading.Lock())
        with guard:
            while True:
                opened = self._opened_now(connection_id)
                if opened is not None:
                    return opened

    def _opened_now(self, connection_id: int) -> OpenConnection | None:
        """Return the connection as it is stored, None when something else was stored while it was opened."""
        with self._store.read() as transaction:
            before = connections.version(transaction, connection_id=connection_id)
            present = self._opened.get(connection_id)
            if present is not None and present[0] == before:
                return present[1]
            connection = connections.get(transaction, connection_id=connection_id)
            document = connections.configuration(transaction, connection_id=connection_id)
            secrets = connections.open_secrets(self._store, transaction, connection_id=connection_id)
        opened = self._open(connection, parse_configuration(document or {}), secrets)
        with self._store.read() as transaction:
            # Opening may have stored the org's fields, which is part of the version.
            version = connections.version(transaction, connection_id=connection_id)
        with self._guard:
            if version.given != before.given:
                self._replaced.append(opened)
                return None
            if present is not None:
                self._replaced.append(present[1])
            self._opened[connection_id] = (version, opened)
        return opened

    def apply_configuration(self, name: str | None, configuration: Configuration, clock: Clock) -> Connection:
        """Replace a connection's configuration, as a new version of it."""
        with self._store.write() as transaction:
            connection = connections.find(transaction, name)
            save_version(transaction, connection, configuration, at=clock.now())
        return connection

    def configuration(self, name: str | None) -> Configuration:
        """Return a connection's configuration."""
        with self._store.read() as transaction:
            connection = connections.find(transaction, name)
            document = connections.configuration(transaction, connection_id=connection.connection_id)
        return parse_configuration(document or {})

    def close(self) -> None:
        """Close every opened client."""
        with self._guard:
            opened = [*self._replaced, *(entry for _, entry in self._opened.values())]
            self._opened.clear()
            self._replaced.clear()
        for entry in opened:
            entry.salesforce.close()
            entry.stripe.close()

    def _open(
        self, connection: Connection, configuration: Configuration, secrets: ConnectionSecrets
    ) -> OpenConnection:
        facts = connection.facts
        clock = self._clock_of(connection)
        book = TryBook(self._store, connection_id=connection.connection_id, clock=clock)
        retries = replace(self._retries, book=book)
        watch = IdentityWatch(
            self._watch(connection, configuration), proven=self._proven_sides(connection, secrets)
        )
        client = SalesforceClient(
            facts.salesforce_url,
            secrets.salesforce_token,
            renew=self._sessions.renewal_of(connection.connection_id),
            watch=watch,
        )
        stripe = StripeBilling(secrets.stripe_key, api_base=facts.stripe_api_base, watch=watch)
        watch.ask(questions(facts, client, stripe, lost=partial(self._stop, connection.connection_id)))
        needs = field_needs(configuration)
        try:
            schema = self._schema(connection.connection_id, client, needs)
        except BaseException:
            client.close()
            stripe.close()
            raise
        return OpenConnection(
            connection=connection,
            configuration=configuration,
            salesforce=SalesforceOrg(
                client=client,
                fields=OrgFields(
                    client, schema, describe=partial(self._described, connection.connection_id, client, needs)
                ),
                needs=needs,
                configuration=configuration,
                retries=retries,
            ),
            stripe=StripeAccountSide(client=stripe, retries=retries),
        )

    def _proven_sides(self, connection: Connection, secrets: ConnectionSecrets) -> set[Side]:
        """Return the sides that said with these secrets who they are; it grows as others do."""
        connection_id = connection.connection_id
        asked_with, sides = self._proven.get(connection_id, (secrets, set()))
        if asked_with != secrets:
            # A renewed session of the org says nothing of the account, and the other way round.
            same_token = asked_with.salesforce_token == secrets.salesforce_token
            same_key = asked_with.stripe_key == secrets.stripe_key
            still: dict[Side, bool] = {"salesforce": same_token, "stripe": same_key}
            sides = {side for side in sides if still[side]}
        self._proven[connection_id] = (secrets, sides)
        return sides

    def _stop(self, connection_id: int, error: AccessLostError) -> None:
        with self._store.write() as transaction:
            connections.mark_access_lost(transaction, connection_id=connection_id, message=error.message)

    def _require_same(self, connection: Connection, found: ConnectionFacts, *, is_fresh: bool) -> None:
        """Check that both sides are the connected ones; if not it stops, unless fresh secrets lead there."""
        try:
            require_same(connection.facts, found)
        except ConfigurationError as error:
            if not is_fresh:
                self._stop(connection.connection_id, AccessLostError(error.message))
            raise

    def _schema(self, connection_id: int, client: SalesforceClient, needs: FieldNeeds) -> OrgSchema:
        with self._store.read() as transaction:
            cached = connections.schema_cache(transaction, connection_id=connection_id)
        if cached is not None and self._machine_clock.now() - cached[1] < SCHEMA_LIFE:
            return OrgSchema.from_dict(cached[0])
        return self._described(connection_id, client, needs)

    def _described(self, connection_id: int, client: SalesforceClient, needs: FieldNeeds) -> OrgSchema:
        schema = self._retries.call(lambda: load_needed_schema(client, needs))
        with self._store.write() as transaction:
            self._save_schema(transaction, connection_id, schema)
        return schema

    def _renewal(self, connection: Connection, fresh: FreshSecrets) -> Renew | None:
        """Return what renews the stored session; one that was only just given is not older than that."""
        is_stored = fresh.salesforce_token is None
        return self._sessions.renewal_of(connection.connection_id) if is_stored else None

    def _save_schema(self, transaction: Any, connection_id: int, schema: OrgSchema) -> None:
        connections.save_schema_cache(
            transaction,
            connection_id=connection_id,
            document=schema.to_dict(),
            at=self._machine_clock.now(),
        )


def _sides(facts: ConnectionFacts) -> Mapping[str, object]:
    """Return who the two sides are, for the audit."""
    return {
        "org": f"{facts.org_name} ({facts.org_id})",
        "salesforce_url": facts.salesforce_url,
        "stripe_account": f"{facts.stripe_account_name} ({facts.stripe_account_id})",
        "mode": "live" if facts.live_mode else "test",
    }


def _note(
    transaction: Any,
    connection: Connection,
    action: str,
    at: datetime,
    *,
    detail: Mapping[str, object] | None = None,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> None:
    entry = AuditEntry(
        connection_id=connection.connection_id,
        at=at,
        action=action,
        subject=connection.name,
        detail=detail or {},
        before=before,
        after=after,
    )
    audit.record(transaction, entry)
