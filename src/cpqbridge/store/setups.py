"""Set-ups under way, with what was given so far, and sign-ins to Salesforce that are open."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection as Transaction
from sqlalchemy import Row, delete, insert, select, update

from cpqbridge.store.app_tables import oauth_requests, setups
from cpqbridge.store.database import Store

_SECRETS = "setup_secrets"
_VERIFIER = "oauth_verifier"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSetup:
    """A set-up without its secrets; `connection_id` is None until the connection is made."""

    setup_id: int
    name: str
    connection_id: int | None
    document: Mapping[str, Any]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRequest:
    """A sign-in that was begun: by whom, for which set-up, and what proves that it is the same."""

    setup_id: int
    user_id: int
    verifier: str
    redirect_url: str
    created_at: datetime


def add(
    store: Store, transaction: Transaction, *, name: str, connection_id: int | None, at: datetime
) -> StoredSetup:
    """Begin a set-up and return it."""
    values: dict[str, Any] = {"name": name, "connection_id": connection_id, "document": {}, "secrets": ""}
    made = transaction.execute(
        insert(setups).values(**values, created_at=at, updated_at=at).returning(setups.c.setup_id)
    )
    setup_id = made.scalar_one()
    save_secrets(store, transaction, setup_id=setup_id, secrets={})
    return get(transaction, setup_id=setup_id)


def list_all(transaction: Transaction) -> tuple[StoredSetup, ...]:
    """Return every set-up by name, those of connections too."""
    rows = transaction.execute(select(setups).order_by(setups.c.name, setups.c.setup_id))
    return tuple(_setup(row) for row in rows)


def get(transaction: Transaction, *, setup_id: int) -> StoredSetup:
    """Return the set-up of an id that is known to exist."""
    return _setup(transaction.execute(select(setups).where(setups.c.setup_id == setup_id)).one())


def by_name(transaction: Transaction, name: str) -> StoredSetup | None:
    """Return the set-up of this name, None when there is none."""
    row = transaction.execute(select(setups).where(setups.c.name == name)).first()
    return None if row is None else _setup(row)


def save(
    transaction: Transaction,
    *,
    setup_id: int,
    document: Mapping[str, Any],
    at: datetime,
    connection_id: int | None = None,
) -> None:
    """Keep what was given so far, and the connection where one was made."""
    values: dict[str, Any] = {"document": dict(document), "updated_at": at}
    if connection_id is not None:
        values["connection_id"] = connection_id
    transaction.execute(update(setups).where(setups.c.setup_id == setup_id).values(values))


def save_secrets(
    store: Store, transaction: Transaction, *, setup_id: int, secrets: Mapping[str, str]
) -> None:
    """Encrypt and keep the secrets of a set-up in place of those it had."""
    sealed = store.vault.encrypt(json.dumps(dict(secrets)), connection_id=setup_id, field=_SECRETS)
    transaction.execute(update(setups).where(setups.c.setup_id == setup_id).values(secrets=sealed))


def open_secrets(store: Store, transaction: Transaction, *, setup_id: int) -> Mapping[str, str]:
    """Return the secrets of a set-up in clear text by name.

    Raises:
        ConfigurationError: the secret key is not the one they were stored with.
    """
    sealed = transaction.execute(select(setups.c.secrets).where(setups.c.setup_id == setup_id)).scalar_one()
    found: Mapping[str, str] = json.loads(store.vault.decrypt(sealed, connection_id=setup_id, field=_SECRETS))
    return found


def remove(transaction: Transaction, *, setup_id: int) -> None:
    """Forget a set-up with its secrets and open sign-ins."""
    transaction.execute(delete(oauth_requests).where(oauth_requests.c.setup_id == setup_id))
    transaction.execute(delete(setups).where(setups.c.setup_id == setup_id))


def add_request(
    store: Store, transaction: Transaction, *, state: str, request: OpenRequest, older_than: datetime
) -> None:
    """Keep a sign-in that begins, known by its state, which is stored as a hash; old ones go."""
    transaction.execute(delete(oauth_requests).where(oauth_requests.c.created_at < older_than))
    transaction.execute(
        insert(oauth_requests).values(
            state_hash=_hash(state),
            setup_id=request.setup_id,
            user_id=request.user_id,
            verifier=store.vault.encrypt(request.verifier, connection_id=request.setup_id, field=_VERIFIER),
            redirect_url=request.redirect_url,
            created_at=request.created_at,
        )
    )


def take_request(store: Store, transaction: Transaction, *, state: str, user_id: int) -> OpenRequest | None:
    """Return the sign-in of a state that this person began, once; None for any other.

    Somebody else's is left alone, so that nobody can end it.
    """
    mine = (oauth_requests.c.state_hash == _hash(state)) & (oauth_requests.c.user_id == user_id)
    row = transaction.execute(delete(oauth_requests).where(mine).returning(*oauth_requests.c)).first()
    if row is None:
        return None
    return OpenRequest(
        setup_id=row.setup_id,
        user_id=row.user_id,
        verifier=store.vault.decrypt(row.verifier, connection_id=row.setup_id, field=_VERIFIER),
        redirect_url=row.redirect_url,
        created_at=row.created_at,
    )


def _hash(state: str) -> str:
    return hashlib.sha256(state.encode()).hexdigest()


def _setup(row: Row[Any]) -> StoredSetup:
    return StoredSetup(
        setup_id=row.setup_id,
        name=row.name,
        connection_id=row.connection_id,
        document=row.document,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
