"""Sample contracts that change while they run: more, fewer, other products, on any day and in any order."""

from cpqbridge_sim.salesforce.cpq.model import Change, Line
from cpqbridge_sim.salesforce.cpq.sample_desk import Desk, day


def stack_changes(desk: Desk) -> None:
    """Amend contracts several times over."""
    seats = [Line(product=desk.products.seat, quantity=10)]
    aster = desk.sell(
        "Aster Robotics",
        "Seats in three steps: Ten seats, two more in May, five more in July; see what is given back.",
        activated="2026-02-24T10:00",
        start="2026-03-01",
        lines=seats,
    )
    desk.change_seats(
        aster,
        "Second step: Two seats more on a monthly boundary.",
        activated="2026-04-28T10:00",
        start="2026-05-01",
        by=2,
    )
    desk.change_seats(
        aster,
        "Third step: Five seats more in the middle of a month.",
        activated="2026-07-13T10:00",
        start="2026-07-15",
        by=5,
    )
    desk.change_seats(
        aster,
        "Six fewer over two additions: All five of July and one of May, an order line each, newest first.",
        activated="2026-09-29T10:00",
        start="2026-10-01",
        by=-6,
    )
    birch = desk.sell(
        "Birch Hotels",
        "Two changes on one day: Three more in the morning, one fewer in the afternoon.",
        activated="2026-04-27T10:00",
        start="2026-05-01",
        lines=seats,
    )
    desk.change_seats(
        birch,
        "In the morning: Three seats more, from this very day.",
        activated="2026-08-10T07:30",
        start="2026-08-10",
        by=3,
    )
    desk.change_seats(
        birch,
        "In the afternoon: One seat fewer, from the same day.",
        activated="2026-08-10T14:10",
        start="2026-08-10",
        by=-1,
    )
    heather = desk.sell(
        "Heather Clinics",
        "Changed at month ends: Anchored on the 31st, so its months end on different days.",
        activated="2026-01-29T10:00",
        start="2026-01-31",
        lines=seats,
    )
    desk.change_seats(
        heather,
        "More on 30 March: One day before the month's boundary.",
        activated="2026-03-27T10:00",
        start="2026-03-30",
        by=2,
    )
    desk.change_seats(
        heather,
        "Fewer on 31 August: Exactly on a boundary.",
        activated="2026-08-28T10:00",
        start="2026-08-31",
        by=-1,
    )


def change_late_and_ahead(desk: Desk) -> None:
    """Activate amendments long before or after they take effect, and out of order."""
    seats = [Line(product=desk.products.seat, quantity=10)]
    cypress = desk.sell(
        "Cypress Labs",
        "Changes out of order: The change for December is signed before the one for October.",
        activated="2026-05-27T10:00",
        start="2026-06-01",
        lines=seats,
    )
    desk.change_seats(
        cypress,
        "For December, signed in September: Four seats more, known three months ahead.",
        activated="2026-09-10T10:00",
        start="2026-12-10",
        by=4,
    )
    desk.change_seats(
        cypress,
        "For October, signed in October: Two seats fewer, before the change that was signed first.",
        activated="2026-10-05T10:00",
        start="2026-10-10",
        by=-2,
    )
    dahlia = desk.sell(
        "Dahlia Care",
        "More seats, signed late: They are in use from 13 June, the order is activated on 20 July.",
        activated="2026-01-28T10:00",
        start="2026-02-01",
        lines=seats,
    )
    desk.change_seats(
        dahlia,
        "Five weeks late: The elapsed time is one amount, then the seats are billed monthly.",
        activated="2026-07-20T10:00",
        start="2026-06-13",
        by=2,
    )
    elder = desk.sell(
        "Elder Shipping",
        "Fewer seats, signed late: Given back on 10 June, the order is activated on 15 September.",
        activated="2026-03-25T10:00",
        start="2026-04-01",
        lines=seats,
    )
    desk.change_seats(
        elder,
        "Given back months ago: What was billed since is a credit.",
        activated="2026-09-15T10:00",
        start="2026-06-10",
        by=-4,
    )
    fir = desk.sell(
        "Fir Dynamics",
        "A change of a change to come: Both amendments take effect on 10 January 2027.",
        activated="2026-07-28T10:00",
        start="2026-08-01",
        lines=seats,
    )
    desk.change_seats(
        fir,
        "Planned for January: Five seats more from the 10th.",
        activated="2026-10-12T10:00",
        start="2027-01-10",
        by=5,
    )
    desk.change_seats(
        fir,
        "Planned anew for the same day: Two of the five are not wanted after all.",
        activated="2026-11-11T10:00",
        start="2027-01-10",
        by=-2,
    )
    iris = desk.sell(
        "Iris Telecom",
        "Changed before it began: The contract starts in February 2027.",
        activated="2026-10-20T10:00",
        start="2027-02-15",
        lines=seats,
    )
    desk.change_seats(
        iris,
        "Five more from the start: Nothing was billed yet.",
        activated="2026-11-03T10:00",
        start="2027-02-15",
        by=5,
    )


def change_other_frequencies(desk: Desk) -> None:
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


def change_products(desk: Desk) -> None:
    """Swap products, add some for a while, and give one-time things back."""
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
