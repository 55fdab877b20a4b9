"""Who is signed in: sessions by the hash of their token, so that the database alone opens none."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection as Transaction
from sqlalchemy import delete, insert, or_, select, update

from cpqbridge.store.app_tables import sessions


def token_hash(token: str) -> str:
    """Return what is stored of a random token of 256 bits; so long a secret needs no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A browser that is signed in as `user_id`; last seen and ends at the latest, both aware UTC."""

    user_id: int
    seen_at: datetime
    expires_at: datetime


def add(transaction: Transaction, *, token: str, user_id: int, at: datetime, expires_at: datetime) -> None:
    """Store a session that begins at `at` and ends at `expires_at` at the latest."""
    transaction.execute(
        insert(sessions).values(
            token_hash=token_hash(token), user_id=user_id, created_at=at, seen_at=at, expires_at=expires_at
        )
    )


def find(transaction: Transaction, token: str) -> Session | None:
    """Return the session of a token, None when there is none; whether it still holds is the caller's part."""
    row = transaction.execute(select(sessions).where(sessions.c.token_hash == token_hash(token))).first()
    if row is None:
        return None
    return Session(user_id=row.user_id, seen_at=row.seen_at, expires_at=row.expires_at)


def seen(transaction: Transaction, token: str, at: datetime) -> None:
    """Store that a session was used at `at`."""
    transaction.execute(update(sessions).where(sessions.c.token_hash == token_hash(token)).values(seen_at=at))


def end(transaction: Transaction, token: str) -> None:
    """Delete the session of a token."""
    transaction.execute(delete(sessions).where(sessions.c.token_hash == token_hash(token)))


def end_all(transaction: Transaction, user_id: int) -> int:
    """Delete every session of a person; return how many there were."""
    return transaction.execute(delete(sessions).where(sessions.c.user_id == user_id)).rowcount


def prune(transaction: Transaction, *, now: datetime, seen_before: datetime) -> None:
    """Delete the sessions that ended by `now` and those that were last seen before `seen_before`."""
    over = or_(sessions.c.expires_at <= now, sessions.c.seen_at < seen_before)
    transaction.execute(delete(sessions).where(over))
