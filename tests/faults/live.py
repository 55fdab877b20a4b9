"""A live connection whose orders are sold, changed and ended while faults strike, and what came of it.

Time passes only when a story says so; between two moments the worker does all that it finds to do.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from tests.faults.crash_matrix import SHARED_WRITTEN, our_names
from tests.faults.request_checker import problems
from tests.faults.two_sides import (
    NOW,
    TwoSides,
    connect,
    is_idle,
    move_everything_to,
    service,
    two_sides,
)
from tests.simulation.in_process import billed_by_day

from cpqbridge.clock import SettableClock
from cpqbridge.store import intents, plans
from cpqbridge.store.plans import OrderStanding
from cpqbridge.sync.service import SyncService
from cpqbridge.sync.worker import Worker
from cpqbridge_sim.request_log import LoggedRequest
from cpqbridge_sim.salesforce.cpq.engine import Cpq
from cpqbridge_sim.salesforce.cpq.model import Line
from cpqbridge_sim.salesforce.desk.requests import activate_request, amend_request, terminate_request
from cpqbridge_sim.salesforce.desk.sales import SalesDesk
from cpqbridge_sim.salesforce.org import Org
from cpqbridge_sim.stripe.account import Account

DONE = frozenset({"synced", "unchanged"})
# Long enough for a thousand orders; a test that hangs is ended by its own limit before.
WAIT_SECONDS = 900.0
PATIENCE = timedelta(seconds=5)
OF_SEVERAL_CONTRACTS = (
    r"outcome of \d+ was not known \(POST /v1/(products|prices) ",
    SHARED_WRITTEN,
)
# Whatever passes by itself: access lost or forbidden needs a person, and says so.
SALESFORCE_KINDS = (
    "reset",
    "timeout",
    "cut",
    "html",
    "server_error",
    "rate_limit",
    "row_lock",
    "request_limit",
)
STRIPE_KINDS = (
    "reset",
    "timeout",
    "cut",
    "html",
    "server_error",
    "rate_limit",
    "lock_timeout",
    "conflict",
)


def orders_of(count: int) -> tuple[dict, tuple[str, ...]]:
    """Records of draft orders, one account each: seats and reports by the month, every third with a fee."""
    cpq = Cpq(clock=lambda: NOW, precision="monthly_daily")
    products = []
    for name in ("Seat", "Reports"):
        products.append(cpq.product(name, frequency="Monthly", default_term=1))
        cpq.price(products[-1], Decimal(50))
    fee = cpq.product("Set-up", pricing=None)
    cpq.price(fee, Decimal(250))
    ids = []
    for number in range(count):
        account = cpq.account(f"Customer {number}", email=f"billing{number}@customer.example")
        lines = [Line(product=products[number % 2], quantity=10 + number)]
        if number % 3 == 0:
            lines.append(Line(product=fee, quantity=1))
        quote = cpq.quote(account, start=date(2026, 2, 1), lines=lines, term=12)
        ids.append(cpq.order(quote, name=f"Order {number}").record_id)
    return cpq.records(), tuple(ids)


@dataclass
class Live:
    """A worker on a live connection with both simulators, and one clock for all of them."""

    sides: TwoSides
    opened: SyncService
    clock: SettableClock

    @property
    def org(self) -> Org:
        return self.sides.org

    @property
    def account(self) -> Account:
        return self.sides.account

    @property
    def desk(self) -> SalesDesk:
        return SalesDesk(self.sides.org)

    def activate(self, order_id: str) -> None:
        """Activate a draft and contract it."""
        with self.org.lock:
            self.desk.activate(activate_request({"order": order_id}))

    def amend(self, order_id: str, by: int, *, start: date) -> None:
        """Change the units of the first product of an order's contract, and activate that."""
        with self.org.lock:
            document = {
                "contract": self.contract_of(order_id),
                "lines": [{"line": self.lines_of(order_id)[0]["Id"], "by": str(by)}],
                "start": start.isoformat(),
                "activate": True,
            }
            self.desk.amend(amend_request(document))

    def terminate(self, order_id: str, *, start: date) -> None:
        """End everything on an order's contract."""
        with self.org.lock:
            document = {
                "contract": self.contract_of(order_id),
                "start": start.isoformat(),
                "activate": True,
            }
            self.desk.terminate(terminate_request(document))

    def contract_of(self, order_id: str) -> str:
        return next(str(line["SBQQ__Contract__c"]) for line in self.lines_of(order_id))

    def lines_of(self, order_id: str) -> list[dict]:
        return [line for line in self.org.records("OrderItem") if line["OrderId"] == order_id]

    def trouble(self, *, seed: int, rate: float) -> None:
        """Let faults strike a share of all requests to both sides."""
        self.org.faults.at_random(seed=seed, rate=rate, kinds=SALESFORCE_KINDS)
        self.account.faults.at_random(seed=seed, rate=rate, kinds=STRIPE_KINDS)

    def calm(self) -> int:
        """No more faults; return how many struck."""
        struck = len(self.org.faults.struck) + len(self.account.faults.struck)
        self.org.faults.clear()
        self.account.faults.clear()
        return struck

    def turn(self, minutes: float = 1) -> None:
        """Let a little time pass, and the worker do all that it finds to do."""
        self.move(self.clock.now() + timedelta(minutes=minutes))
        # A worker that begins finds everything due: it polls whatever the time on the machine.
        Worker(self.opened).tick()
        self.wait()

    def move(self, instant: datetime) -> None:
        """Set all clocks."""
        with self.org.lock:
            move_everything_to(instant, self.sides, self.clock)

    def wait(self) -> None:
        """Wait until nothing is queued and no contract is worked on."""
        deadline = time.monotonic() + WAIT_SECONDS
        calm = 0
        while calm < 3:
            assert time.monotonic() < deadline, "the worker does not come to an end"
            calm = calm + 1 if is_idle(self.opened) else 0
            time.sleep(0.02)

    def standings(self) -> tuple[OrderStanding, ...]:
        with self.opened.store.read() as transaction:
            return plans.standings(transaction, connection_id=1)

    def states(self) -> Counter[str]:
        """Return how many activated orders are in which state; one that nobody has seen is `unseen`."""
        known = {each.order_id: each.state.value for each in self.standings()}
        return Counter(known.get(order_id, "unseen") for order_id in self.activated())

    def activated(self) -> list[str]:
        return [str(order["Id"]) for order in self.org.records("Order") if order["StatusCode"] == "Activated"]

    def converge(self, turns: int = 40) -> None:
        """Let time pass until every order is synced and nothing is open; a new try may be hours away."""
        minutes = 1.0
        for _ in range(turns):
            self.turn(minutes)
            if set(self.states()) <= DONE and not self.open_calls():
                return
            minutes = min(minutes * 1.5, 20)
        stuck = [each for each in self.standings() if each.state.value not in DONE]
        raise AssertionError(f"{self.states()} after {turns} turns: {stuck[:2]} {self.open_calls()[:2]}")

    def open_calls(self) -> list[object]:
        with self.opened.store.read() as transaction:
            roots = {each.root_id for each in plans.standings(transaction, connection_id=1)}
            return [
                intent
                for root in sorted(roots)
                for intent in intents.unsettled(transaction, connection_id=1, root_id=root)
            ]

    def live_until(self, instant: datetime) -> None:
        """Let time pass from timer to timer."""
        for _ in range(1000):
            due = [timer for timer in self.opened.timers(None) if timer.next_at + PATIENCE <= instant]
            if not due:
                break
            first = min(timer.next_at for timer in due) + PATIENCE
            self.move(max(first, self.clock.now()))
            self.turn(0)
        else:
            raise AssertionError("timers never end")
        self.move(instant)

    def billed(self) -> Mapping[str, int]:
        """Return what is billed per order line, in minor units."""
        lines: Counter[str] = Counter()
        for (_, line), amount in billed_by_day(self.account).items():
            lines[line] += amount
        return {line: amount for line, amount in lines.items() if amount}

    def sold(self) -> int:
        """Return what all activated orders sum to, in minor units."""
        orders = set(self.activated())
        total = sum(
            (line["TotalPrice"] for line in self.org.records("OrderItem") if line["OrderId"] in orders),
            Decimal(0),
        )
        return int(total * 100)

    def broken_promises(self) -> list[str]:
        """Return what any request ever sent broke.

        Contracts worked on at once need the same products and prices: each asks for them by itself, which is
        no guess, since Stripe has each id and lookup key once, and each shows them in Salesforce.
        """
        logs = (self.account.log, self.sides.org_log)
        stripe, salesforce = ([LoggedRequest(**each) for each in log.after()] for log in logs)
        return [
            problem
            for problem in problems(stripe=stripe, salesforce=salesforce)
            if not any(re.search(pattern, problem) for pattern in OF_SEVERAL_CONTRACTS)
        ]

    def assert_one_of_each(self) -> None:
        """Nothing that we make is there twice."""
        named = Counter(name for name, _ in our_names(self))
        assert not {name for name, count in named.items() if count > 1}
        products = Counter(each["name"] for each in self.sides.objects("product"))
        assert set(products.values()) <= {1}, products


@contextmanager
def live(home: Path, count: int) -> Iterator[Live]:
    """A live connection of so many draft orders; the worker carries out what is queued."""
    clock = SettableClock(NOW)
    with two_sides(records=orders_of(count)) as sides, service(home, clock=clock) as opened:
        connect(opened, sides, live_sync=True)
        opened.become_worker()
        yield Live(sides=sides, opened=opened, clock=clock)
