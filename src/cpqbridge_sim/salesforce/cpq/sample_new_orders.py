"""Sample orders that start a contract and go through: the kinds of the first release."""

from cpqbridge_sim.salesforce.cpq.model import Line
from cpqbridge_sim.salesforce.cpq.quoting import BY_END_DATE
from cpqbridge_sim.salesforce.cpq.sample_desk import Desk, day


def sell_starts(desk: Desk) -> None:
    """Sell seats that differ in when they start and when the order was activated."""
    seats = [Line(product=desk.products.seat, quantity=10)]
    desk.sell(
        "Baden Trading",
        "Ten seats for a year: The plain case. 10 seats at 50.00 a month, activated before it starts.",
        activated="2026-01-28T15:04:05",
        start="2026-02-01",
        lines=seats,
    )
    desk.sell(
        "Quince Analytics",
        "Activated on its start day: Activated hours after the midnight at which the first month began.",
        activated="2026-11-02T14:30",
        start="2026-11-02",
        lines=seats,
    )
    desk.sell(
        "Harbour Logistics",
        "Starts next year: Activated weeks ahead, nothing is due before 1 January.",
        activated="2026-11-10T10:15",
        start="2027-01-01",
        lines=seats,
    )
    desk.sell(
        "Ostrava Steel",
        "Signed late: Activated three and a half months after its start, elapsed months are billed once.",
        activated="2026-10-15T08:45",
        start="2026-07-01",
        lines=[Line(product=desk.products.seat, quantity=4)],
    )
    desk.sell(
        "Pomelo Media",
        "Signed late, past months waived: Skip Past Initial Invoices is set, so billing begins now.",
        activated="2026-10-15T09:20",
        start="2026-07-01",
        lines=[Line(product=desk.products.seat, quantity=4)],
        fields={"Skip_Past_Initial_Invoices__c": True},
    )
    desk.sell(
        "Kestrel Aviation",
        "Anchored at the end of a month: Starts on 31 January, so February bills on the 28th.",
        activated="2026-01-29T11:00",
        start="2026-01-31",
        lines=[Line(product=desk.products.seat, quantity=6)],
    )
    desk.sell(
        "Lyre Instruments",
        "Starts on 24 February: Every period begins on the 24th, also after the short month.",
        activated="2026-02-20T16:10",
        start="2026-02-24",
        lines=[Line(product=desk.products.seat, quantity=3)],
    )
    desk.sell(
        "Almanac Press",
        "Starts on a leap day: From 29 February 2028; shorter months bill on their last day.",
        activated="2026-11-12T13:00",
        start="2028-02-29",
        lines=[Line(product=desk.products.seat, quantity=2)],
    )


def sell_frequencies(desk: Desk) -> None:
    """Sell every billing frequency, on price terms of the same and of other lengths."""
    products = desk.products
    desk.sell(
        "Fennel Foods",
        "Billed by the quarter: List price for three months, billed every three months.",
        activated="2026-03-30T09:00",
        start="2026-04-01",
        lines=[Line(product=products.reports, quantity=2)],
    )
    desk.sell(
        "Grove Pharmacy",
        "Yearly price, billed by the quarter: 120.00 a year over two years is 30.00 a quarter.",
        activated="2026-04-14T12:00",
        start="2026-04-15",
        lines=[Line(product=products.analytics, quantity=5)],
        term=24,
    )
    desk.sell(
        "Ibex Outdoor",
        "Billed twice a year: 100.00 a year over two years is 50.00 each half year.",
        activated="2026-05-29T17:30",
        start="2026-06-01",
        lines=[Line(product=products.audit, quantity=8)],
        term=24,
    )
    desk.sell(
        "Juniper Legal",
        "Billed once a year: Two yearly lines, one of them with a blank default term, which means twelve.",
        activated="2026-08-27T10:05",
        start="2026-09-01",
        lines=[Line(product=products.support), Line(product=products.insurance, quantity=3)],
        payment_term="Net 60",
    )
    desk.sell(
        "Mosaic Travel",
        "Monthly price, billed yearly: Seats at 50.00 a month, invoiced as 600.00 once a year.",
        activated="2026-09-30T08:00",
        start="2026-10-01",
        lines=[Line(product=products.seat, quantity=12, frequency="Annual")],
    )
    desk.sell(
        "Nutmeg Studio",
        "Yearly price, billed monthly: 100.00 a year is 8.333… a month; the year adds up to 100.00.",
        activated="2026-06-25T14:00",
        start="2026-07-01",
        lines=[Line(product=products.archive)],
    )
    desk.sell(
        "Orchard Schools",
        "Three years: Thirty-six months of seats at 20 % off, billed yearly.",
        activated="2026-08-10T09:00",
        start="2026-08-15",
        lines=[Line(product=products.seat, quantity=100, discount=20, frequency="Annual")],
        term=36,
        payment_term="Net 45",
    )


def sell_one_time(desk: Desk) -> None:
    """Sell things that are billed once, alone and beside subscriptions."""
    products = desk.products
    desk.sell(
        "Palette Paints",
        "Only one-time lines: Onboarding and two training days on one invoice, no subscription.",
        activated="2026-10-19T10:00",
        start="2026-10-20",
        lines=[Line(product=products.onboarding), Line(product=products.training, quantity=2)],
    )
    desk.sell(
        "Quarry Stone",
        "Onboarding beside seats: The one-time line is on the first invoice of the subscription.",
        activated="2026-09-28T15:45",
        start="2026-10-01",
        lines=[Line(product=products.seat, quantity=5), Line(product=products.onboarding)],
    )
    desk.sell(
        "Rowan Energy",
        "A goodwill credit: A negative one-time line takes 200.00 off the first invoice.",
        activated="2026-10-29T11:11",
        start="2026-11-01",
        lines=[
            Line(product=products.seat, quantity=10),
            Line(product=products.goodwill, price=-200),
        ],
    )
    desk.sell(
        "Umbra Lighting",
        "Training before the seats: The one-time line starts a month before any subscription does.",
        activated="2026-09-10T09:30",
        start="2026-10-15",
        lines=[
            Line(product=products.seat, quantity=7),
            Line(product=products.training, start=day("2026-09-15")),
        ],
    )


def sell_own_dates(desk: Desk) -> None:
    """Sell lines that start or end on other days than their contract."""
    products = desk.products
    desk.sell(
        "Saffron Hotels",
        "Season seats on whole months: Five more seats from April to September of a calendar year.",
        activated="2025-12-18T10:00",
        start="2026-01-01",
        lines=[
            Line(product=products.seat, quantity=10),
            Line(product=products.seat, quantity=5, start=day("2026-04-01"), end=day("2026-09-30")),
        ],
    )
    desk.sell(
        "Tundra Research",
        "Lines off the monthly boundary: Seats from 13 May, and from February to 20 October.",
        activated="2026-01-27T10:00",
        start="2026-02-01",
        lines=[
            Line(product=products.seat, quantity=10),
            Line(product=products.seat, quantity=2, start=day("2026-05-13")),
            Line(product=products.enterprise_seat, quantity=3, end=day("2026-10-20")),
        ],
        end=day("2027-01-31"),
    )
    desk.sell(
        "Vellum Books",
        "A part of a month at the end: Ends on 20 January, so the last twenty days are their own charge.",
        activated="2026-02-26T10:00",
        start="2026-03-01",
        lines=[Line(product=products.seat, quantity=8)],
        end=day("2027-01-20"),
    )
    desk.sell(
        "Wicker Events",
        "A fair of two weeks: Thirty extra seats from 10 to 25 September lie inside one monthly period.",
        activated="2026-08-28T10:00",
        start="2026-09-01",
        lines=[
            Line(product=products.seat, quantity=4),
            Line(product=products.seat, quantity=30, start=day("2026-09-10"), end=day("2026-09-25")),
        ],
    )
    desk.sell(
        "Xylem Water",
        "A yearly line that joins later: Support bills yearly and starts three months into the contract.",
        activated="2026-03-12T10:00",
        start="2026-03-15",
        lines=[
            Line(product=products.insurance, quantity=2),
            Line(product=products.support, start=day("2026-06-15"), end=day("2027-06-14")),
        ],
        term=24,
    )


def sell_into_several_contracts(desk: Desk) -> None:
    """Sell what CPQ splits: one order into two contracts, one quote into two orders."""
    products = desk.products
    desk.sell(
        "Yarrow Clinics",
        "Two contracts from one order: Lines that end on different days are contracted apart.",
        activated="2026-04-28T10:00",
        start="2026-05-01",
        lines=[
            Line(product=products.seat, quantity=6),
            Line(product=products.enterprise_seat, quantity=2, end=day("2026-10-31")),
        ],
        contracting_method=BY_END_DATE,
    )
    desk.sell_in_two_orders(
        "Cedar Publishing",
        "Two orders from one quote: Seats are ordered first, support a week later, from the same day on.",
        activated=("2026-08-25T10:00", "2026-09-01T10:00"),
        start="2026-09-01",
        lines=[Line(product=products.seat, quantity=6), Line(product=products.archive, quantity=2)],
    )
