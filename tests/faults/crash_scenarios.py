"""What is under way when everything stops: orders and amendments of every kind, and charges that fall due."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from tests.faults import kinds
from tests.faults.kinds import START, Records, Shop
from tests.faults.two_sides import NOW, one_line_orders
from tests.faults.worlds import World

from cpqbridge_sim.salesforce.cpq.engine import Cpq
from cpqbridge_sim.salesforce.cpq.model import Line
from cpqbridge_sim.salesforce.desk.requests import amend_request, renew_request, terminate_request
from cpqbridge_sim.salesforce.desk.sales import SalesDesk

AUGUST = datetime(2026, 8, 20, 10, tzinfo=UTC)
AUTUMN = date(2026, 9, 1)
MIDDLE_OF_AUGUST = date(2026, 8, 13)
A_DAY_LATER = date(2026, 8, 14)
DUE_IN_AUGUST = datetime(2026, 8, 13, tzinfo=UTC)
DUE_IN_A_YEAR = datetime(2027, 2, 1, tzinfo=UTC)
AFTER_A_YEAR = datetime(2027, 3, 5, tzinfo=UTC)

Change = Callable[[World], None]


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Records, what is synced at `first_at`, and what is changed at `at` and stopped while it is synced.

    `change` is None where the records themselves are the first thing to be synced. `until` is the instant by
    which all is billed.
    """

    records: Callable[[], Records]
    change: Change | None = None
    at: datetime = NOW
    first_at: datetime = NOW
    policy: Mapping[str, str] = field(default_factory=dict)
    mapping: Mapping[str, object] = field(default_factory=dict)
    until: datetime = AFTER_A_YEAR
    is_sold_by_the_year: bool = True


def contracted() -> Records:
    """Ten seats for a year."""
    return one_line_orders(contracted=True)


def many_lines() -> Records:
    """Six lines of four products, with prices and discounts of their own."""
    shop = Shop()
    return shop.records(
        shop.sell(
            Line(product=shop.seat, quantity=10),
            Line(product=shop.seat, quantity=3, discount=10),
            Line(product=shop.seat, quantity=1, price=Decimal("33.33")),
            Line(product=shop.licence, quantity=8),
            Line(product=shop.support),
            Line(product=shop.support, quantity=2, discount=25),
        )
    )


def something_once(*others: str) -> Records:
    """A service that is billed once, by itself or beside seats."""
    shop = Shop()
    setup = shop.cpq.product(
        "Set-up", pricing=None, charge_type="One-Time", default_term=None, frequency=None
    )
    shop.cpq.price(setup, Decimal("499.99"))
    lines = [Line(product=setup, quantity=2)]
    if others:
        lines.append(Line(product=shop.seat, quantity=10))
    return shop.records(shop.sell(*lines, contracted=bool(others)))


def ramp() -> Records:
    """A ramp by the quarter."""
    shop = Shop()
    segments = [(5, 50), (10, 50), (15, 48), (20, 45)]
    return shop.records(shop.sell(*shop.cpq.ramp(shop.seat, start=START, kind="Quarter", segments=segments)))


def two_customers() -> Records:
    """Two contracts that share a product and a price."""
    return one_line_orders(2, contracted=True)


def two_schedules() -> Records:
    """Lines by the quarter with an anchor each: two schedules."""
    cpq = Cpq(clock=lambda: NOW)
    product = cpq.product("Support", frequency="Quarterly", default_term=1)
    cpq.price(product, 100)
    lines = [Line(product=product), Line(product=product, start=date(2026, 3, 1), end=date(2026, 11, 30))]
    quote = cpq.quote(cpq.account("Two", email="b@two.example"), start=START, lines=lines, term=12)
    order = cpq.activate(cpq.order(quote), at=NOW)
    return cpq.records(), (order.record_id,)


def add(by: str, start: date) -> Change:
    """More seats, or fewer."""

    def change(world: World) -> None:
        world.sides.amend([(0, by)], start=start)

    return change


def several(*changes: Change) -> Change:
    """One change after another, each by an order of its own."""

    def change(world: World) -> None:
        for each in changes:
            each(world)

    return change


def sell_also(start: date, **line: Any) -> Change:
    """A new line on the contract."""

    def change(world: World) -> None:
        document = {"contract": contract(world), "start": start.isoformat(), "activate": True, "add": [line]}
        SalesDesk(world.org).amend(amend_request(document))

    return change


def swap(start: date, price: str) -> Change:
    """Ten seats at another price from a day on, in one order."""

    def change(world: World) -> None:
        (item,) = [each["Id"] for each in world.org.records("OrderItem")]
        document = {
            "contract": contract(world),
            "start": start.isoformat(),
            "activate": True,
            "lines": [{"line": item, "by": "-10"}],
            "add": [{"product": "Seat", "quantity": "10", "price": price}],
        }
        SalesDesk(world.org).amend(amend_request(document))

    return change


def terminate(start: date) -> Change:
    def change(world: World) -> None:
        document = {"contract": contract(world), "start": start.isoformat(), "activate": True}
        SalesDesk(world.org).terminate(terminate_request(document))

    return change


def renew(world: World) -> None:
    SalesDesk(world.org).renew(renew_request({"contract": contract(world), "activate": True}))


def known_customer(world: World) -> None:
    """The customer is in Stripe already, and the account in Salesforce says which one it is."""
    (account,) = world.org.records("Account")
    status, made = world.account.request(
        "POST", "/v1/customers", {"name": "Known", "email": "old@known.example"}
    )
    assert status == 200
    world.org.update("Account", account["Id"], {"Stripe_ID__c": made["id"]})


def rename_product(world: World) -> None:
    """The product has another name from now on."""
    (product,) = world.org.records("Product2")
    world.org.update("Product2", product["Id"], {"Name": "Chair"})


def void_all_but_the_last(world: World) -> None:
    """Somebody voids every invoice but the newest, so that no more than that one can be credited."""
    invoices = sorted(world.account.all_objects()["invoice"], key=lambda each: each["created"])
    for invoice in invoices[:-1]:
        assert world.account.request("POST", f"/v1/invoices/{invoice['id']}/void", {})[0] == 200


def contract(world: World) -> str:
    return str(world.org.records("Contract")[0]["Id"])


NEW = {
    "one line": Scenario(records=contracted),
    "many lines": Scenario(records=many_lines),
    "one-time only": Scenario(records=something_once),
    "one-time beside seats": Scenario(records=lambda: something_once("seats")),
    "without an end": Scenario(records=kinds.without_an_end, is_sold_by_the_year=False),
    "with and without an end": Scenario(records=kinds.with_and_without_an_end, is_sold_by_the_year=False),
    "ramp": Scenario(records=ramp),
    "metered with tiers and a coupon": Scenario(
        records=kinds.usage_under_a_coupon, is_sold_by_the_year=False
    ),
    "coupon for six months": Scenario(records=kinds.seats_at_launch, is_sold_by_the_year=False),
    "tiers by volume": Scenario(records=kinds.licences),
    "trial": Scenario(
        records=kinds.seats_after_a_trial, mapping=kinds.TRIAL_MAPPING, is_sold_by_the_year=False
    ),
    "mixed frequencies": Scenario(records=kinds.every_frequency),
    "split frequencies": Scenario(records=kinds.every_frequency, policy={"frequencies": "split"}),
    "two schedules": Scenario(records=two_schedules),
    "two contracts": Scenario(records=two_customers),
    "customer exists": Scenario(records=contracted, change=known_customer),
}
CHANGES = {
    "seats added ahead": Scenario(records=contracted, change=add("2", AUTUMN), at=AUGUST),
    "seats added and billed now": Scenario(records=contracted, change=add("2", MIDDLE_OF_AUGUST), at=AUGUST),
    "seats added on the next invoice": Scenario(
        records=contracted,
        change=add("2", MIDDLE_OF_AUGUST),
        at=AUGUST,
        policy={"proration": "next_invoice"},
    ),
    "seats removed with a credit note": Scenario(
        records=contracted, change=add("-3", MIDDLE_OF_AUGUST), at=AUGUST, policy={"credits": "credit_note"}
    ),
    "seats removed with a credit on the next invoice": Scenario(
        records=contracted, change=add("-3", MIDDLE_OF_AUGUST), at=AUGUST
    ),
    "seats removed and refunded": Scenario(
        records=contracted,
        change=add("-3", MIDDLE_OF_AUGUST),
        at=AUGUST,
        policy={"credits": "credit_note", "credit_target": "refund"},
    ),
    "seats removed long ago": Scenario(
        records=contracted, change=add("-8", date(2026, 7, 1)), at=AUGUST, policy={"credits": "credit_note"}
    ),
    "seats removed with a credit to the balance": Scenario(
        records=contracted,
        change=several(void_all_but_the_last, add("-8", date(2026, 7, 1))),
        at=AUGUST,
        policy={"credits": "credit_note"},
        is_sold_by_the_year=False,
    ),
    "seats added under another name": Scenario(
        records=contracted, change=several(rename_product, add("2", AUTUMN)), at=AUGUST
    ),
    "a charge and a credit of two orders": Scenario(
        records=contracted,
        change=several(add("-3", MIDDLE_OF_AUGUST), add("2", A_DAY_LATER)),
        at=AUGUST,
        policy={"credits": "credit_note"},
    ),
    "three orders at once": Scenario(
        records=contracted,
        change=several(add("2", MIDDLE_OF_AUGUST), add("5", AUTUMN), add("-4", date(2026, 10, 15))),
        at=AUGUST,
    ),
    "terminated": Scenario(records=contracted, change=terminate(AUTUMN), at=AUGUST),
    "terminated inside a month": Scenario(records=contracted, change=terminate(MIDDLE_OF_AUGUST), at=AUGUST),
    "renewed": Scenario(records=contracted, change=renew, at=AUGUST, until=datetime(2028, 3, 5, tzinfo=UTC)),
    "another price": Scenario(records=contracted, change=swap(AUTUMN, "44.40"), at=AUGUST),
    "another price inside a month": Scenario(
        records=contracted, change=swap(MIDDLE_OF_AUGUST, "44.40"), at=AUGUST
    ),
    "a line by the year added": Scenario(
        records=kinds.every_frequency, change=sell_also(AUTUMN, product="Support", quantity="1"), at=AUGUST
    ),
    "workspaces removed": Scenario(
        records=kinds.without_an_end, change=add("-2", AUTUMN), at=AUGUST, is_sold_by_the_year=False
    ),
    "workspaces ended": Scenario(
        records=kinds.without_an_end, change=add("-4", AUTUMN), at=AUGUST, is_sold_by_the_year=False
    ),
}
DUE = {
    "a charge falls due": Scenario(
        records=contracted,
        change=add("2", MIDDLE_OF_AUGUST),
        first_at=datetime(2026, 8, 3, 10, tzinfo=UTC),
        at=DUE_IN_AUGUST,
    ),
    "to be planned further": Scenario(
        records=kinds.without_an_end, at=DUE_IN_A_YEAR, until=DUE_IN_A_YEAR, is_sold_by_the_year=False
    ),
}
ALL = {**NEW, **CHANGES, **DUE}
