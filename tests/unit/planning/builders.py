"""Builders with defaults: say only what a test is about."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal

from tests.simulation.in_process import Life

from cpqbridge.domain.billing import BillingState, Plan
from cpqbridge.domain.dates import day_after
from cpqbridge.domain.order import Account, LineKind, Order, OrderHistory, OrderKind, OrderLine, Product
from cpqbridge.domain.refusal import OrderState
from cpqbridge.mapping.configuration import default_configuration
from cpqbridge.planning.plan import plan_contract
from cpqbridge.planning.proration import term_months
from cpqbridge_sim.stripe.account import Account as StripeAccount

BEFORE = datetime(2026, 1, 28, 15, 4, 5, tzinfo=UTC)
CONFIGURATION = default_configuration()


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def a_line(
    number: int = 1,
    *,
    quantity="10",
    unit_price="600",
    total_price=None,
    start="2026-02-01",
    end="2027-01-31",
    months=1,
    entry="50",
    default_term="1",
    multiplier=None,
    **changes,
) -> OrderLine:
    total = Decimal(total_price) if total_price is not None else Decimal(quantity) * Decimal(unit_price)
    line = OrderLine(
        order_item_id=f"802LINE{number:03}",
        order_id="801ORDER1",
        kind=LineKind.RECURRING,
        product_id="01tSEAT",
        pricebook_entry_id="01uSEAT",
        quantity=Decimal(quantity),
        unit_price=Decimal(unit_price),
        total_price=total,
        starts_on=date.fromisoformat(start),
        ends_on=date.fromisoformat(end),
        frequency_months=months,
        default_term_months=Decimal(default_term),
        prorate_multiplier=None if multiplier is None else Decimal(multiplier),
        entry_unit_price=None if entry is None else Decimal(entry),
    )
    return replace(line, **changes)


def seats(number: int, units, start, end="2027-01-31", *, price="50", revises=None, **changes) -> OrderLine:
    """Seats as CPQ prices them on the first order or an amendment: list price by the term, to the cent."""
    months = term_months(date.fromisoformat(start), day_after(date.fromisoformat(end)), "monthly_daily")
    exact = Decimal(price) * months.numerator / months.denominator
    unit_price = exact.quantize(Decimal("0.01"), ROUND_HALF_UP)
    defaults = {"quantity": str(units), "unit_price": str(unit_price), "start": start, "end": end}
    return a_line(number, entry=price, revises=revises and f"802LINE{revises:03}", **(defaults | changes))


def a_one_time_line(number: int = 9, *, total="750", start="2026-02-01", **changes) -> OrderLine:
    line = OrderLine(
        order_item_id=f"802LINE{number:03}",
        order_id="801ORDER1",
        kind=LineKind.ONE_TIME,
        product_id="01tSETUP",
        pricebook_entry_id="01uSETUP",
        quantity=Decimal(1),
        unit_price=Decimal(total),
        total_price=Decimal(total),
        starts_on=date.fromisoformat(start),
        ends_on=None,
    )
    return replace(line, **changes)


def an_order(lines=None, **changes) -> Order:
    lines = [a_line()] if lines is None else lines
    order = Order(
        order_id="801ORDER1",
        order_number="00000101",
        kind=OrderKind.INITIAL,
        activated=True,
        activated_at=BEFORE,
        effective_on=min((line.starts_on for line in lines), default=date(2026, 2, 1)),
        lines=tuple(lines),
        currency="usd",
        days_until_due=30,
    )
    return replace(order, **changes)


def an_amendment(*lines: OrderLine, number: int = 2, **changes) -> Order:
    """An amendment whose lines are its own, effective on the first of their days."""
    order_id = f"801ORDER{number}"
    own = [replace(line, order_id=order_id) for line in lines]
    defaults = {
        "order_id": order_id,
        "order_number": f"{100 + number:08}",
        "kind": OrderKind.AMENDMENT,
    }
    return an_order(own, **(defaults | changes))


def a_history(*orders: Order, **changes) -> OrderHistory:
    history = OrderHistory(
        root_id="a0qQUOTE1",
        contract_key="800CONTRACT1",
        account=Account(
            account_id="001ACCOUNT1",
            displayed_customer_id=None,
            email="billing@baden.example",
            parameters={"name": "Baden Trading", "email": "billing@baden.example"},
        ),
        orders=orders or (an_order(),),
        products={
            "01tSEAT": Product(product_id="01tSEAT", displayed_product_id=None, name="Seat", parameters={}),
            "01tSETUP": Product(
                product_id="01tSETUP", displayed_product_id=None, name="Onboarding", parameters={}
            ),
        },
    )
    return replace(history, **changes)


def a_policy(**changes):
    return replace(CONFIGURATION, policy=replace(CONFIGURATION.policy, **changes))


def plan(*lines, as_of=BEFORE, configuration=CONFIGURATION, state=None, released=(), **order_changes):
    """Plan one new order of these lines."""
    history = a_history(an_order(list(lines) or None, **order_changes))
    return plan_contract(
        history, state or BillingState(), configuration, as_of=as_of, released=frozenset(released)
    )


def invoices_of(planned) -> list[tuple[str, int]]:
    """Return (date, total in minor units) of every forecast invoice that is not zero."""
    return [
        (invoice.on.isoformat(), invoice.total_minor) for invoice in planned.forecast if invoice.total_minor
    ]


def a_life(*, now=BEFORE, configuration=CONFIGURATION) -> Life:
    """A contract that is not synced yet, beside an empty simulated account."""
    return Life(StripeAccount(now=now), configuration)


def states_of(found: Plan) -> list[tuple[OrderState, list[str]]]:
    return [(each.state, [refusal.code for refusal in each.refusals]) for each in found.outcomes]


def documents_of(planned: Plan) -> list[tuple[str, str, int]]:
    """Return (kind, date, total in minor units) of every own invoice and credit."""
    return [
        (invoice.kind, invoice.on.isoformat(), invoice.total_minor)
        for invoice in planned.forecast
        if not invoice.object_key.startswith("schedule:")
    ]


def differences_of(planned: Plan) -> dict[str, tuple[int, str | None]]:
    """Return the difference and its reason of every line that is not billed what it was sold for."""
    return {
        proof.order_item_id: (proof.difference_minor, proof.reason)
        for proof in planned.proof
        if proof.difference_minor
    }


def one_time_items_of(phase) -> list[tuple[str, str, int]]:
    """Return (order line, kind, minor units) of what rides on a phase."""
    return [(item.order_item_id, item.kind, item.amount_minor) for item in phase.one_time_items]
