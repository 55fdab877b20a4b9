"""Tries to sign in that failed, counted by name and by address, and until when no more are taken."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection as Transaction
from sqlalchemy import delete, select
from sqlalchemy.dialects.sqlite import insert as upsert

from cpqbridge.store.app_tables import sign_in_failures


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """How often signing in failed in a scope, the last time, and until when it is blocked (aware UTC)."""

    count: int
    last_at: datetime
    blocked_until: datetime | None


def find(transaction: Transaction, scope: str) -> Failures | None:
    """Return the failures of a scope, None when there were none."""
    row = transaction.execute(select(sign_in_failures).where(sign_in_failures.c.scope == scope)).first()
    if row is None:
        return None
    return Failures(count=row.failures, last_at=row.last_at, blocked_until=row.blocked_until)


def put(transaction: Transaction, scope: str, failures: Failures) -> None:
    """Store the failures of a scope in place of those before."""
    values = {
        "failures": failures.count,
        "last_at": failures.last_at,
        "blocked_until": failures.blocked_until,
    }
    transaction.execute(
        upsert(sign_in_failures)
        .values(scope=scope, **values)
        .on_conflict_do_update(index_elements=["scope"], set_=values)
    )


def forget(transaction: Transaction, scope: str) -> None:
    """Delete the failures of a scope."""
    transaction.execute(delete(sign_in_failures).where(sign_in_failures.c.scope == scope))


def prune(transaction: Transaction, *, before: datetime) -> None:
    """Delete the failures of scopes where the last one was before `before`."""
    transaction.execute(delete(sign_in_failures).where(sign_in_failures.c.last_at < before))
