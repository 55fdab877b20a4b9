"""Sample contracts that change while they run: other periods, other products, lines with own dates."""

from cpqbridge_sim.salesforce.cpq.model import Change, Line
from cpqbridge_sim.salesforce.cpq.sample_desk import Desk, day


def change_longer_periods(desk: Desk) -> None:
    """Amend lines that are billed by the quarter, half year and year."""
    products = desk.products
    jasmine = desk.sell(
        "Jasmine Retail",
        "Quarterly reports, more and fewer: Their changes lie inside quarters.",
        activated="2026-03-10T10:00",
        start="2026-03-15",
        lines=[Line(product=products.reports, quantity=4)],
    )
    desk.change_first_line(
        jasmine,
        "Two reports more: On 20 May, inside a quarter.",
        activated="2026-05-18T10:00",
        start="2026-05-20",
        by=2,
    )
    desk.change_first_line(
        jasmine,
        "Three reports fewer: On 1 August, inside the next quarter.",
        activated="2026-07-30T10:00",
        start="2026-08-01",
        by=-3,
    )
    kale = desk.sell(
        "Kale Kitchens",
        "Audits twice a year, more of them: Eight for two years, four more in June.",
        activated="2026-01-29T10:00",
        start="2026-02-01",
        lines=[Line(product=products.audit, quantity=8)],
        term=24,
    )
    desk.change_first_line(
        kale,
        "Four audits more: Seven weeks before the next half year.",
        activated="2026-06-08T10:00",
        start="2026-06-10",
        by=4,
    )
    linden = desk.sell(
        "Linden School",
        "Yearly support, cut in the year: The year is paid when one of two is given back.",
        activated="2026-01-28T10:00",
        start="2026-02-01",
        lines=[Line(product=products.support, quantity=2)],
        term=24,
    )
    desk.change_first_line(
        linden,
        "One support fewer: Its credit is a credit note, the next invoice is far away.",
        activated="2026-08-18T10:00",
        start="2026-08-20",
        by=-1,
    )
    desk.amend(
        linden,
        "Another support with a year of its own: Whole years from 1 October, off the contract's anchor.",
        activated="2026-09-28T10:00",
        start="2026-10-01",
        changes=[Line(product=products.support, end=day("2027-09-30"))],
    )


def change_small_units(desk: Desk) -> None:
    """Amend lines whose month has no whole price, and a currency without decimals."""
    products = desk.products
    moss = desk.sell(
        "Moss Gardens",
        "Yearly price, billed monthly, more of it: 8.333… a month and a part of a month.",
        activated="2026-04-28T10:00",
        start="2026-05-01",
        lines=[Line(product=products.archive, quantity=3)],
    )
    desk.change_first_line(
        moss,
        "Two archives more: On 19 September, the 1st is the boundary.",
        activated="2026-09-17T10:00",
        start="2026-09-19",
        by=2,
    )
    osaka = desk.sell(
        "Osaka Denki",
        "Yen, more and fewer: A currency without decimals, changed inside months.",
        activated="2026-04-23T02:00",
        start="2026-05-01",
        lines=[Line(product=products.seat, quantity=12)],
        currency="JPY",
    )
    desk.change_seats(
        osaka,
        "Seven more in yen: On 17 July, in whole yen.",
        activated="2026-07-14T02:00",
        start="2026-07-17",
        by=7,
    )
    desk.change_seats(
        osaka,
        "Nine fewer in yen: On 5 November, more than July added.",
        activated="2026-11-02T02:00",
        start="2026-11-05",
        by=-9,
    )


def swap_products(desk: Desk) -> None:
    """Swap products by one order and by two."""
    products = desk.products
    reed = desk.sell(
        "Reed Software",
        "Seats, swapped inside a month: Charge and credit of one order are on one invoice.",
        activated="2026-05-27T10:00",
        start="2026-06-01",
        lines=[Line(product=products.seat, quantity=10)],
    )
    desk.amend(
        reed,
        "To enterprise seats: On 18 September ten seats become eight enterprise seats.",
        activated="2026-09-16T10:00",
        start="2026-09-18",
        changes=[
            Change(line=reed.lines[0], by=-10),
            Line(product=products.enterprise_seat, quantity=8, discount=10),
        ],
    )
    sage = desk.sell(
        "Sage Consulting",
        "A swap to something cheaper: The sum is negative, so it is a credit.",
        activated="2026-05-28T10:00",
        start="2026-06-01",
        lines=[Line(product=products.enterprise_seat, quantity=10)],
    )
    # Two orders of one day make one swap, which is no termination.
    desk.amend(
        sage,
        "Out, as the first of two orders: All enterprise seats end on 12 October.",
        activated="2026-10-09T10:00",
        start="2026-10-12",
        changes=[Change(line=sage.lines[0], by=-10)],
    )
    desk.amend(
        sage,
        "In, as the second of two orders: Ten plain seats from 12 October.",
        activated="2026-10-09T11:00",
        start="2026-10-12",
        changes=[Line(product=products.seat, quantity=10)],
    )


def add_and_give_back(desk: Desk) -> None:
    """Add lines with dates of their own, give one-time things back, and enlarge a block."""
    products = desk.products
    gorse = desk.sell(
        "Gorse Film",
        "Extras with dates of their own: For six weeks, and beyond the contract's end.",
        activated="2026-03-26T10:00",
        start="2026-04-01",
        lines=[Line(product=products.seat, quantity=5)],
    )
    desk.amend(
        gorse,
        "Ten seats for a shooting: From 10 September to 25 October, and archive until August 2027.",
        activated="2026-09-07T10:00",
        start="2026-09-10",
        changes=[
            Line(product=products.seat, quantity=10, end=day("2026-10-25")),
            Line(product=products.archive, end=day("2027-08-31")),
        ],
    )
    poppy = desk.sell(
        "Poppy Security",
        "Readers that go back: One-time lines whose product allows a refund.",
        activated="2026-06-24T10:00",
        start="2026-07-01",
        lines=[Line(product=products.seat, quantity=6), Line(product=products.reader, quantity=4)],
    )
    desk.amend(
        poppy,
        "One reader back, two training days more: A credit and a charge on one day.",
        activated="2026-09-21T10:00",
        start="2026-09-22",
        changes=[
            Change(line=poppy.lines[1], by=-1),
            Line(product=products.training, quantity=2),
        ],
    )
    block = desk.sell(
        "Quartz Media",
        "A block that grows: Blocks are not changed in part, the old one ends and a larger one begins.",
        activated="2026-07-22T10:00",
        start="2026-08-01",
        lines=[Line(product=products.storage, quantity=40, block_price=900)],
    )
    desk.amend(
        block,
        "A larger block: 100 units for 1,800.00 a year from 1 November.",
        activated="2026-10-28T10:00",
        start="2026-11-01",
        changes=[
            Change(line=block.lines[0], by=-40),
            Line(product=products.storage, quantity=100, block_price=1800),
        ],
    )
