"""Sample contracts with usage, tiers, coupons, mixed frequencies and prices of their own."""

from decimal import Decimal

from cpqbridge_sim.salesforce.cpq.model import Change, Line, Product, Tier, UsageSchedule
from cpqbridge_sim.salesforce.cpq.sample_desk import Desk, day


def sell_usage(desk: Desk) -> None:
    """Sell usage and quantities that are priced by consumption schedules of every kind."""
    products = desk.products
    messages = _usage(
        desk,
        "Messages",
        UsageSchedule(
            kind="Range",
            unit="Message",
            is_copied=False,
            tiers=(
                Tier(lower=1, upper=1_000, price=Decimal("0.05")),
                Tier(lower=1_001, upper=None, price=Decimal("0.04")),
            ),
        ),
    )
    desk.sell(
        "Kapok Mobile",
        "Usage by the whole volume: Only the product has the schedule; order products have no copy.",
        activated="2026-08-27T11:00",
        start="2026-09-01",
        lines=[Line(product=messages)],
    )
    energy = _usage(
        desk,
        "Energy",
        UsageSchedule(
            unit="kWh",
            tiers=(
                Tier(lower=1, upper=500, price=Decimal(90), method="FlatFee"),
                Tier(lower=501, upper=None, price=Decimal("0.18")),
            ),
        ),
    )
    desk.sell(
        "Linden Energy",
        "Usage with a flat fee: 90.00 for up to 500 units, then 0.18 each, beside two seats.",
        activated="2026-09-28T11:00",
        start="2026-10-01",
        lines=[Line(product=energy), Line(product=products.seat, quantity=2)],
    )
    plain = desk.cpq.product("Page Views", billing_type="Arrears", charge_type="Usage", default_term=1)
    desk.cpq.price(plain, "0.05")
    desk.sell(
        "Nettle Messaging",
        "Usage at one price: 0.05 a page view, without any tiers.",
        activated="2026-09-29T11:00",
        start="2026-10-01",
        lines=[Line(product=plain)],
    )
    licences = _licences(desk)
    maple = desk.sell(
        "Maple Prints",
        "Licences by volume: Twenty at 40.00, the price of the tier they reach.",
        activated="2026-07-29T11:00",
        start="2026-08-01",
        lines=[Line(product=licences, quantity=20, price=40)],
    )
    desk.amend(
        maple,
        "Licences by volume, five more: They join the same tiers on 1 October.",
        activated="2026-09-30T11:00",
        start="2026-10-01",
        changes=[Change(line=maple.lines[0], by=5)],
    )


def _usage(desk: Desk, name: str, schedule: UsageSchedule) -> Product:
    product = desk.cpq.product(
        name,
        billing_type="Arrears",
        charge_type="Usage",
        default_term=1,
        unit=schedule.unit,
        usage=schedule,
    )
    desk.cpq.price(product, 0)
    return product


def _licences(desk: Desk) -> Product:
    tiers = (
        Tier(lower=1, upper=10, price=Decimal(50)),
        Tier(lower=11, upper=None, price=Decimal(40)),
    )
    product = desk.cpq.product(
        "Licences", default_term=1, usage=UsageSchedule(kind="Range", unit="Licence", tiers=tiers)
    )
    desk.cpq.price(product, 50)
    return product


def sell_coupons_and_mixtures(desk: Desk) -> None:
    """Sell coupons through amendments, lines of several frequencies that change, and odd prices."""
    _sell_coupons(desk)
    _sell_mixtures(desk)


def _sell_coupons(desk: Desk) -> None:
    """Sell a percentage for ever, also of what is added later, and an amount for some months."""
    products = desk.products
    loyal = desk.cpq.coupon(Name="Loyal customer", Percent_Off__c=10, Duration__c="forever")
    olive = desk.sell(
        "Olive Hotels",
        "A coupon for ever: Ten percent off everything; see the amendment.",
        activated="2026-05-26T10:00",
        start="2026-06-01",
        lines=[Line(product=products.seat, quantity=10)],
        coupons=(loyal,),
    )
    desk.amend(
        olive,
        "More under a coupon: Three seats from 10 September are ten percent cheaper too.",
        activated="2026-09-08T10:00",
        start="2026-09-10",
        changes=[Change(line=olive.lines[0], by=3)],
    )
    welcome = desk.cpq.coupon(
        Name="Willkommen",
        Amount_Off__c=15,
        Currency__c="EUR",
        Duration__c="repeating",
        Duration_In_Months__c=6,
    )
    desk.sell(
        "Pappel Schulen",
        "A coupon of an amount: 15.00 euros off one line for six months.",
        activated="2026-09-23T07:00",
        start="2026-10-01",
        lines=[Line(product=products.seat, quantity=4, coupons=(welcome,))],
        currency="EUR",
    )


def _sell_mixtures(desk: Desk) -> None:
    """Sell lines of three frequencies, a price in a field of its own, and a bundle, and change them."""
    products = desk.products
    rosewood = desk.sell(
        "Rosewood Media",
        "Mixed frequencies that change: Seats by the month, reports by the quarter, support by the year.",
        activated="2026-03-30T11:00",
        start="2026-04-01",
        lines=[
            Line(product=products.seat, quantity=10),
            Line(product=products.reports),
            Line(product=products.support),
        ],
    )
    desk.amend(
        rosewood,
        "Mixed frequencies, more of all: On 20 August, inside every period.",
        activated="2026-08-19T11:00",
        start="2026-08-20",
        changes=[Change(line=line, by=1) for line in rosewood.lines],
    )
    desk.sell(
        "Spruce Foundry",
        "A price in a field of its own: Billing Price holds 47.50, for connections that map it.",
        activated="2026-09-30T10:00",
        start="2026-10-01",
        lines=[
            Line(product=products.seat, quantity=6, fields={"Billing_Price__c": Decimal("47.5")}),
        ],
    )
    teak = desk.sell(
        "Teak Travel",
        "A bundle that changes: A suite with its options, and success at a fifth of it.",
        activated="2026-06-26T10:00",
        start="2026-07-01",
        lines=[
            Line(product=products.suite, quantity=3),
            Line(product=products.mobile, quantity=3, required_by=0),
            Line(product=products.success, covers=(0, 1)),
        ],
        end=day("2027-06-30"),
    )
    desk.amend(
        teak,
        "A bundle, one fewer: The suite and its option shrink, success stays as it was sold.",
        activated="2026-09-29T10:00",
        start="2026-10-01",
        changes=[Change(line=line, by=-1) for line in teak.lines[:2]],
    )
