"""Sample contracts that change by plan, and those without an end: ramps of every kind, evergreen."""

from cpqbridge_sim.salesforce.cpq.model import Change, Line
from cpqbridge_sim.salesforce.cpq.sample_desk import Desk, day


def sell_ramps(desk: Desk) -> None:
    """Sell ramps by the quarter, the month, own dates and years, beside other lines and amended."""
    _sell_short_segments(desk)
    _sell_long_segments(desk)
    _change_ramps(desk)


def _sell_short_segments(desk: Desk) -> None:
    """Sell ramps whose segments are shorter than a year."""
    products = desk.products
    desk.sell(
        "Alder Clinics",
        "A ramp by the quarter: Seats for a year, five more with each quarter.",
        activated="2026-06-24T10:00",
        start="2026-07-01",
        lines=desk.cpq.ramp(
            products.seat,
            start=day("2026-07-01"),
            kind="Quarter",
            segments=[(5, 50), (10, 50), (15, 48), (20, 45)],
        ),
    )
    desk.sell(
        "Birch Logistics",
        "A ramp by the month: Twelve segments, more than a schedule holds at once.",
        activated="2026-08-26T10:00",
        start="2026-09-01",
        lines=desk.cpq.ramp(
            products.seat,
            start=day("2026-09-01"),
            kind="Month",
            segments=[(4 + month, 50) for month in range(12)],
        ),
    )
    desk.sell(
        "Cypress Labs",
        "A ramp with dates of its own: Three seasons beside support, and one of them inside a month.",
        activated="2026-04-27T10:00",
        start="2026-05-01",
        lines=[
            *desk.cpq.custom_ramp(
                products.seat,
                [
                    (day("2026-05-01"), day("2026-08-31"), 10, 50),
                    (day("2026-09-01"), day("2027-01-15"), 25, 45),
                    (day("2027-01-16"), day("2027-04-30"), 15, 45),
                ],
            ),
            Line(product=products.support),
        ],
    )


def _sell_long_segments(desk: Desk) -> None:
    """Sell ramps by the year: with a part charged once, with a short last year, in yen."""
    products = desk.products
    desk.sell(
        "Damson Foods",
        "A ramp with a part that is charged once: The first year begins with a fee of 500.00.",
        activated="2026-09-24T10:00",
        start="2026-10-01",
        lines=desk.cpq.ramp(
            products.growth, start=day("2026-10-01"), segments=[(5, 1000), (8, 1000)], once=(1, 500)
        ),
        term=24,
    )
    desk.sell(
        "Fir Shipping",
        "A ramp over 39 months: The fourth year has three months only.",
        activated="2026-07-28T10:00",
        start="2026-08-01",
        lines=desk.cpq.ramp(
            products.archive,
            start=day("2026-08-01"),
            end=day("2029-10-31"),
            segments=[(10, 100), (12, 100), (14, 100), (16, 100)],
        ),
        term=39,
    )
    desk.sell(
        "Tupelo Motors",
        "A ramp in yen: Seats by the year, in a currency without decimals.",
        activated="2026-09-28T02:00",
        start="2026-10-01",
        lines=desk.cpq.ramp(
            products.seat, start=day("2026-10-01"), segments=[(3, 7200), (6, 6900)], kind="Year"
        ),
        term=24,
        currency="JPY",
    )


def _change_ramps(desk: Desk) -> None:
    """Sell two ramps in one order, change every segment to come, and end another ramp."""
    products = desk.products
    start = day("2026-03-01")
    elder = desk.sell(
        "Elder Housing",
        "Two ramps beside seats: Seats by the year, archives by the year, and three more seats.",
        activated="2026-02-24T10:00",
        start="2026-03-01",
        lines=[
            *desk.cpq.ramp(products.enterprise_seat, start=start, segments=[(10, 80), (20, 76)]),
            *desk.cpq.ramp(products.archive, start=start, segments=[(2, 100), (4, 100)]),
            Line(product=products.seat, quantity=3),
        ],
        term=24,
    )
    desk.amend(
        elder,
        "All segments at once: Five more in the year that runs from 1 September, and in the next.",
        activated="2026-08-27T10:00",
        start="2026-09-01",
        changes=[Change(line=elder.lines[0], by=5), Change(line=elder.lines[1], by=5)],
    )
    desk.amend(
        elder,
        "A training day beside ramps: One-time, and two archives fewer in the second year.",
        activated="2026-10-14T10:00",
        start="2026-10-15",
        changes=[Change(line=elder.lines[3], by=-2), Line(product=products.training)],
    )
    gorse = desk.sell(
        "Gorse Insurance",
        "A ramp that is cancelled: Two years planned, the customer leaves in the first.",
        activated="2026-03-30T10:00",
        start="2026-04-01",
        lines=desk.cpq.ramp(
            products.seat, start=day("2026-04-01"), segments=[(10, 50), (15, 50)], kind="Year"
        ),
        term=24,
    )
    desk.terminate(
        gorse,
        "The end of a ramp: The running year ends on 1 November, the next one never begins.",
        activated="2026-10-28T10:00",
        at="2026-11-01",
    )


def sell_endlessly(desk: Desk) -> None:
    """Sell evergreen subscriptions that grow, shrink and end, beside a term and after it began."""
    products = desk.products
    ginkgo = desk.sell(
        "Ginkgo Games",
        "Evergreen that changes: Ten workspaces month by month.",
        activated="2026-05-28T10:00",
        start="2026-06-01",
        lines=[Line(product=products.workspace, quantity=10)],
    )
    desk.amend(
        ginkgo,
        "Evergreen, three more inside a month: From 12 August, off the monthly boundary.",
        activated="2026-08-10T10:00",
        start="2026-08-12",
        changes=[Change(line=ginkgo.lines[0], by=3)],
    )
    desk.amend(
        ginkgo,
        "Evergreen, four fewer: From 1 November, on a monthly boundary.",
        activated="2026-10-29T10:00",
        start="2026-11-01",
        changes=[Change(line=ginkgo.lines[0], by=-4)],
    )
    hazel = desk.sell(
        "Hazel Films",
        "Evergreen, cancelled later: Workspaces that nobody needs any more after summer.",
        activated="2026-04-13T10:00",
        start="2026-04-15",
        lines=[Line(product=products.workspace, quantity=4)],
    )
    desk.terminate(
        hazel,
        "Evergreen, brought to zero: Everything ends on 20 September.",
        activated="2026-09-18T10:00",
        at="2026-09-20",
    )
    iris = desk.sell(
        "Iris Optical",
        "A term that gets an evergreen line: Seats for a year; see the two amendments.",
        activated="2026-06-29T10:00",
        start="2026-07-01",
        lines=[Line(product=products.seat, quantity=8)],
    )
    added = desk.amend(
        iris,
        "Evergreen added to a term: Workspaces come with a contract of their own.",
        activated="2026-08-28T10:00",
        start="2026-09-01",
        changes=[Line(product=products.workspace, quantity=2)],
    )
    desk.amend(
        added.contracts[1],
        "More of what was added: The contract that the amendment made has an amendment itself.",
        activated="2026-10-30T10:00",
        start="2026-11-01",
        changes=[Change(line=added.lines[-1], by=1)],
    )
    desk.sell(
        "Jasmine Spa",
        "Evergreen by the quarter from next year: Priced by the month, billed every three.",
        activated="2026-11-12T10:00",
        start="2027-01-01",
        lines=[Line(product=products.workspace, quantity=5, frequency="Quarterly")],
    )
