"""Token buckets that all processes of a store share: how many calls may begin, and when.

Whoever finds a bucket empty takes a token that is still to come and waits for it, so that everybody is served
in the order of asking.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection as Transaction
from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert as upsert

from cpqbridge.store.tables import rate_buckets

_ONE = 1_000_000
"""Buckets count in millionths of a token: one token a second is one of them a microsecond, never rounded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A bucket that fills by `per_second` tokens up to `burst`; `scope` names whose and for what."""

    scope: str
    per_second: int
    burst: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """How many tokens were taken, 1 at least, and after how many seconds the first of them may be used."""

    count: int
    wait_seconds: float


def take(transaction: Transaction, rates: Sequence[Rate], *, wanted: int, at: datetime) -> Taken:
    """Take tokens from each of the buckets, up to `wanted` as far as all of them have some.

    Args:
        transaction: one that writes.
        rates: the buckets, all of which a call needs a token of.
        wanted: how many at most, 1 or more.
        at: now by the machine's clock, aware.
    """
    held = {rate.scope: _held(transaction, rate, at) for rate in rates}
    count = max(1, min(wanted, *(micro // _ONE for micro in held.values())))
    wait_seconds = 0.0
    for rate in rates:
        left = held[rate.scope] - count * _ONE
        _put(transaction, rate.scope, left, at)
        wait_seconds = max(wait_seconds, -left / (_ONE * rate.per_second))
    return Taken(count=count, wait_seconds=wait_seconds)


def drain(transaction: Transaction, rates: Sequence[Rate], *, at: datetime) -> None:
    """Empty buckets: the other side had less to give than they held."""
    for rate in rates:
        _put(transaction, rate.scope, min(0, _held(transaction, rate, at)), at)


def _held(transaction: Transaction, rate: Rate, at: datetime) -> int:
    """Return what a bucket holds in millionths, negative where tokens to come are taken already."""
    row = transaction.execute(select(rate_buckets).where(rate_buckets.c.scope == rate.scope)).first()
    if row is None:
        return rate.burst * _ONE
    # The machine's clock may be set back; a bucket does not lose by it.
    elapsed = max(0, (at - row.filled_at) // timedelta(microseconds=1))
    micro: int = row.micro_tokens + elapsed * rate.per_second
    return min(rate.burst * _ONE, micro)


def _put(transaction: Transaction, scope: str, micro: int, at: datetime) -> None:
    values = {"micro_tokens": micro, "filled_at": at}
    statement = upsert(rate_buckets).values(scope=scope, **values)
    transaction.execute(statement.on_conflict_do_update(index_elements=["scope"], set_=values))
