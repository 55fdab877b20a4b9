"""Sample orders that cannot be billed as they are: each says what a person has to put right."""

from decimal import Decimal

from cpqbridge_sim.salesforce.cpq.model import Line
from cpqbridge_sim.salesforce.cpq.sample_desk import Desk, instant


def leave_unfinished(desk: Desk) -> None:
    """Leave orders that are not activated, or not in all their lines."""
    seats = [Line(product=desk.products.seat, quantity=10)]
    desk.draft(
        "Sable Fashion",
        "A draft: Not activated yet, so nothing happens; its preview can be looked at.",
        start="2026-12-01",
        lines=seats,
    )
    order = desk.draft(
        "Tamarind Kitchens",
        "A line left behind: The order is activated, its second line is not.",
        start="2026-11-01",
        lines=[*seats, Line(product=desk.products.enterprise_seat)],
    )
    desk.cpq.activate(order, at=instant("2026-10-28T10:00"), without=order.lines[1:])


def sell_with_wrong_headers(desk: Desk) -> None:
    """Sell orders of which the order itself, or its customer, has to be put right."""
    seats = [Line(product=desk.products.seat, quantity=10)]
    native = desk.draft(
        "Ulmus Gardens",
        "No CPQ quote: The order has lost its quote, as one made by hand in the Orders tab has none.",
        start="2026-11-01",
        lines=seats,
        fields={"SBQQ__Quote__c": None},
        with_opportunity=False,
    )
    desk.cpq.activate(native, at=instant("2026-10-27T10:00"))
    desk.sell(
        "Vesper Theatre",
        "A payment term nobody knows: It says Due on Receipt (old).",
        activated="2026-10-27T11:00",
        start="2026-11-01",
        lines=seats,
        payment_term="Due on Receipt (old)",
    )
    desk.sell(
        desk.account("Xenon Lamps", has_email=False),
        "No e-mail address: Invoices are to be sent, and nobody to send them to is known.",
        activated="2026-10-27T13:00",
        start="2026-11-01",
        lines=seats,
    )


def sell_with_wrong_lines(desk: Desk) -> None:
    """Sell orders with a line that has to be put right."""
    products = desk.products
    desk.sell(
        "Willow Textiles",
        "Half a seat: A quantity of 2.5 cannot be a quantity in Stripe.",
        activated="2026-10-27T12:00",
        start="2026-11-01",
        lines=[Line(product=products.seat, quantity=Decimal("2.5"))],
    )
    desk.sell(
        "Yonder Tours",
        "An unknown billing frequency: The line says Weekly.",
        activated="2026-10-27T14:00",
        start="2026-11-01",
        lines=[Line(product=products.seat, quantity=10, frequency="Weekly")],
    )
    desk.sell(
        "Zinc Roofing",
        "A subscription with a negative price: Only one-time lines can be credits.",
        activated="2026-10-27T15:00",
        start="2026-11-01",
        lines=[Line(product=products.seat), Line(product=products.archive, price=-120)],
    )
