"""How long planning a much amended contract takes, and how much memory: measured in a process of its own.

`python benchmarks/amending.py LINES AMENDMENTS` prints what it measured as JSON.
"""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

from cpqbridge.domain.billing import BillingState, Link, Plan
from cpqbridge.domain.dates import add_months
from cpqbridge.domain.order import LineKind, Order, OrderHistory, OrderKind, OrderLine
from cpqbridge.domain.refusal import OrderState
from cpqbridge.mapping.configuration import default_configuration
from cpqbridge.planning.plan import plan_contract
from cpqbridge.planning.proration import term_months
from planning import contract
from table import Row

LINES = 500
LINES_BESIDE = 125
AMENDMENTS = 50
SECONDS = 2.0
MEGABYTES = 256
LINEAR_FACTOR = 1.5

START, END = date(2026, 2, 1), date(2031, 1, 31)
SYNCED_AT = datetime(2026, 1, 20, 9, 30, tzinfo=UTC)
CONFIGURATION = default_configuration()
CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One run: everything planned at once, and the last amendment planned with all before it sent."""

    order_lines: int
    seconds: float
    seconds_of_last: float
    megabytes: float


def seats(order_id: str, number: int, place: int, *, quantity: int, starts_on: date) -> OrderLine:
    """Return seats at 50.00 a month to the end of the contract; `place` is the first line they belong to."""
    months = term_months(starts_on, END, CONFIGURATION.policy.prorate_precision)
    unit = (Decimal(50) * months.numerator / months.denominator).quantize(CENT, ROUND_HALF_UP)
    first_id = f"802{place:012d}AAA"
    own_id = f"802{number:012d}AAA"
    return OrderLine(
        order_item_id=own_id,
        order_id=order_id,
        kind=LineKind.RECURRING,
        product_id=f"01t{place % 20:012d}AAA",
        pricebook_entry_id=f"01u{place % 20:012d}AAA",
        quantity=Decimal(quantity),
        unit_price=unit,
        total_price=unit * quantity,
        starts_on=starts_on,
        ends_on=END,
        frequency_months=1,
        default_term_months=Decimal(1),
        entry_unit_price=Decimal(50),
        revises=first_id if first_id != own_id else None,
    )


def amended_contract(lines: int, amendments: int) -> OrderHistory:
    """Return a contract of five years; each month's amendment adds to some lines and takes from others.

    An amendment begins inside a billing month; it adds to one line in fifty and takes from as many others.
    """
    sold = contract(
        tuple(
            seats("801000000000001AAA", number, number, quantity=10, starts_on=START)
            for number in range(1, lines + 1)
        )
    )
    first = sold.orders[0]
    orders = [first]
    changed = max(lines // 50, 1)
    number = lines
    for month in range(1, amendments + 1):
        order_id = f"801{month + 1:012d}AAA"
        starts_on = add_months(START, month) + timedelta(days=12)
        changes = []
        for turn in range(month * changed, (month + 1) * changed):
            for place, quantity in ((turn, 2), (turn + lines // 2, -1)):
                number += 1
                changes.append(
                    seats(order_id, number, place % lines + 1, quantity=quantity, starts_on=starts_on)
                )
        orders.append(_amendment(first, order_id, month, tuple(changes)))
    return replace(sold, orders=tuple(orders))


def _amendment(first: Order, order_id: str, month: int, lines: tuple[OrderLine, ...]) -> Order:
    return replace(
        first,
        order_id=order_id,
        order_number=f"{month + 1:08d}",
        kind=OrderKind.AMENDMENT,
        activated_at=SYNCED_AT,
        effective_on=lines[0].starts_on,
        lines=lines,
    )


def planned(history: OrderHistory, state: BillingState, as_of: datetime) -> tuple[Plan, float]:
    """Return the plan and the processor seconds it took; ends when an order was not accepted.

    A plan waits for nothing, so a busy machine is the only reason why more time would pass.
    """
    started = time.process_time()
    plan = plan_contract(history, state, CONFIGURATION, as_of=as_of)
    seconds = time.process_time() - started
    stopped = [each for each in plan.outcomes if each.state not in {OrderState.SYNCED, OrderState.UNCHANGED}]
    if stopped:
        sys.exit(f"{len(stopped)} orders were not planned: {stopped[0].refusals[0].message}")
    return plan, seconds


def sent(plan: Plan) -> BillingState:
    """Return what there is once every step of a plan on nothing was carried out."""
    wanted = {each.key: each for each in plan.objects}
    links = {
        step.key: Link(key=step.key, stripe_id=f"id_{number}", fingerprint=step.fingerprint)
        for number, step in enumerate(plan.steps)
    }
    objects = {step.object_key: wanted[step.object_key] for step in plan.steps if step.object_key}
    return BillingState(links=links, objects=objects)


def measure(lines: int, amendments: int) -> Measured:
    """Plan in this process and return what it took; the memory is the most this process ever had."""
    history = amended_contract(lines, amendments)
    _, seconds = planned(history, BillingState(), SYNCED_AT)
    before, _ = planned(replace(history, orders=history.orders[:-1]), BillingState(), SYNCED_AT)
    _, seconds_of_last = planned(history, sent(before), SYNCED_AT + timedelta(days=1))
    # Linux counts in kilobytes, macOS in bytes.
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return Measured(
        order_lines=sum(len(order.lines) for order in history.orders),
        seconds=seconds,
        seconds_of_last=seconds_of_last,
        megabytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit,
    )


def measured_apart(lines: int, amendments: int) -> Measured:
    """Return what a fresh process measures."""
    outcome = subprocess.run(
        [sys.executable, Path(__file__), str(lines), str(amendments)],
        capture_output=True,
        text=True,
        check=False,
    )
    if outcome.returncode:
        sys.exit(f"planning an amended contract failed:\n{outcome.stderr}")
    found: Mapping[str, float] = json.loads(outcome.stdout)
    return Measured(
        order_lines=int(found["order_lines"]),
        seconds=found["seconds"],
        seconds_of_last=found["seconds_of_last"],
        megabytes=found["megabytes"],
    )


def rows() -> list[Row]:
    """Return the rows of the table about amended contracts."""
    beside = measured_apart(LINES_BESIDE, AMENDMENTS)
    large = measured_apart(LINES, AMENDMENTS)
    what = f"{LINES} lines, {AMENDMENTS} amendments ({large.order_lines} order lines)"
    growth = (large.seconds / large.order_lines) / (beside.seconds / beside.order_lines)
    return [
        Row(
            what=f"plan {LINES_BESIDE} lines, {AMENDMENTS} amendments ({beside.order_lines} order lines)",
            measured=f"{beside.seconds:.2f} s",
        ),
        Row(
            what=f"plan {what}",
            measured=f"{large.seconds:.2f} s",
            wanted=f"{SECONDS:.0f} s",
            met=large.seconds <= SECONDS,
        ),
        Row(
            what="plan the last amendment, with all before it sent",
            measured=f"{large.seconds_of_last:.2f} s",
            wanted=f"{SECONDS:.0f} s",
            met=large.seconds_of_last <= SECONDS,
        ),
        Row(
            what="memory of that process at most",
            measured=f"{large.megabytes:.0f} MB",
            wanted=f"{MEGABYTES} MB",
            met=large.megabytes <= MEGABYTES,
        ),
        Row(
            what="an order line of the large one beside one of the small one",
            measured=f"{growth:.2f} times",
            wanted=f"{LINEAR_FACTOR} times",
            met=growth <= LINEAR_FACTOR,
        ),
    ]


if __name__ == "__main__":
    found = measure(int(sys.argv[1]), int(sys.argv[2]))
    print(
        json.dumps(
            {
                "order_lines": found.order_lines,
                "seconds": found.seconds,
                "seconds_of_last": found.seconds_of_last,
                "megabytes": found.megabytes,
            }
        )
    )
