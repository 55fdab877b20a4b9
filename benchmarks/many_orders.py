"""A home of very many orders: a few are really synced, and what that left in the store is copied.

Every copy has ids, order number and Stripe objects of its own, so that indexes are as large as they would be.
"""

import random
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cpqbridge.domain.ids import salesforce_id
from cpqbridge.store import findings, plans
from cpqbridge.store.database import DATABASE_FILE
from cpqbridge.sync.findings import Finding, FindingKind, Remedy
from cpqbridge.sync.service import SyncService
from live import SOLD_AT, live

SAMPLES = 3
ONE_WHOLE_OF = 10
"""Of so many contracts one has a plan of its own, which the others share: plans are long, and rows count."""

OF_CONTRACT = ("order_states", "plans", "billing_objects", "links", "intents", "timers", "watches")
TROUBLES = (
    ("refused", "no_email", "Nobody has an email address."),
    ("refused", "payment_term_unknown", "The payment term is not known."),
    ("refused", "quantity_not_whole", "The quantity is not whole."),
    ("held", "multiplier_mismatch", "Multiplier and dates differ."),
    ("failed", "stripe_refused", "Stripe refused the customer."),
    ("waiting", "", "Waits for an earlier amendment."),
    ("queued", "", ""),
)
"""States of which every hundredth order has one, in turn."""

_OWN = re.compile(
    r"\b((?!00D)[0-9a-zA-Z]{3}[0-9A-Za-z]{12}[A-Z0-5]{3}|(?:sub_sched|sub|in|ii|si|cus)_[0-9A-Za-z]+)\b"
)
"""Ids of both sides that every contract has of its own."""

_AT_ONCE = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class ManyOrders:
    """The service of such a home, whose simulators still answer, and two of its orders."""

    service: SyncService
    synced_id: str
    refused_id: str


@contextmanager
def many_orders(count: int) -> Iterator[ManyOrders]:
    """Make a home of so many orders; it is gone at the end of the block."""
    with live(SAMPLES) as world:
        for order_id in world.order_ids:
            world.activate(order_id)
        world.look(SAMPLES)
        path = world.service.store.home / DATABASE_FILE
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA synchronous=OFF")
            # Kept rows name the connection, which is there; checking each of them takes most of the time.
            database.execute("PRAGMA foreign_keys=OFF")
            _copy_contracts(database, count)
            _add_the_rest(database, count)
            database.commit()
            ids = [
                database.execute(
                    "SELECT order_id FROM order_states WHERE state = ? AND order_number LIKE ?",
                    (state, number),
                ).fetchone()[0]
                for state, number in (("synced", "%10"), ("refused", "%00"))
            ]
        _add_findings(world.service)
        yield ManyOrders(service=world.service, synced_id=ids[0], refused_id=ids[1])


def _copy_contracts(database: sqlite3.Connection, count: int) -> None:
    samples = [row[0] for row in database.execute("SELECT DISTINCT root_id FROM order_states")]
    patterns = [_Pattern(database, root_id) for root_id in samples]
    rows: dict[str, list[tuple[object, ...]]] = {}
    for number in range(count - len(samples)):
        for table, row in patterns[number % len(patterns)].copies(number):
            rows.setdefault(table, []).append(row)
        if number % _AT_ONCE == _AT_ONCE - 1:
            _insert(database, rows)
    _insert(database, rows)


class _Pattern:
    """The rows that a synced contract left, cut where a copy has ids of its own."""

    def __init__(self, database: sqlite3.Connection, root_id: str) -> None:
        self._ids: list[str] = []
        self._rows: list[tuple[str, dict[str, object]]] = []
        for table in OF_CONTRACT:
            columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
            where = "root_id = ?" if "root_id" in columns else "instr(key, ?)"
            for row in database.execute(f"SELECT * FROM {table} WHERE {where}", (root_id,)):
                self._rows.append(
                    (table, {name: self._cut(value) for name, value in zip(columns, row, strict=True)})
                )

    def _cut(self, value: object) -> object:
        """Return a text as parts: every second one is what is put in, by place."""
        if not isinstance(value, str):
            return value
        parts: list[object] = []
        for place, part in enumerate(_OWN.split(value)):
            if place % 2 and part not in self._ids:
                self._ids.append(part)
            parts.append(self._ids.index(part) if place % 2 else part)
        return parts if len(parts) > 1 else value

    def copies(self, number: int) -> Iterator[tuple[str, tuple[object, ...]]]:
        """Yield the rows of the copy of this number by table."""
        ids = [_other(known, number, place) for place, known in enumerate(self._ids)]
        state = TROUBLES[number // 100 % len(TROUBLES)] if number % 100 == 0 else None
        for table, row in self._rows:
            values = {
                name: "".join(part if isinstance(part, str) else ids[part] for part in value)
                if isinstance(value, list)
                else value
                for name, value in row.items()
            }
            is_whole = number % ONE_WHOLE_OF == 0
            if table == "plans" and not is_whole:
                continue
            if values.get("plan_id") is not None:
                values["plan_id"] = 1_000_000 + number // ONE_WHOLE_OF * ONE_WHOLE_OF
            if table == "intents":
                values["intent_id"] = None
                values["parameters"] = values["parameters"] if is_whole else "{}"
                values["idempotency_key"] = f"{values['idempotency_key']}-{number}"
            if table == "order_states":
                values["order_number"] = f"{1_000_000 + number:08d}"
                if state is not None:
                    values["state"], values["code"], values["message"] = state
                    values["cause"] = values["code"]
            yield table, tuple(values.values())


def _other(known: str, number: int, place: int) -> str:
    """Return the id that stands for a known one in the copy of this number."""
    if "_" in known:
        return f"{known}{number}"
    return salesforce_id(f"{known[:3]}9{number:08d}{place:03d}")


def _insert(database: sqlite3.Connection, rows: dict[str, list[tuple[object, ...]]]) -> None:
    for table, found in rows.items():
        if found:
            marks = ", ".join("?" * len(found[0]))
            database.executemany(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", found)
            found.clear()
    database.commit()


def _add_the_rest(database: sqlite3.Connection, count: int) -> None:
    """Add what a year of work leaves beside the orders: audit, events, findings, hours."""
    chance = random.Random(1)
    actors = ("ann", "bob", "command line", "cpqbridge")
    database.executemany(
        "INSERT INTO audit (connection_id, at, action, subject, detail, actor, before, after) "
        "VALUES (1, ?, ?, 'bench', '{}', ?, '{\"sync\":{\"live\":false}}', '{\"sync\":{\"live\":true}}')",
        (
            (_before(chance.random() * 365), f"action_{chance.randrange(20)}", chance.choice(actors))
            for _ in range(count)
        ),
    )
    database.executemany(
        "INSERT INTO stripe_events VALUES (1, ?, 'invoice.paid', ?, ?, '{}', NULL, NULL, 'noticed')",
        ((f"evt_{number}", _before(number % 30), _before(number % 30)) for number in range(count // 2)),
    )
    hours = [_before(number / 24, whole=True) for number in range(35 * 24)]
    database.executemany(
        'INSERT OR REPLACE INTO run_hours VALUES (1, ?, ?, ?, \'{"3":20,"8":4}\')',
        ((hour, result, 24) for hour in hours for result in ("done", "failed", "needs someone")),
    )
    database.executemany(
        "INSERT OR REPLACE INTO call_hours VALUES (1, ?, ?, 900, 3)",
        ((hour, side) for hour in hours for side in ("salesforce", "stripe")),
    )


def _add_findings(service: SyncService) -> None:
    """Let one contract of 500 differ."""
    with service.store.write() as transaction:
        for standing in plans.standings(transaction, connection_id=1)[::500]:
            finding = Finding(
                kind=FindingKind.CHANGED_IN_STRIPE,
                root_id=standing.root_id,
                contract_key=standing.contract_key,
                subject=standing.order_id,
                found="The quantity is 12",
                wanted="10",
                fix="Put it back.",
                marks=("quantity 12",),
                order_ids=(standing.order_id,),
                numbers={standing.order_id: standing.order_number},
                remedy=Remedy.RESTORE,
            )
            findings.keep(
                transaction,
                connection_id=1,
                root_id=standing.root_id,
                seen=[finding.as_seen(link=None, reason="")],
                at=SOLD_AT,
            )


def _before(days: float, *, whole: bool = False) -> str:
    at: datetime = SOLD_AT.astimezone(UTC) - timedelta(days=days)
    if whole:
        at = at.replace(minute=0, second=0, microsecond=0)
    return at.isoformat(timespec="microseconds")
