"""Links that work once: for the first admin, for who is invited, for who forgot the password."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection as Transaction
from sqlalchemy import delete, insert, select

from cpqbridge.store.app_tables import one_time_links
from cpqbridge.store.sessions import token_hash


class Purpose(StrEnum):
    """What a link is for; each ends with a password chosen by whoever opens it."""

    FIRST = "first"
    INVITE = "invite"
    RESET = "reset"


@dataclass(frozen=True, slots=True, kw_only=True)
class OneTimeLink:
    """A link for a person (None: the first admin, who is not stored yet) until `expires_at` (aware UTC)."""

    purpose: Purpose
    user_id: int | None
    expires_at: datetime


def put(transaction: Transaction, link: OneTimeLink, *, token: str, at: datetime) -> None:
    """Store a link by the hash of its token; earlier ones for the same person no longer work."""
    drop(transaction, link.user_id)
    transaction.execute(
        insert(one_time_links).values(
            token_hash=token_hash(token),
            purpose=link.purpose,
            user_id=link.user_id,
            created_at=at,
            expires_at=link.expires_at,
        )
    )


def find(transaction: Transaction, token: str, *, now: datetime) -> OneTimeLink | None:
    """Return the link of a token, None when there is none, it was used, or it ended by `now`."""
    row = transaction.execute(
        select(one_time_links).where(
            one_time_links.c.token_hash == token_hash(token), one_time_links.c.expires_at > now
        )
    ).first()
    if row is None:
        return None
    return OneTimeLink(purpose=Purpose(row.purpose), user_id=row.user_id, expires_at=row.expires_at)


def drop(transaction: Transaction, user_id: int | None) -> None:
    """Delete the links for a person; None is the first admin."""
    transaction.execute(delete(one_time_links).where(one_time_links.c.user_id.is_not_distinct_from(user_id)))


def prune(transaction: Transaction, *, now: datetime) -> None:
    """Delete the links that ended by `now`."""
    transaction.execute(delete(one_time_links).where(one_time_links.c.expires_at <= now))
