"""Everything stopped at each boundary of a scenario, gone on with later, and the end compared."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from tests.faults.crash_scenarios import Scenario
from tests.faults.request_checker import problems
from tests.faults.two_sides import NOW, connect
from tests.faults.worlds import Boundary, Changes, Kept, World, queue_and_wait, writes_of
from tests.simulation.in_process import billed_by_day, listed

from cpqbridge.errors import CpqbridgeError
from cpqbridge.store import intents, links, plans
from cpqbridge.store.plans import OrderStanding
from cpqbridge.sync.error_record import error_from_document
from cpqbridge.sync.service import SyncService
from cpqbridge.sync.task import Task

AWAY = {"a minute": timedelta(seconds=60), "a day": timedelta(hours=25), "a month": timedelta(days=31)}
PATIENCE = timedelta(seconds=5)
"""How long after it is due a timer is carried out."""
LATE_CODES = frozenset({"backdated", "contract_over"})
"""The holds that being late may cause (B5.5, B5.6): a person decides, and nothing is billed before."""
ROUND = timedelta(minutes=10)
MOST_TIMERS = 100
ONE_PER_KEY = ("customer", "product", "subscription", "billing.meter", "coupon")
SHARED_WRITTEN = r": (Product2|PricebookEntry) \w+ has these values already"
"""Contracts that are synced at the same time may both write the ids of what they share."""
DONE = frozenset({"synced", "unchanged"})
ENDED = frozenset({"canceled", "completed", "released"})


@dataclass(frozen=True, kw_only=True)
class End:
    """What came of it all: money per day and order line, and what stands where, without any id that is drawn.

    `held` are the codes that a person had to release on the way.
    """

    by_day: Mapping[tuple[str, str], int]
    states: Mapping[str, str]
    objects: Mapping[str, int]
    held: frozenset[str]

    @property
    def by_line(self) -> Mapping[str, int]:
        lines: Counter[str] = Counter()
        for (_, line), amount in self.by_day.items():
            lines[line] += amount
        return {line: amount for line, amount in lines.items() if amount}


def is_explained_by_time(found: End, expected: End, late: End) -> bool:
    """Return whether an end differs from that of work that nobody stopped only as late work does.

    What was left to do is then dated and spread as by a sync that begins only now; what was done already is
    as it was. Nothing is doubled or missing: the sums are those of one of the two.
    """
    if late == expected or found.states != expected.states:
        return False
    sums = {sum(each.by_line.values()) for each in (expected, late)}
    same_sum = sum(found.by_line.values()) in sums
    same_lines = found.by_line in (expected.by_line, late.by_line) or len(sums) == 1
    same_things = all(
        found.objects[kind] in {expected.objects[kind], late.objects[kind]} for kind in ONE_PER_KEY
    )
    return same_sum and same_lines and same_things


class Matrix:
    """One scenario: what is under way when it is stopped, kept at every boundary."""

    def __init__(self, world: World, scenario: Scenario, folder: Path) -> None:
        """Prepare everything up to the instant at which the work begins that will be stopped."""
        self._world = world
        self._scenario = scenario
        self._folder = folder
        self._homes = 0
        self.start = self._prepared()

    def stops(self, *, worker: bool, chosen: Callable[[int], bool]) -> list[Kept]:
        """Do the work once, by a command or by a worker's queue, and keep everything at each boundary.

        Boundaries between which nothing that lasts was changed are one stop with several names; `chosen` tells
        which stops are kept, counted from 0.
        """
        world, kept, names = self._world, list[Kept](), list[list[str]]()
        world.go_on(self.start, self._home())
        with world.service(None, worker=worker) as opened:
            opened.engine()
        # What a command leaves to the engine, another command does not go on with.
        changes = Changes(world, engine=worker)

        def boundary(name: str) -> None:
            if not changes.happened():
                names[-1].append(name)
                return
            names.append([name])
            if chosen(len(names) - 1):
                kept.append(replace(world.keep(self._home()), names=names[-1]))

        with closing(changes), world.service(boundary, worker=worker) as opened:
            self._work(opened, worker=worker)
            world.stop_watching()
        return kept

    def interrupt(self, boundary: Boundary) -> None:
        """Do the work with this boundary, which may end it by an exception."""
        self._world.go_on(self.start, self._home())
        with self._world.service(boundary, only_named=True) as opened:
            self._work(opened, worker=False)

    def end_of_what_is_there(self, away: timedelta) -> End:
        """Return the end of what the world holds now, gone on with after a while."""
        return self._end(self._scenario.at + away, worker=False)

    def end_without_a_stop(self, away: timedelta) -> End:
        """Return the end of work that nobody stopped, looked at again at the same instants."""
        self._world.go_on(self.start, self._home())
        with self._world.service() as opened:
            self._work(opened, worker=False)
        return self._end(self._scenario.at + away, worker=False)

    def end_of_late_work(self, away: timedelta) -> End:
        """Return the end of work that begins only when the other would be gone on with."""
        self._world.go_on(self.start, self._home())
        return self._end(self._scenario.at + away, worker=False)

    @contextmanager
    def opened(self) -> Iterator[SyncService]:
        """Open the service where the work begins."""
        self._world.go_on(self.start, self._home())
        with self._world.service() as opened:
            yield opened

    def end_after_trouble(
        self, plan: Callable[[World], None], away: timedelta, *, rounds: int, by_command: bool = False
    ) -> tuple[End, set[str]]:
        """Return the end where things went wrong for so many rounds, and the codes that were told meanwhile.

        A round is ten minutes after the one before. Then nothing is wrong any more, and time passes. A run
        knows its order already; a command looks for it first.
        """
        world, told = self._world, set[str]()
        world.go_on(self.start, self._home())
        with world.service() as opened:
            tasks = self._tasks(opened)
            for number in range(rounds):
                world.move_to(self._scenario.at + number * ROUND)
                plan(world)
                for task in tasks:
                    told |= self._told_by(opened, task, by_command=by_command)
            for faults in (world.org.faults, world.account.faults):
                faults.clear()
            opened.check_connection(None)
        return self._end(self._scenario.at + away, worker=False), told

    def _tasks(self, opened: SyncService) -> list[Task]:
        """Return what a worker would be given: each contract once, by its newest order."""
        connection = opened.open(None)
        tasks: dict[str, Task] = {}
        for order_id in self._world.activated():
            notice = connection.salesforce.find_order(order_id)
            assert notice is not None
            task = Task(connection_id=connection.connection_id, notice=notice)
            tasks[task.root_id] = task
        return list(tasks.values())

    def _told_by(self, opened: SyncService, task: Task, *, by_command: bool) -> set[str]:
        """Sync a contract and return the codes that are told; each has a message and says what to do."""
        told = list[CpqbridgeError | OrderStanding]()
        if by_command:
            try:
                opened.sync(None, task.notice.order_id)
            except CpqbridgeError as error:
                told.append(error)
        else:
            result = opened.engine().run_now(task.as_document(), root_id=task.root_id)
            told += [error_from_document(result["error"])] if result["error"] else []
        with opened.store.read() as transaction:
            told += plans.standings(transaction, connection_id=1, root_id=task.root_id)
        for each in told:
            assert not each.code or (each.message and each.fix), each
        return {each.code for each in told if each.code}

    def end_after(self, stop: Kept, away: timedelta, *, worker: bool) -> End:
        """Return the end after everything stood still for a while, from where it was stopped."""
        self._world.go_on(stop, self._home())
        return self._end(self._scenario.at + away, worker=worker)

    def sold_minor(self) -> int | None:
        """Return what all order lines come to in minor units; None where they do not say what is billed."""
        if not self._scenario.is_sold_by_the_year:
            return None
        items = self._world.org.records("OrderItem")
        return int(sum(Decimal(item["TotalPrice"]) for item in items) * 100)

    def _prepared(self) -> Kept:
        world, scenario = self._world, self._scenario
        world.begin(self._home(), scenario.records())
        with world.service() as opened:
            connect(opened, world.sides, mapping=scenario.mapping, **scenario.policy)
            if scenario.at != NOW:
                self._work(opened, worker=False)
                self._live_until(opened, scenario.first_at)
            if scenario.first_at != NOW:
                self._change()
                self._work(opened, worker=False)
            if scenario.at != scenario.first_at:
                self._live_until(opened, scenario.at - PATIENCE)
                world.move_to(scenario.at)
            if scenario.first_at == NOW:
                self._change()
        return world.keep(self._home())

    def _change(self) -> None:
        if self._scenario.change is not None:
            self._scenario.change(self._world)

    def _work(self, opened: SyncService, *, worker: bool) -> dict[str, str]:
        """Sync every contract and return the state of each order, or the code of what holds it."""
        world = self._world
        if worker:
            queue_and_wait(opened, world.activated())
        else:
            for order_id in world.activated():
                opened.sync(None, order_id)
        with opened.store.read() as transaction:
            found = plans.standings(transaction, connection_id=1)
        assert {each.order_id for each in found} == set(world.activated())
        return {each.order_id: each.code or each.state.value for each in found}

    def _end(self, instant: datetime, *, worker: bool) -> End:
        world = self._world
        world.move_to(instant)
        with world.service(worker=worker) as opened:
            states = self._work(opened, worker=worker)
            held = frozenset(states.values()) - DONE
            if held:
                assert held <= LATE_CODES, states
                states = self._released(opened, held)
            assert frozenset(states.values()) <= DONE, states
            assert_nothing_left(world, opened)
            self._live_until(opened, max(self._scenario.until, instant))
            assert frozenset(self._work(opened, worker=False).values()) <= DONE
            assert_one_of_each(world, opened)
        salesforce, stripe = (log._requests for log in world.logs)
        broken = problems(stripe=stripe, salesforce=salesforce)
        if len(contracts_of(world)) > 1:
            broken = [each for each in broken if not re.search(SHARED_WRITTEN, each)]
        assert not broken, broken
        return End(
            by_day=billed_by_day(world.account),
            states=shown(world),
            objects=counted(world),
            held=held,
        )

    def _released(self, opened: SyncService, held: frozenset[str]) -> dict[str, str]:
        for order_id in self._world.activated():
            opened.sync(None, order_id, released=held)
        with opened.store.read() as transaction:
            found = plans.standings(transaction, connection_id=1)
        return {each.order_id: each.code or each.state.value for each in found}

    def _live_until(self, opened: SyncService, instant: datetime) -> None:
        """Let time pass, and do what falls due on the way."""
        for _ in range(MOST_TIMERS):
            due = [timer for timer in opened.timers(None) if timer.next_at + PATIENCE <= instant]
            if not due:
                break
            first = min(due, key=lambda timer: timer.next_at)
            self._world.move_to(max(first.next_at + PATIENCE, self._world.clock.now()))
            opened.sync_timer(None, first)
        else:
            raise AssertionError(f"timers never end: {opened.timers(None)}")
        self._world.move_to(max(instant, self._world.clock.now()))

    def _home(self) -> Path:
        self._homes += 1
        return self._folder / str(self._homes)


def assert_nothing_left(world: World, opened: SyncService) -> None:
    """No call has an unknown outcome, and another look finds nothing to do and writes nothing."""
    for order_id in world.activated():
        with opened.store.read() as transaction:
            (standing,) = plans.standings(transaction, connection_id=1, order_id=order_id)
            assert intents.unsettled(transaction, connection_id=1, root_id=standing.root_id) == ()
        before = [log.count for log in world.logs]
        report = opened.sync(None, order_id)
        assert {each.state.value for each in report.standings} == {"unchanged"}, report.standings
        assert [writes_of(log, count) for log, count in zip(world.logs, before, strict=True)] == [[], []]


def assert_one_of_each(world: World, opened: SyncService) -> None:
    """Everything of ours in Stripe is there once, is linked, and every link leads to something."""
    named = list(our_names(world))
    doubled = {name: count for name, count in Counter(name for name, _ in named).items() if count > 1}
    assert not doubled, doubled
    roots = {str(each["Id"]) for kind in ("SBQQ__Quote__c", "Order") for each in world.org.records(kind)}
    with opened.store.read() as transaction:
        linked = {
            link.stripe_id
            for root in roots
            for link in links.of_contract(transaction, connection_id=1, root_id=root).values()
        }
    made = {stripe_id for _, stripe_id in named if stripe_id.startswith(("sub_sched_", "in_", "cn_"))}
    assert made <= linked, made - linked
    there = {each["id"] for kind in world.account.all_objects().values() for each in kind if "id" in each}
    assert linked <= there, linked - there


def our_names(world: World) -> Iterator[tuple[str, str]]:
    """Yield what sets apart each thing that we made and that still counts, with its id."""
    made = world.account.all_objects()
    for customer in made.get("customer", ()):
        yield f"customer {customer['metadata'].get('salesforce_account_id', customer['id'])}", customer["id"]
        for moved in listed(world.account, f"/v1/customers/{customer['id']}/balance_transactions"):
            if "cpqbridge_key" in moved["metadata"]:
                yield f"balance {moved['metadata']['cpqbridge_key']}", moved["id"]
    for kind, key in (("price", "lookup_key"), ("billing.meter", "event_name"), ("coupon", "name")):
        # A price that stands only where it is used has no key.
        yield from ((f"{kind} {each[key]}", each["id"]) for each in made.get(kind, ()) if each[key])
    for kind in ("subscription_schedule", "invoice", "credit_note"):
        for each in made.get(kind, ()):
            # A draft that Stripe finalised before its lines came bills nothing, and is let go of.
            was_empty = kind == "invoice" and each["status"] == "paid" and not each["lines"]["data"]
            alive = each["status"] not in {"canceled", "void"} and not was_empty
            if alive and "cpqbridge_key" in each["metadata"]:
                yield f"{kind} {each['metadata']['cpqbridge_key']}", each["id"]


def contracts_of(world: World) -> set[str]:
    """Return the original quotes, one for each contract."""
    quotes = world.org.records("SBQQ__Quote__c")
    return {str(quote["Id"]) for quote in quotes if quote.get("SBQQ__Type__c") != "Amendment"}


def shown(world: World) -> dict[str, str]:
    """Return what each order shows in Salesforce: its state, and whether it names something in Stripe."""
    return {
        str(
            order["Id"]
        ): f"{order.get('Stripe_Sync_Status__c')} {'named' if order.get('Stripe_ID__c') else ''}"
        for order in world.org.records("Order")
    }


def counted(world: World) -> dict[str, int]:
    """Return how many things of each kind that no time makes there are."""
    kinds = ("customer", "product", "price", "coupon", "billing.meter", "subscription", "credit_note")
    made = world.account.all_objects()
    return {kind: len(made.get(kind, ())) for kind in kinds}
