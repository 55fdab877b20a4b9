"""Sample orders with prices of their own and in other currencies; all of them go through."""

from cpqbridge_sim.salesforce.cpq.model import Line
from cpqbridge_sim.salesforce.cpq.sample_desk import Desk


def sell_prices(desk: Desk) -> None:
    """Sell prices that are not simply the list price."""
    products = desk.products
    desk.sell(
        "Zephyr Cycling",
        "The same line twice: Two lines of one product at one price, for two departments.",
        activated="2026-06-30T10:00",
        start="2026-07-01",
        lines=[Line(product=products.seat, quantity=3), Line(product=products.seat, quantity=4)],
    )
    desk.sell(
        "Anvil Tools",
        "A discount: Seats at 15 % off have a price of their own, 42.50 a month.",
        activated="2026-05-20T10:00",
        start="2026-06-01",
        lines=[Line(product=products.seat, quantity=9, discount=15)],
    )
    desk.sell(
        "Bramble Farms",
        "A block price: 40 units of storage for 900.00 a year in all, whatever the quantity says.",
        activated="2026-07-20T10:00",
        start="2026-08-01",
        lines=[Line(product=products.storage, quantity=40, block_price=900)],
    )
    desk.sell(
        "Cobalt Mining",
        "A percentage of the total: Success Plan costs 20 % of the seats.",
        activated="2026-07-27T10:00",
        start="2026-08-01",
        lines=[Line(product=products.seat, quantity=10), Line(product=products.success)],
    )
    desk.sell(
        "Dovetail Joinery",
        "A bundle: The options of the suite are included at no charge, and stay visible.",
        activated="2026-08-20T10:00",
        start="2026-09-01",
        lines=[
            Line(product=products.suite, quantity=2),
            Line(product=products.mobile, quantity=2, bundled=True, required_by=0),
            Line(product=products.connectors, quantity=2, bundled=True, required_by=0),
        ],
    )
    desk.sell(
        "Elm Street Dental",
        "A line we do not bill: One seat is marked to be skipped, the other ten are billed.",
        activated="2026-09-21T10:00",
        start="2026-10-01",
        lines=[
            Line(product=products.seat, quantity=10),
            Line(product=products.seat, fields={"Skip_Line_Item__c": True}),
        ],
    )


def sell_currencies(desk: Desk) -> None:
    """Sell in currencies with two, no and three decimals, and without a payment term."""
    products = desk.products
    desk.sell(
        "Alster Verlag",
        "Euros: The same seats, priced in EUR.",
        activated="2026-09-17T07:00",
        start="2026-10-01",
        lines=[Line(product=products.seat, quantity=20)],
        currency="EUR",
    )
    desk.sell(
        "Kaito Robotics",
        "Yen: A currency without decimals, 1,440 a year is 120 a month.",
        activated="2026-09-24T02:00",
        start="2026-10-01",
        lines=[Line(product=products.archive, quantity=3), Line(product=products.seat)],
        currency="JPY",
    )
    desk.sell(
        "Dana Petroleum",
        "Dinars: A currency with three decimals, 15.370 a seat and month.",
        activated="2026-09-24T06:00",
        start="2026-10-01",
        lines=[Line(product=products.seat, quantity=11), Line(product=products.onboarding)],
        currency="KWD",
    )
    desk.sell(
        "Flint and Fern",
        "Charged automatically: No payment term, so the card on file is charged. No opportunity either.",
        activated="2026-10-26T10:00",
        start="2026-11-01",
        lines=[Line(product=products.enterprise_seat, quantity=2)],
        payment_term=None,
        with_opportunity=False,
    )
