"""Connections: one Salesforce org, one Stripe account, their secrets and configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection as Transaction
from sqlalchemy import Row, case, delete, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from cpqbridge.errors import ConfigurationError
from cpqbridge.store.app_tables import salesforce_logins
from cpqbridge.store.database import Store
from cpqbridge.store.tables import configurations, connections, schema_caches, webhook_secrets

SALESFORCE_TOKEN = "salesforce_token"  # noqa: S105 - the name of a column
STRIPE_KEY = "stripe_key"
WEBHOOK_SECRET = "webhook_secret"  # noqa: S105 - the name of a field
_MOST_WEBHOOK_SECRETS = 5
_LONGEST_NAME = 80
_NO_NAMES = frozenset({".", "..", "new"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionFacts:
    """What the two sides said about themselves when the connection was made or last checked.

    `live_mode` tells that the Stripe key bills for real; `simulated` that either side is on loopback.
    """

    org_id: str
    org_name: str
    time_zone: str
    multi_currency: bool
    salesforce_url: str
    stripe_account_id: str
    stripe_account_name: str
    stripe_api_base: str | None
    live_mode: bool
    simulated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A stored connection without its secrets. `access_lost` says why it is stopped, None when it is not."""

    connection_id: int
    name: str
    facts: ConnectionFacts
    access_lost: str | None
    created_at: datetime
    checked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionSecrets:
    """The two credentials; never part of a repr."""

    salesforce_token: str = field(repr=False)
    stripe_key: str = field(repr=False)


def add(
    store: Store,
    transaction: Transaction,
    *,
    name: str,
    facts: ConnectionFacts,
    secrets: ConnectionSecrets,
    at: datetime,
) -> Connection:
    """Store a new connection; its secrets are encrypted before they reach the database.

    Raises:
        ConfigurationError: the name is taken, or the org and account are connected already.
    """
    require_free_name(transaction, name)
    for other in list_all(transaction):
        same_org = other.facts.org_id == facts.org_id
        if same_org and other.facts.stripe_account_id == facts.stripe_account_id:
            raise ConfigurationError(
                f"This org and this Stripe account are connected already as {other.name!r}.",
                code="connection_exists",
                fix="Use that connection.",
            )
    values = {**_columns(facts), "name": name, "created_at": at, "checked_at": at}
    values |= {SALESFORCE_TOKEN: "", STRIPE_KEY: ""}
    row_id = transaction.execute(insert(connections).values(values)).inserted_primary_key
    connection_id = int(row_id[0]) if row_id else 0
    replace_secrets(
        store,
        transaction,
        connection_id=connection_id,
        salesforce_token=secrets.salesforce_token,
        stripe_key=secrets.stripe_key,
    )
    return get(transaction, connection_id=connection_id)


def require_free_name(transaction: Transaction, name: str) -> None:
    """Check a new connection's name.

    Raises:
        ConfigurationError: it is empty or too long, or another connection has it.
    """
    if not name.strip() or len(name) > _LONGEST_NAME:
        raise ConfigurationError(
            f"A connection's name has 1 to {_LONGEST_NAME} characters.",
            code="connection_name",
            field="name",
            fix="Choose a short name.",
        )
    if name.strip() in _NO_NAMES or not name.isprintable() or {"/", "\\"} & set(name):
        raise ConfigurationError(
            f"The name {name!r} cannot stand in the address of a page.",
            code="connection_name",
            field="name",
            fix="Choose a short name of letters, digits, blanks and hyphens.",
        )
    if any(other.name == name for other in list_all(transaction)):
        raise ConfigurationError(
            f"A connection named {name!r} exists already.",
            code="connection_name_taken",
            field="name",
            fix="Choose another name.",
        )


def replace_secrets(
    store: Store,
    transaction: Transaction,
    *,
    connection_id: int,
    salesforce_token: str | None = None,
    stripe_key: str | None = None,
) -> None:
    """Encrypt and store credentials of a connection; what is None stays as it is stored."""
    given = {SALESFORCE_TOKEN: salesforce_token, STRIPE_KEY: stripe_key}
    sealed = {
        field: store.vault.encrypt(secret, connection_id=connection_id, field=field)
        for field, secret in given.items()
        if secret is not None
    }
    if sealed:
        transaction.execute(
            update(connections).where(connections.c.connection_id == connection_id).values(sealed)
        )


def move_org(transaction: Transaction, *, connection_id: int, salesforce_url: str) -> None:
    """Keep where the org's API is now (an origin): Salesforce said so when the session was renewed."""
    transaction.execute(
        update(connections)
        .where(connections.c.connection_id == connection_id)
        .values(salesforce_url=salesforce_url)
    )


def open_secrets(store: Store, transaction: Transaction, *, connection_id: int) -> ConnectionSecrets:
    """Return the credentials in clear text.

    Raises:
        ConfigurationError: the secret key is not the one they were stored with.
    """
    row = transaction.execute(
        select(connections.c.salesforce_token, connections.c.stripe_key).where(
            connections.c.connection_id == connection_id
        )
    ).one()
    vault = store.vault
    return ConnectionSecrets(
        salesforce_token=vault.decrypt(
            row.salesforce_token, connection_id=connection_id, field=SALESFORCE_TOKEN
        ),
        stripe_key=vault.decrypt(row.stripe_key, connection_id=connection_id, field=STRIPE_KEY),
    )


def add_webhook_secret(
    store: Store,
    transaction: Transaction,
    *,
    connection_id: int,
    secret: str,
    keeps_old: bool,
    at: datetime,
) -> None:
    """Encrypt and store a signing secret of the connection's webhook, beside the old ones or in their place.

    Of more than five the oldest go.
    """
    if not keeps_old:
        remove_webhook_secrets(transaction, connection_id=connection_id)
    transaction.execute(
        insert(webhook_secrets).values(
            connection_id=connection_id,
            secret=store.vault.encrypt(secret, connection_id=connection_id, field=WEBHOOK_SECRET),
            added_at=at,
        )
    )
    kept = (
        select(webhook_secrets.c.secret_id)
        .where(webhook_secrets.c.connection_id == connection_id)
        .order_by(webhook_secrets.c.secret_id.desc())
        .limit(_MOST_WEBHOOK_SECRETS)
    )
    transaction.execute(
        delete(webhook_secrets).where(
            webhook_secrets.c.connection_id == connection_id, webhook_secrets.c.secret_id.not_in(kept)
        )
    )


def remove_webhook_secrets(transaction: Transaction, *, connection_id: int) -> None:
    """Forget every signing secret of the connection's webhook."""
    transaction.execute(delete(webhook_secrets).where(webhook_secrets.c.connection_id == connection_id))


def webhook_secrets_added_at(transaction: Transaction, *, connection_id: int) -> tuple[datetime, ...]:
    """Return when each of the connection's signing secrets was stored (aware UTC), newest first."""
    rows = transaction.execute(
        select(webhook_secrets.c.added_at)
        .where(webhook_secrets.c.connection_id == connection_id)
        .order_by(webhook_secrets.c.secret_id.desc())
    )
    return tuple(rows.scalars())


def open_webhook_secrets(store: Store, transaction: Transaction) -> dict[int, tuple[str, ...]]:
    """Return the signing secrets in clear text by connection id, newest first.

    Raises:
        ConfigurationError: the secret key is not the one they were stored with.
    """
    rows = transaction.execute(
        select(webhook_secrets.c.connection_id, webhook_secrets.c.secret).order_by(
            webhook_secrets.c.secret_id.desc()
        )
    )
    found: dict[int, tuple[str, ...]] = {}
    for row in rows:
        opened = store.vault.decrypt(row.secret, connection_id=row.connection_id, field=WEBHOOK_SECRET)
        found[row.connection_id] = (*found.get(row.connection_id, ()), opened)
    return found


def list_all(transaction: Transaction) -> tuple[Connection, ...]:
    """Return every connection by name."""
    rows = transaction.execute(select(connections).order_by(connections.c.name))
    return tuple(_connection(row) for row in rows)


def get(transaction: Transaction, *, connection_id: int) -> Connection:
    """Return the connection with this id; it must exist."""
    row = transaction.execute(select(connections).where(connections.c.connection_id == connection_id)).one()
    return _connection(row)


def find(transaction: Transaction, name: str | None) -> Connection:
    """Return the connection of this name; without a name the only one there is.

    Raises:
        ConfigurationError: there is none, or no name was given and there are several.
    """
    known = list_all(transaction)
    names = ", ".join(connection.name for connection in known) or "none"
    if name is not None:
        for connection in known:
            if connection.name == name:
                return connection
        raise ConfigurationError(
            f"There is no connection named {name!r}.",
            code="connection_unknown",
            field="connection",
            fix=f"Known connections: {names}.",
        )
    if len(known) == 1:
        return known[0]
    if not known:
        raise ConfigurationError(
            "There is no connection yet.",
            code="connection_missing",
            fix="Make one with: cpqbridge connection add --help",
        )
    raise ConfigurationError(
        "There are several connections and none was named.",
        code="connection_unclear",
        field="connection",
        fix=f"Name one of: {names}.",
    )


def mark_checked(
    transaction: Transaction, *, connection_id: int, facts: ConnectionFacts, at: datetime
) -> None:
    """Keep what a successful check found; a stopped connection goes on."""
    transaction.execute(
        update(connections)
        .where(connections.c.connection_id == connection_id)
        .values({**_columns(facts), "checked_at": at, "access_lost": None})
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """What an opened connection depends on: `given` was stored by people, `described_at` is of the fields."""

    given: tuple[object, ...]
    described_at: datetime | None


def version(transaction: Transaction, *, connection_id: int) -> Version:
    """Return a value that differs as soon as anything was stored that an opened connection depends on.

    A session that was renewed does not count: those that have the old one find the new one when they need it.
    """
    row = transaction.execute(
        select(
            case((salesforce_logins.c.connection_id.is_(None), connections.c.salesforce_token), else_=""),
            connections.c.salesforce_url,
            connections.c.stripe_key,
            connections.c.checked_at,
            configurations.c.updated_at,
            configurations.c.document,
            schema_caches.c.fetched_at,
        )
        .select_from(
            connections.outerjoin(configurations)
            .outerjoin(schema_caches)
            .outerjoin(salesforce_logins, salesforce_logins.c.connection_id == connections.c.connection_id)
        )
        .where(connections.c.connection_id == connection_id)
    ).one()
    *given, described_at = row
    return Version(given=tuple(given), described_at=described_at)


def mark_access_lost(transaction: Transaction, *, connection_id: int, message: str) -> None:
    """Stop a connection until a check succeeds again."""
    transaction.execute(
        update(connections).where(connections.c.connection_id == connection_id).values(access_lost=message)
    )


def configuration(transaction: Transaction, *, connection_id: int) -> Mapping[str, Any] | None:
    """Return the stored configuration document, None when none was ever applied."""
    found: Mapping[str, Any] | None = transaction.execute(
        select(configurations.c.document).where(configurations.c.connection_id == connection_id)
    ).scalar()
    return found


def configured_at(transaction: Transaction, *, connection_id: int) -> datetime | None:
    """Return when the configuration was stored that is in force (aware UTC), None when none ever was."""
    found: datetime | None = transaction.execute(
        select(configurations.c.updated_at).where(configurations.c.connection_id == connection_id)
    ).scalar()
    return found


def save_configuration(
    transaction: Transaction, *, connection_id: int, document: Mapping[str, Any], at: datetime
) -> None:
    """Replace the configuration; what is known about the org is read again, since other fields may matter."""
    statement = upsert(configurations).values(connection_id=connection_id, document=document, updated_at=at)
    transaction.execute(
        statement.on_conflict_do_update(
            index_elements=["connection_id"], set_={"document": document, "updated_at": at}
        )
    )
    transaction.execute(delete(schema_caches).where(schema_caches.c.connection_id == connection_id))


def schema_cache(
    transaction: Transaction, *, connection_id: int
) -> tuple[Mapping[str, Any], datetime] | None:
    """Return the org's described objects and when they were fetched, None when unknown."""
    row = transaction.execute(
        select(schema_caches.c.document, schema_caches.c.fetched_at).where(
            schema_caches.c.connection_id == connection_id
        )
    ).first()
    return None if row is None else (row.document, row.fetched_at)


def save_schema_cache(
    transaction: Transaction, *, connection_id: int, document: Mapping[str, Any], at: datetime
) -> None:
    """Replace what is known about the org's objects."""
    statement = upsert(schema_caches).values(connection_id=connection_id, document=document, fetched_at=at)
    transaction.execute(
        statement.on_conflict_do_update(
            index_elements=["connection_id"], set_={"document": document, "fetched_at": at}
        )
    )


def _columns(facts: ConnectionFacts) -> dict[str, Any]:
    return {name: getattr(facts, name) for name in ConnectionFacts.__slots__}


def _connection(row: Row[Any]) -> Connection:
    return Connection(
        connection_id=row.connection_id,
        name=row.name,
        facts=ConnectionFacts(**{name: getattr(row, name) for name in ConnectionFacts.__slots__}),
        access_lost=row.access_lost,
        created_at=row.created_at,
        checked_at=row.checked_at,
    )
