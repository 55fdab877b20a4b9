"""A live worker on simulators it reaches over HTTP: its calls, and how long an order takes to its schedule.

Orders have one line. Calls are those of an order whose customer and product Stripe does not have yet, counted
by the simulators. What is shared is shown apart: one poll serves all orders that changed, and a later poll
sees the order once more because the write-back moved its stamp.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from statistics import quantiles
from typing import Any

from cpqbridge.bootstrap import open_throwaway_service
from cpqbridge.clock import SettableClock
from cpqbridge.mapping.configuration import default_configuration
from cpqbridge.store import plans
from cpqbridge.sync.reconcile import Reconciler
from cpqbridge.sync.service import SyncService
from cpqbridge.sync.worker import Worker
from cpqbridge_sim.hosting import host
from cpqbridge_sim.request_log import LoggedRequest, RequestLog, observe
from cpqbridge_sim.salesforce.cpq.engine import Cpq
from cpqbridge_sim.salesforce.cpq.model import Line
from cpqbridge_sim.salesforce.desk.requests import activate_request, amend_request
from cpqbridge_sim.salesforce.desk.sales import SalesDesk
from cpqbridge_sim.salesforce.org import Org
from cpqbridge_sim.salesforce.server import create_app as create_org_app
from cpqbridge_sim.stripe.account import Account
from cpqbridge_sim.stripe.server import create_app as create_account_app
from table import Row

SOLD_AT = datetime(2026, 1, 28, 15, tzinfo=UTC)
STARTS, AMENDED_FROM = date(2026, 2, 1), date(2026, 4, 1)
ONE_BY_ONE, AT_ONCE = 20, 60
SALESFORCE_SECONDS, STRIPE_SECONDS = 0.15, 0.25
CALLS_OF_A_NEW_ORDER, CALLS_OF_AN_AMENDMENT, CALLS_WITHOUT_CHANGE, CALLS_OF_AN_IDLE_POLL = 7, 6, 3, 1
POLL_SECONDS = 60
PATIENCE_SECONDS = 300.0
_EVENTS, _QUERY, _SCHEDULES = "/v1/events", "/query/", "/v1/subscription_schedules"


@dataclass(slots=True)
class Instants:
    """When each order was activated, when an answer first named it, and when its schedule was made."""

    activated: dict[str, float] = field(default_factory=dict)
    seen: dict[str, float] = field(default_factory=dict)
    scheduled: dict[str, float] = field(default_factory=dict)

    def note(self, request: LoggedRequest) -> None:
        """Take down what an answer tells; simulators call it for every request they answered."""
        if request.path.endswith(_QUERY):
            rows = (request.response or {}).get("records", ()) if isinstance(request.response, dict) else ()
            for row in rows:
                self.seen.setdefault(str(row.get("Id")), time.perf_counter())
        elif (request.method, request.path, request.status) == ("POST", _SCHEDULES, 200):
            order_id = str(request.response["metadata"].get("salesforce_order_id"))
            self.scheduled.setdefault(order_id, time.perf_counter())


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """Draft orders of one line each on a live connection."""

    org: Org
    account: Account
    logs: tuple[RequestLog, RequestLog]
    service: SyncService
    order_ids: tuple[str, ...]

    def activate(self, order_id: str) -> None:
        """Activate a draft and contract it, as a person would."""
        with self.org.lock:
            SalesDesk(self.org).activate(activate_request({"order": order_id}))

    def amend(self, order_id: str) -> None:
        """Add two units from a boundary on."""
        lines = [line for line in self.org.records("OrderItem") if line["OrderId"] == order_id]
        document = {
            "contract": lines[0]["SBQQ__Contract__c"],
            "lines": [{"line": lines[0]["Id"], "by": "2"}],
            "start": AMENDED_FROM.isoformat(),
            "activate": True,
        }
        with self.org.lock:
            SalesDesk(self.org).amend(amend_request(document))

    def look(self, orders: int) -> tuple[int, int]:
        """Poll once and let all be done that this found; return the calls of the poll and all others."""
        before = [log.count for log in self.logs]
        Worker(self.service).tick()
        self.wait_for(orders)
        requests = [each for log, count in zip(self.logs, before, strict=True) for each in log.after(count)]
        requests = [each for each in requests if each["path"] != _EVENTS]
        polls = [each for each in requests if _is_poll(each)]
        return len(polls), len(requests) - len(polls)

    def wait_for(self, orders: int) -> None:
        """Wait until so many orders are synced and nothing is queued or shown as under way."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        calm = 0
        while calm < 3:
            if time.monotonic() > deadline:
                raise SystemExit("The bench's orders were not synced in time.")
            with self.service.store.read() as transaction:
                found = plans.standings(transaction, connection_id=1)
            synced = sum(each.state.value == "synced" for each in found)
            is_calm = synced >= orders and not self.service.engine().waiting_partitions()
            calm = calm + 1 if is_calm else 0
            time.sleep(0.05)


def _is_poll(request: dict[str, Any]) -> bool:
    """Return whether a request asks for all orders that qualify; those of a contract are asked for by id."""
    return "FROM Order WHERE (StatusCode" in str(request["parameters"].get("q", ""))


@contextmanager
def live(count: int, *, poll_seconds: int = POLL_SECONDS) -> Iterator[Live]:
    """Draft so many orders, 10 seats at 50.00 a month for a year, and connect both sides."""
    cpq = Cpq(precision="monthly_daily", clock=lambda: SOLD_AT)
    product = cpq.product("Seat", frequency="Monthly", default_term=1)
    cpq.price(product, Decimal(50))
    order_ids = []
    for number in range(count):
        customer = cpq.account(f"Customer {number}", email=f"billing{number}@customer.example")
        quote = cpq.quote(customer, start=STARTS, lines=[Line(product=product, quantity=10)], term=12)
        order_ids.append(cpq.order(quote).record_id)
    org, account = Org(SOLD_AT), Account(SOLD_AT)
    org.prorate_precision = "monthly_daily"
    org.load(cpq.records())
    org_app = create_org_app(org)
    settings = default_configuration()
    sync = replace(settings.sync, live=True, poll_seconds=poll_seconds)
    with (
        tempfile.TemporaryDirectory() as home,
        host(org_app) as salesforce,
        host(create_account_app(account)) as stripe,
        open_throwaway_service(Path(home), clock=SettableClock(SOLD_AT)) as service,
    ):
        service.add_connection(
            name="bench",
            salesforce_url=salesforce.url,
            salesforce_token="bench",
            stripe_key="sk_test_bench",
            stripe_api_base=stripe.url,
            configuration=replace(settings, currency="usd", sync=sync),
        )
        service.become_worker()
        yield Live(
            org=org,
            account=account,
            logs=(org_app.log, account.log),
            service=service,
            order_ids=tuple(order_ids),
        )


def rows() -> Iterator[Row]:
    """Yield the rows of the table: calls first, then times."""
    yield from _call_rows()
    for what, salesforce, stripe in (
        ("without latency", 0.0, 0.0),
        (
            f"latency {SALESFORCE_SECONDS * 1000:.0f} and {STRIPE_SECONDS * 1000:.0f} ms",
            SALESFORCE_SECONDS,
            STRIPE_SECONDS,
        ),
    ):
        yield from _time_rows(what, salesforce, stripe)


def _call_rows() -> Iterator[Row]:
    with live(1) as world:
        (order_id,) = world.order_ids
        # The first poll has no earlier one to begin at; those that follow ask for what changed since.
        world.look(0)
        world.activate(order_id)
        yield from _counted("a new order of one line", CALLS_OF_A_NEW_ORDER, lambda: world.look(1))
        yield from _echo("a new order", world)
        world.amend(order_id)
        yield from _counted("an amendment of one line", CALLS_OF_AN_AMENDMENT, lambda: world.look(2))
        yield from _echo("an amendment", world)
        world.org.update("Order", order_id, {"Name": "Renamed"})
        polls, others = world.look(2)
        yield _calls("an order saved without a change", polls + others, CALLS_WITHOUT_CHANGE)
        polls, others = world.look(2)
        yield _calls("an idle poll", polls + others, CALLS_OF_AN_IDLE_POLL)


def _counted(what: str, allowed: int, look: Callable[[], tuple[int, int]]) -> Iterator[Row]:
    polls, others = look()
    yield _calls(f"{what}: calls to both sides", others, allowed)
    yield Row(what=f"{what}: with the poll that found it, which is shared", measured=str(polls + others))


def _echo(what: str, world: Live) -> Iterator[Row]:
    polls, others = world.look(1)
    yield Row(
        what=f"{what}: seen once more after our own write-back", measured=f"{others} beside {polls} poll"
    )


def _calls(what: str, measured: int, allowed: int) -> Row:
    return Row(what=what, measured=str(measured), wanted=str(allowed), met=measured <= allowed)


def _time_rows(what: str, salesforce: float, stripe: float) -> Iterator[Row]:
    with live(ONE_BY_ONE + AT_ONCE, poll_seconds=1) as world:
        if stripe:
            world.org.faults.plan("latency", seconds=salesforce, times=1_000_000)
            world.account.faults.plan("latency", seconds=stripe, times=1_000_000)
        instants = Instants()
        observe(instants.note)
        world.service.start_worker()
        for place, order_id in enumerate(world.order_ids[:ONE_BY_ONE], start=1):
            instants.activated[order_id] = time.perf_counter()
            world.activate(order_id)
            world.wait_for(place)
        yield from _waits(what, instants, world.order_ids[:ONE_BY_ONE])
        begun = time.perf_counter()
        for order_id in world.order_ids[ONE_BY_ONE:]:
            world.activate(order_id)
        world.wait_for(ONE_BY_ONE + AT_ONCE)
        seconds = time.perf_counter() - begun
        world.service.stop_worker()
        measured = f"{AT_ONCE / seconds:.1f} orders/s, {seconds:.1f} s"
        yield Row(what=f"{AT_ONCE} orders at once, {what}", measured=measured)
        yield _reconciled(what, world)


def _reconciled(what: str, world: Live) -> Row:
    before = [log.count for log in world.logs]
    begun = time.perf_counter()
    found = Reconciler(world.service).run(None)
    seconds = time.perf_counter() - begun
    if found.open:
        raise SystemExit(f"The bench's orders are not as sold: {found.open[0].document}")
    salesforce, stripe = (
        (log.count - count) / found.contracts for log, count in zip(world.logs, before, strict=True)
    )
    return Row(
        what=f"reconcile {found.contracts} contracts, {what}",
        measured=f"{salesforce:.1f} and {stripe:.1f} calls each, {seconds / found.contracts:.2f} s each",
    )


def _waits(what: str, instants: Instants, order_ids: tuple[str, ...]) -> Iterator[Row]:
    seen = [instants.seen[each] - instants.activated[each] for each in order_ids]
    scheduled = [instants.scheduled[each] - instants.seen[each] for each in order_ids]
    yield Row(what=f"activation to seen, polling each second, {what}", measured=_spread(seen))
    yield Row(what=f"seen to schedule, {what}", measured=_spread(scheduled))
    both = [
        wait + work for wait, work in zip(_waits_for_poll(len(order_ids)), sorted(scheduled), strict=True)
    ]
    yield Row(
        what=f"activation to schedule, polling each {POLL_SECONDS} s, {what}",
        measured=f"{_spread(both)} (waits for the poll reckoned)",
    )


def _waits_for_poll(count: int) -> list[float]:
    """Return how long orders wait that are activated at evenly spread instants between two polls."""
    return [POLL_SECONDS * (place + 0.5) / count for place in range(count)]


def _spread(seconds: list[float]) -> str:
    parts = quantiles(seconds, n=20, method="inclusive")
    return f"p50 {parts[9]:.2f} s, p95 {parts[18]:.2f} s"
