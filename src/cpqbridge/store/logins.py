"""How a connection signed in to Salesforce, so that its session can be renewed; by one process at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection as Transaction
from sqlalchemy import or_, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from cpqbridge.store.app_tables import salesforce_logins
from cpqbridge.store.database import Store

_CLIENT_SECRET = "client_secret"  # noqa: S105 - the name of a column
_REFRESH_TOKEN = "refresh_token"  # noqa: S105 - the name of a column


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A sign-in with everything that renews its session; the secrets are never part of a repr."""

    sign_in_url: str
    client_id: str
    username: str
    client_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginFacts:
    """A sign-in without its secrets; `renewed_at` is when its session last began (aware UTC)."""

    sign_in_url: str
    client_id: str
    username: str
    renewed_at: datetime


def save(store: Store, transaction: Transaction, *, connection_id: int, login: Login, at: datetime) -> None:
    """Store the sign-in of a connection in place of an earlier one; its secrets are encrypted."""
    vault = store.vault
    values = {
        "login_url": login.sign_in_url,
        "client_id": login.client_id,
        "username": login.username,
        "client_secret": vault.encrypt(
            login.client_secret, connection_id=connection_id, field=_CLIENT_SECRET
        ),
        "refresh_token": vault.encrypt(
            login.refresh_token, connection_id=connection_id, field=_REFRESH_TOKEN
        ),
        "refreshed_at": at,
        "claimed_until": None,
    }
    statement = upsert(salesforce_logins).values(connection_id=connection_id, **values)
    transaction.execute(statement.on_conflict_do_update(index_elements=["connection_id"], set_=values))


def is_there(transaction: Transaction, *, connection_id: int) -> bool:
    """Return whether the connection signed in; one that was given a token only cannot renew its session."""
    return facts(transaction, connection_id=connection_id) is not None


def facts(transaction: Transaction, *, connection_id: int) -> LoginFacts | None:
    """Return how the connection signed in, without secrets; None when it was given a token only."""
    columns = salesforce_logins.c
    row = transaction.execute(
        select(columns.login_url, columns.client_id, columns.username, columns.refreshed_at).where(
            columns.connection_id == connection_id
        )
    ).first()
    if row is None:
        return None
    return LoginFacts(
        sign_in_url=row.login_url,
        client_id=row.client_id,
        username=row.username,
        renewed_at=row.refreshed_at,
    )


def open_login(store: Store, transaction: Transaction, *, connection_id: int) -> Login | None:
    """Return the sign-in with its secrets in clear text, None when there is none.

    Raises:
        ConfigurationError: the secret key is not the one they were stored with.
    """
    row = transaction.execute(
        select(salesforce_logins).where(salesforce_logins.c.connection_id == connection_id)
    ).first()
    if row is None:
        return None
    vault = store.vault
    return Login(
        sign_in_url=row.login_url,
        client_id=row.client_id,
        username=row.username,
        client_secret=vault.decrypt(row.client_secret, connection_id=connection_id, field=_CLIENT_SECRET),
        refresh_token=vault.decrypt(row.refresh_token, connection_id=connection_id, field=_REFRESH_TOKEN),
    )


def claim(transaction: Transaction, *, connection_id: int, now: datetime, until: datetime) -> bool:
    """Claim the right to renew the session until an instant; return False while somebody else has it."""
    columns = salesforce_logins.c
    claimed = transaction.execute(
        update(salesforce_logins)
        .where(
            columns.connection_id == connection_id,
            or_(columns.claimed_until.is_(None), columns.claimed_until <= now),
        )
        .values(claimed_until=until)
    )
    return claimed.rowcount == 1


def release(transaction: Transaction, *, connection_id: int) -> None:
    """Give the right to renew the session back."""
    transaction.execute(
        update(salesforce_logins)
        .where(salesforce_logins.c.connection_id == connection_id)
        .values(claimed_until=None)
    )


def keep_renewed(
    store: Store, transaction: Transaction, *, connection_id: int, refresh_token: str | None, at: datetime
) -> None:
    """Keep that the session was renewed, with the next refresh token where Salesforce gave one."""
    values: dict[str, object] = {"refreshed_at": at, "claimed_until": None}
    if refresh_token is not None:
        values["refresh_token"] = store.vault.encrypt(
            refresh_token, connection_id=connection_id, field=_REFRESH_TOKEN
        )
    transaction.execute(
        update(salesforce_logins).where(salesforce_logins.c.connection_id == connection_id).values(values)
    )
