"""How long planning a new contract takes, and whether it grows in line with the number of lines."""

import time
from datetime import UTC, date, datetime
from decimal import Decimal

from cpqbridge.domain.billing import BillingState
from cpqbridge.domain.order import Account, LineKind, Order, OrderHistory, OrderKind, OrderLine, Product
from cpqbridge.mapping.configuration import default_configuration
from cpqbridge.planning.plan import plan_contract
from table import Row

AS_OF = datetime(2026, 1, 20, 9, 30, tzinfo=UTC)
ORDER_ID = "801000000000001AAA"
ORDINARY_SECONDS = 0.002
LARGE_SECONDS = 0.5
LARGE_LINES = 500
LINEAR_FACTOR = 1.5


def recurring_line(number: int) -> OrderLine:
    """Return 10 seats at 50.00 a month; every third line starts in the middle of a month."""
    starts_on, total = (
        (date(2026, 2, 1), Decimal(6000)) if number % 3 else (date(2026, 5, 13), Decimal("4312.33"))
    )
    return OrderLine(
        order_item_id=f"802{number:012d}AAA",
        order_id=ORDER_ID,
        kind=LineKind.RECURRING,
        product_id=f"01t{number % 20:012d}AAA",
        pricebook_entry_id=f"01u{number % 20:012d}AAA",
        quantity=Decimal(10),
        unit_price=total / 10,
        total_price=total,
        starts_on=starts_on,
        ends_on=date(2027, 1, 31),
        frequency_months=1,
        default_term_months=Decimal(1),
        entry_unit_price=Decimal(50),
    )


def one_time_line(number: int) -> OrderLine:
    """Return one set-up fee."""
    return OrderLine(
        order_item_id=f"802{number:012d}AAA",
        order_id=ORDER_ID,
        kind=LineKind.ONE_TIME,
        product_id=f"01t{number % 20:012d}AAA",
        pricebook_entry_id=f"01u{number % 20:012d}AAA",
        quantity=Decimal(1),
        unit_price=Decimal(250),
        total_price=Decimal(250),
        starts_on=date(2026, 2, 1),
        ends_on=None,
    )


def contract(lines: tuple[OrderLine, ...]) -> OrderHistory:
    """Return a contract of one order with these lines."""
    order = Order(
        order_id=ORDER_ID,
        order_number="00000001",
        kind=OrderKind.INITIAL,
        activated=True,
        activated_at=AS_OF,
        effective_on=date(2026, 2, 1),
        lines=lines,
        currency="usd",
        days_until_due=30,
    )
    products = {
        line.product_id: Product(
            product_id=line.product_id, displayed_product_id=None, name="Seat", parameters={"name": "Seat"}
        )
        for line in lines
    }
    account = Account(
        account_id="001000000000001AAA",
        displayed_customer_id=None,
        email="billing@example.com",
        parameters={"name": "Customer", "email": "billing@example.com"},
    )
    return OrderHistory(
        root_id="a0q000000000001AAA",
        contract_key=ORDER_ID,
        account=account,
        orders=(order,),
        products=products,
    )


def seconds_to_plan(history: OrderHistory) -> float:
    """Return the best of several plannings in processor time, after a first one that warms up."""
    configuration = default_configuration()

    def once() -> float:
        started = time.process_time()
        plan_contract(history, BillingState(), configuration, as_of=AS_OF)
        return time.process_time() - started

    repeats = 20 if once() < LARGE_SECONDS else 3
    return min(once() for _ in range(repeats))


def recurring_contract(lines: int) -> OrderHistory:
    """Return a contract of so many recurring lines."""
    return contract(tuple(recurring_line(number) for number in range(1, lines + 1)))


def rows() -> list[Row]:
    """Return the rows of the table about new orders."""
    ordinary = contract((*(recurring_line(number) for number in (1, 2, 3)), one_time_line(4)))
    ordinary_seconds = seconds_to_plan(ordinary)
    found = [
        Row(
            what="plan an ordinary order (3 recurring lines, 1 one-time)",
            measured=f"{ordinary_seconds * 1000:.2f} ms",
            wanted=f"{ORDINARY_SECONDS * 1000:.0f} ms",
            met=ordinary_seconds <= ORDINARY_SECONDS,
        )
    ]
    per_line = {}
    for lines in (20, 125, 250, LARGE_LINES):
        seconds = seconds_to_plan(recurring_contract(lines))
        per_line[lines] = seconds / lines
        wanted = LARGE_SECONDS if lines == LARGE_LINES else None
        found.append(
            Row(
                what=f"plan {lines} recurring lines",
                measured=f"{seconds * 1000:.1f} ms, {per_line[lines] * 1e6:.0f} µs a line",
                wanted=f"{wanted * 1000:.0f} ms" if wanted else "",
                met=wanted is None or seconds <= wanted,
            )
        )
    one_time_seconds = seconds_to_plan(contract(tuple(one_time_line(number) for number in range(1, 251))))
    found.append(
        Row(what="plan 250 one-time lines, one invoice", measured=f"{one_time_seconds * 1000:.1f} ms")
    )
    growth = per_line[LARGE_LINES] / per_line[125]
    found.append(
        Row(
            what="a line among 500 beside a line among 125",
            measured=f"{growth:.2f} times",
            wanted=f"{LINEAR_FACTOR} times",
            met=growth <= LINEAR_FACTOR,
        )
    )
    return found
