"""Both simulators and a home that can be stopped at any instant, kept as they stood there, and gone on with.

A stop is simulated by keeping what a power cut leaves: both databases as committed, and both simulators as
they are. Nothing that a process would do on its way out is in it. What was kept is gone on with as often as
wanted, each time by a new store, a new service and a new engine on a copy of its own.
"""

from __future__ import annotations

import copy
import copyreg
import shutil
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tests.faults.kinds import Records
from tests.faults.two_sides import NOW, TwoSides

from cpqbridge.clock import SettableClock
from cpqbridge.store.database import DATABASE_FILE, Store, open_store
from cpqbridge.sync.apply import no_boundary
from cpqbridge.sync.durable import DATABASE_FILE as ENGINE_FILE
from cpqbridge.sync.durable import partition_of
from cpqbridge.sync.service import ServiceOptions, SyncService
from cpqbridge.sync.task import Task
from cpqbridge_sim.hosting import host
from cpqbridge_sim.request_log import LoggedRequest, RequestLog
from cpqbridge_sim.salesforce.org import Org
from cpqbridge_sim.salesforce.server import create_app as create_org_app
from cpqbridge_sim.stripe.account import Account
from cpqbridge_sim.stripe.server import create_app as create_account_app

# A copy of a simulator has locks of its own, which nobody holds.
for make_lock in (threading.Lock, threading.RLock):
    copyreg.pickle(type(make_lock()), lambda _lock, make_lock=make_lock: (make_lock, ()))

Boundary = Callable[[str], None]
WAIT_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What was left of everything at the instants `names`, between which nothing that lasts was changed."""

    names: list[str]
    home: Path
    org_app: Any
    account: Account
    now: datetime


class Changes:
    """Tells whether anything that lasts was changed: committed to a database, or written to a side."""

    def __init__(self, world: World, *, engine: bool) -> None:
        """Look at the databases of the home as it is now, the engine's too or not; call `close` in the end."""
        self._world = world
        self._databases = [
            sqlite3.connect(world.home / name, check_same_thread=False)
            for name in (DATABASE_FILE, *([ENGINE_FILE] if engine else []))
        ]
        self._last: tuple[int, ...] = ()

    def happened(self) -> bool:
        """Return whether there was a change since it was asked last."""
        versions = [each.execute("PRAGMA data_version").fetchone()[0] for each in self._databases]
        now = (*versions, *(len(writes_of(log)) for log in self._world.logs))
        changed, self._last = now != self._last, now
        return changed

    def close(self) -> None:
        for each in self._databases:
            each.close()


class Gate:
    """The way to one simulator, which can be exchanged; what passes may be watched."""

    def __init__(self, side: str) -> None:
        self.side = side
        self.app: Any = None
        self.boundary: Boundary | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self.boundary is None:
            await self.app(scope, receive, send)
            return
        messages: list[Any] = []

        async def keep(message: Any) -> None:
            messages.append(message)

        name = f"{self.side} {scope['method']} {scope['path']}"
        self.boundary(f"before send: {name}")
        await self.app(scope, receive, keep)
        self.boundary(f"after the effect: {name}")
        for message in messages:
            await send(message)


class WatchedStore(Store):
    """The store, with a boundary right before each commit and one right after it."""

    def __init__(self, store: Store, boundary: Boundary) -> None:
        self.__dict__.update(store.__dict__)
        self._boundary = boundary

    @contextmanager
    def write(self) -> Iterator[Any]:
        with super().write() as transaction:
            yield transaction
            name = _caller()
            self._boundary(f"before commit: {name}")
        self._boundary(f"after commit: {name}")


def _caller() -> str:
    """Return the function of ours that commits."""
    frame = sys._getframe(2)
    while "cpqbridge" not in frame.f_code.co_filename:
        assert frame.f_back is not None
        frame = frame.f_back
    return f"{Path(frame.f_code.co_filename).stem}.{frame.f_code.co_name}"


class World:
    """One hosted pair of simulators, one clock for all, and the home that works with them."""

    def __init__(self, gates: tuple[Gate, Gate], urls: tuple[str, str]) -> None:
        self._gates = gates
        self._urls = urls
        self.clock = SettableClock(NOW)
        self.home = Path()
        self.account = Account(NOW)

    def begin(self, home: Path, records: Records) -> None:
        """Hold these records and an empty account, and work from an empty home."""
        org = Org(NOW)
        org.prorate_precision = "monthly_daily"
        org.load(records[0])
        self._hold(create_org_app(org), Account(NOW), home, NOW)

    def go_on(self, kept: Kept, home: Path) -> None:
        """Begin again where everything was left, on copies."""
        shutil.copytree(kept.home, home)
        self._hold(_copy_of(kept.org_app), _copy_of(kept.account), home, kept.now)

    def keep(self, home: Path) -> Kept:
        """Return what a power cut would leave now, with the files in `home`.

        Other contracts are worked on meanwhile: what was copied is kept only if nothing moved while it was.
        """
        changes = Changes(self, engine=True)
        try:
            while True:
                changes.happened()
                kept = self._copied(home)
                if not changes.happened():
                    return kept
                shutil.rmtree(home)
        finally:
            changes.close()

    def _copied(self, home: Path) -> Kept:
        home.mkdir()
        for path in self.home.iterdir():
            if path.suffix == ".sqlite3":
                _copy_committed(path, home / path.name)
            elif path.is_dir():
                shutil.copytree(path, home / path.name)
            elif not path.name.endswith(("-wal", "-shm")):
                shutil.copy2(path, home / path.name)
        return Kept(
            names=[],
            home=home,
            org_app=_copy_of(self._gates[0].app),
            account=_copy_of(self.account),
            now=self.clock.now(),
        )

    @property
    def logs(self) -> tuple[RequestLog, RequestLog]:
        """Return the requests that Salesforce and Stripe answered."""
        return self._gates[0].app.log, self.account.log

    def stop_watching(self) -> None:
        """From now on nothing that passes is at a boundary."""
        for gate in self._gates:
            gate.boundary = None

    @property
    def org(self) -> Org:
        return self._gates[0].app.org

    @property
    def sides(self) -> TwoSides:
        """Return both sides in the words of the other tests of faults."""
        return TwoSides(
            org=self.org,
            account=self.account,
            salesforce_url=self._urls[0],
            stripe_url=self._urls[1],
            org_log=self._gates[0].app.log,
            order_ids=tuple(str(order["Id"]) for order in self.org.records("Order")),
        )

    def activated(self) -> list[str]:
        """Return the ids of the activated orders, oldest first."""
        return sorted(
            str(order["Id"]) for order in self.org.records("Order") if order["StatusCode"] == "Activated"
        )

    def move_to(self, instant: datetime) -> None:
        """Let time pass everywhere."""
        self.clock.set(instant)
        self.org.set_clock(instant)
        self.account.advance(instant)

    def wait(self, seconds: float) -> None:
        """Let so much time pass everywhere, as a process that sleeps does."""
        self.move_to(self.clock.now() + timedelta(seconds=seconds))

    @contextmanager
    def service(
        self, boundary: Boundary | None = None, *, worker: bool = False, only_named: bool = False
    ) -> Iterator[SyncService]:
        """Open the home as a new process does; with a boundary it is called at every one of them.

        With `only_named` it is called at those of the service only, not at each request and commit.
        """
        store = open_store(self.home, synchronous="OFF")
        options = ServiceOptions(
            clock=self.clock,
            synchronous="OFF",
            sleep=self.wait,
            boundary=boundary or no_boundary,
        )
        opened = SyncService(
            store if boundary is None or only_named else WatchedStore(store, boundary), options
        )
        for gate in self._gates:
            gate.boundary = None if only_named else boundary
        try:
            if worker:
                opened.become_worker()
            yield opened
        finally:
            self.stop_watching()
            opened.close()
            store.close()

    def _hold(self, org_app: Any, account: Account, home: Path, now: datetime) -> None:
        self._gates[0].app, self._gates[1].app = org_app, create_account_app(account)
        self.account, self.home = account, home
        self.clock.set(now)


@contextmanager
def hosted_world() -> Iterator[World]:
    """Host both simulators; what they hold is set by `begin` and `go_on`."""
    gates = Gate("salesforce"), Gate("stripe")
    with host(gates[0]) as salesforce, host(gates[1]) as stripe:
        yield World(gates, (salesforce.url, stripe.url))


def queue_and_wait(opened: SyncService, order_ids: list[str]) -> None:
    """Have a worker of this process sync these orders, behind what waits already, and wait for the last one."""
    engine = opened.engine()
    connection = opened.open(None)
    runs = []
    for order_id in order_ids:
        notice = connection.salesforce.find_order(order_id)
        assert notice is not None
        task = Task(connection_id=connection.connection_id, notice=notice)
        document = task.as_document()
        runs.append(engine.enqueue(document, root_id=task.root_id, partition=partition_of(document)))
    for run in runs:
        engine.wait(run, timeout_seconds=WAIT_SECONDS)


def writes_of(log: RequestLog, after: int = 0) -> list[LoggedRequest]:
    """Return the writes that were answered after so many requests, oldest first."""
    return [
        entry
        for entry in log._requests[after:]
        if entry.method != "GET" and not (entry.path.endswith("/composite") and _reads_only(entry))
    ]


def _reads_only(entry: LoggedRequest) -> bool:
    parts = entry.parameters.get("compositeRequest") or ()
    return all(part["method"] == "GET" for part in parts)


def _copy_of(simulator: Any) -> Any:
    """Return a copy of a simulator; the requests it answered are never changed and stand in both."""
    return copy.deepcopy(simulator, {id(entry): entry for entry in simulator.log._requests})


def _copy_committed(source: Path, target: Path) -> None:
    """Copy what is committed; a transaction that is open stays out of it, as after a power cut."""
    with closing(sqlite3.connect(source)) as reading, closing(sqlite3.connect(target)) as writing:
        reading.backup(writing)
