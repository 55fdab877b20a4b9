"""A live connection whose worker carries out what is queued, and whose finding is done step by step."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from dbos import DBOS
from tests.faults.two_sides import NOW, TwoSides, connect, move_everything_to, service, two_sides

from cpqbridge.clock import SettableClock
from cpqbridge.store import noticed, plans, polls, watches
from cpqbridge.store.noticed import Tries
from cpqbridge.store.plans import OrderStanding
from cpqbridge.store.polls import PollOutcome
from cpqbridge.sync.finding import Finder
from cpqbridge.sync.service import SyncService
from cpqbridge_sim.salesforce.writes import Writer


@dataclass
class Setting:
    """Both sides, the service of a worker, and what finds orders for it."""

    sides: TwoSides
    clock: SettableClock
    service: SyncService
    finder: Finder

    def poll(self) -> int:
        """Poll once and wait until all that was queued is done; return how many contracts were queued."""
        return self.settled(self.finder.poll(self.service.open(None)))

    def sweep(self) -> int:
        return self.settled(self.finder.sweep(self.service.open(None)))

    def try_again(self) -> int:
        return self.settled(self.finder.try_again(self.service.connections()[0]))

    def settled(self, count: int = 0) -> int:
        wait_until(lambda: not DBOS.list_workflows(status=["ENQUEUED", "PENDING"], load_input=False))
        return count

    def at_rest(self) -> None:
        """Poll until nothing is new: our own write-back is looked at once."""
        for _ in range(4):
            if not self.poll():
                return
        raise AssertionError("every poll found something new")

    def pass_time(self, span: timedelta) -> datetime:
        instant = self.clock.now() + span
        move_everything_to(instant, self.sides, self.clock)
        return instant

    def standings(self) -> dict[str, OrderStanding]:
        with self.service.store.read() as transaction:
            found = plans.standings(transaction, connection_id=1)
        return {each.order_id: each for each in found}

    def states(self) -> dict[str, str]:
        return {order_id: each.state.value for order_id, each in self.standings().items()}

    def tries(self, order_id: str | None = None) -> Tries:
        order_id = order_id or self.sides.order_id
        root_id = self.standings()[order_id].root_id
        with self.service.store.read() as transaction:
            return noticed.of_contract(transaction, connection_id=1, root_id=root_id)[order_id]

    def watched(self) -> set[str]:
        with self.service.store.read() as transaction:
            found = watches.groups(transaction, connection_id=1, size=500)
        return {record_id for group in found for record_id in group.record_ids}

    def delete_order(self, order_id: str) -> None:
        org = self.sides.org
        item = org.metadata.find("Order")
        assert item is not None
        with org.lock:
            Writer(org).delete(item, order_id)

    def last_poll(self) -> PollOutcome:
        with self.service.store.read() as transaction:
            found = polls.find(transaction, connection_id=1)
        assert found is not None
        return found

    def calls(self) -> int:
        return self.sides.org_log.count

    def writes(self) -> int:
        return len(self.sides.stripe_writes()) + len(self.sides.salesforce_writes())


@contextmanager
def finding(home: Path, sides: TwoSides, **options: object) -> Iterator[Setting]:
    """Open a service that carries out what is queued; the connection is made with the first one of a home."""
    clock = SettableClock(sides.org.now)
    with service(home, clock=clock, **options) as opened:
        if not opened.connections():
            connect(opened, sides, live_sync=True)
        opened.become_worker()
        yield Setting(sides=sides, clock=clock, service=opened, finder=Finder(opened))


@contextmanager
def live(home: Path, count: int = 1, **sides: object) -> Iterator[Setting]:
    """Host both sides with `count` one-line orders and open a service for them."""
    with two_sides(count, **sides) as hosted, finding(home, hosted) as setting:
        assert hosted.org.now == NOW
        yield setting


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
