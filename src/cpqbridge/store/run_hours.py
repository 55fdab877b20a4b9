"""How many runs of each connection ended in each hour, how, and how long their contracts had waited."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from math import ceil

from sqlalchemy import Connection as Transaction
from sqlalchemy import delete, select
from sqlalchemy.dialects.sqlite import insert as upsert

from cpqbridge.store.app_tables import run_hours
from cpqbridge.store.tables import connections

SECONDS = (1, 2, 3, 5, 8, 12, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1200, 3600)
"""Upper bounds of the buckets of waiting times; what took longer is in a last one."""

LONGER = "longer"
"""The name of the last bucket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHour:
    """The runs of a connection that ended with `result` in the hour that began at `hour_at` (aware UTC).

    `by_bucket` counts them by the bound of their waiting time: the name of a bound of `SECONDS`, or LONGER.
    """

    connection_id: int
    hour_at: datetime
    result: str
    runs: int
    by_bucket: Mapping[str, int]


def bucket_of(seconds: float) -> str:
    """Return the bucket that a waiting time counts in; bounds are closed above."""
    place = bisect_left(SECONDS, seconds)
    return str(SECONDS[place]) if place < len(SECONDS) else LONGER


def seconds_within(by_bucket: Mapping[str, int], share: float) -> float | None:
    """Return within how many seconds `share` (0 to 1) of the runs were done, as a bound of `SECONDS`.

    None without runs; infinity when the bound lies beyond the last one.
    """
    total = sum(by_bucket.values())
    if not total:
        return None
    wanted, seen = ceil(total * share), 0
    for bound in SECONDS:
        seen += by_bucket.get(str(bound), 0)
        if seen >= wanted:
            return float(bound)
    return float("inf")


def added(first: Mapping[str, int], second: Mapping[str, int]) -> dict[str, int]:
    """Return two counts by bucket added up."""
    return {name: first.get(name, 0) + second.get(name, 0) for name in {**first, **second}}


def add(transaction: Transaction, hours: Iterable[RunHour]) -> None:
    """Add what a process counted to what is stored; of connections that are gone nothing is kept."""
    known = set(transaction.execute(select(connections.c.connection_id)).scalars())
    keys = ["connection_id", "hour_at", "result"]
    for hour in hours:
        if hour.connection_id not in known:
            continue
        place = (
            run_hours.c.connection_id == hour.connection_id,
            run_hours.c.hour_at == hour.hour_at,
            run_hours.c.result == hour.result,
        )
        present = transaction.execute(select(run_hours).where(*place).with_for_update()).first()
        values = {
            "runs": hour.runs + (present.runs if present else 0),
            "seconds_by_bucket": added(hour.by_bucket, present.seconds_by_bucket if present else {}),
        }
        statement = upsert(run_hours).values(
            connection_id=hour.connection_id, hour_at=hour.hour_at, result=hour.result, **values
        )
        transaction.execute(statement.on_conflict_do_update(index_elements=keys, set_=values))


def since(transaction: Transaction, *, connection_id: int, at: datetime) -> tuple[RunHour, ...]:
    """Return a connection's hours that began at or after `at` (aware UTC), oldest first."""
    rows = transaction.execute(
        select(run_hours)
        .where(run_hours.c.connection_id == connection_id, run_hours.c.hour_at >= at)
        .order_by(run_hours.c.hour_at, run_hours.c.result)
    )
    return tuple(
        RunHour(
            connection_id=row.connection_id,
            hour_at=row.hour_at,
            result=row.result,
            runs=row.runs,
            by_bucket=row.seconds_by_bucket,
        )
        for row in rows
    )


def prune(transaction: Transaction, *, connection_id: int, before: datetime) -> int:
    """Delete a connection's hours that began before `before` (aware UTC); return how many rows."""
    return transaction.execute(
        delete(run_hours).where(run_hours.c.connection_id == connection_id, run_hours.c.hour_at < before)
    ).rowcount
