"""Sample contracts with a history: amendments, renewal, ramp, evergreen, usage, coupons."""

from cpqbridge_sim.salesforce.cpq.model import Change, Line
from cpqbridge_sim.salesforce.cpq.sample_desk import Desk, day


def grow_and_shrink(desk: Desk) -> None:
    """Sell seats, then two more, then three fewer."""
    seats = [Line(product=desk.products.seat, quantity=10)]
    helvetia = desk.sell(
        "Helvetia Optics",
        "Seats that grow and shrink: Ten seats for a year; see the two amendments.",
        activated="2026-01-28T15:04:05",
        start="2026-02-01",
        lines=seats,
    )
    desk.amend(
        helvetia,
        "Two more seats: From 13 May, eight whole months and nineteen days.",
        activated="2026-05-12T09:30",
        start="2026-05-13",
        changes=[Change(line=helvetia.lines[0], by=2)],
    )
    desk.amend(
        helvetia,
        "Three seats fewer: From 20 August, five months and twelve days are given back.",
        activated="2026-08-19T16:45",
        start="2026-08-20",
        changes=[Change(line=helvetia.lines[0], by=-3)],
    )


def swap_end_and_renew(desk: Desk) -> None:
    """Sell contracts that turn into something else, into nothing, and into another year."""
    products = desk.products
    inca = desk.sell(
        "Inca Coffee",
        "Seats, swapped later: They become enterprise seats on 1 September.",
        activated="2026-02-25T10:00",
        start="2026-03-01",
        lines=[Line(product=products.seat, quantity=10)],
    )
    desk.amend(
        inca,
        "A swap: On 1 September all seats become enterprise seats.",
        activated="2026-08-25T10:00",
        start="2026-09-01",
        changes=[
            Change(line=inca.lines[0], by=-10),
            Line(product=products.enterprise_seat, quantity=10),
        ],
    )
    jade = desk.sell(
        "Jade Spa",
        "Seats, cancelled later: The customer leaves after half a year.",
        activated="2026-03-26T10:00",
        start="2026-04-01",
        lines=[Line(product=products.seat, quantity=5)],
    )
    desk.terminate(
        jade,
        "A termination: Everything ends on 10 October, in the middle of a month.",
        activated="2026-10-05T10:00",
        at="2026-10-10",
    )
    kiln = desk.sell(
        "Kiln Ceramics",
        "Seats for a year, renewed: The first year, which runs out at the end of November.",
        activated="2025-11-26T10:00",
        start="2025-12-01",
        lines=[Line(product=products.seat, quantity=7, discount=10)],
    )
    desk.renew(
        kiln,
        "A renewal: The second year, as an order and a contract of its own.",
        activated="2026-11-16T10:00",
    )


def sell_ramp(desk: Desk) -> None:
    """Sell a plan that grows by the year, and change its years to come."""
    lines = desk.cpq.ramp(
        desk.products.growth,
        start=day("2026-05-01"),
        segments=[(10, 1000), (20, 950), (30, 900)],
    )
    ramp = desk.sell(
        "Lagoon Ventures",
        "A ramp over three years: 10, 20 and 30 units, cheaper each year.",
        activated="2026-04-22T10:00",
        start="2026-05-01",
        lines=lines,
        term=None,
        end=day("2029-04-30"),
    )
    desk.amend(
        ramp,
        "More in the second year: Five units more in segment 2, the running year stays.",
        activated="2026-10-22T10:00",
        start="2026-11-01",
        changes=[Change(line=ramp.lines[1], by=5)],
    )


def sell_endless(desk: Desk) -> None:
    """Sell subscriptions without an end."""
    products = desk.products
    marlin = desk.sell(
        "Marlin Yachts",
        "Evergreen: Workspaces month by month until somebody cancels.",
        activated="2026-07-13T10:00",
        start="2026-07-15",
        lines=[Line(product=products.workspace, quantity=6)],
    )
    desk.amend(
        marlin,
        "Evergreen, two more: On a monthly boundary.",
        activated="2026-10-12T10:00",
        start="2026-10-15",
        changes=[Change(line=marlin.lines[0], by=2)],
    )
    desk.sell(
        "Nimbus Weather",
        "Evergreen beside a term: Workspaces without end and seats for a year make two contracts.",
        activated="2026-09-29T10:00",
        start="2026-10-01",
        lines=[Line(product=products.workspace, quantity=3), Line(product=products.seat, quantity=3)],
    )


def sell_metered_and_mixed(desk: Desk) -> None:
    """Sell usage with tiers, lines of several billing frequencies, and a trial."""
    products = desk.products
    desk.sell(
        "Opal Payments",
        "Usage in tiers: API calls are billed in arrears beside five seats.",
        activated="2026-08-31T10:00",
        start="2026-09-01",
        lines=[Line(product=products.seat, quantity=5), Line(product=products.api_calls)],
    )
    desk.sell(
        "Quill Insurance",
        "Mixed billing frequencies: Seats by the month, support by the year, onboarding once.",
        activated="2026-01-28T15:04:05",
        start="2026-02-01",
        lines=[
            Line(product=products.seat, quantity=10),
            Line(product=products.support),
            Line(product=products.onboarding),
        ],
    )
    desk.sell(
        "Raven Security",
        "A trial: Trial End Date holds 30 November, for connections that map it.",
        activated="2026-10-30T10:00",
        start="2026-11-01",
        lines=[Line(product=products.seat, quantity=5)],
        fields={"Trial_End_Date__c": day("2026-11-30")},
    )


def sell_with_coupons(desk: Desk) -> None:
    """Sell with a coupon on the whole order and another on one line."""
    products = desk.products
    launch = desk.cpq.coupon(
        Name="Launch offer",
        Percent_Off__c=25,
        Amount_Off__c=None,
        Duration__c="repeating",
        Duration_In_Months__c=3,
        Max_Redemptions__c=None,
        Currency__c=None,
    )
    voucher = desk.cpq.coupon(
        Name="Voucher",
        Percent_Off__c=None,
        Amount_Off__c=40,
        Duration__c="once",
        Duration_In_Months__c=None,
        Max_Redemptions__c=1,
        Currency__c="USD",
    )
    desk.sell(
        "Piper Aircraft Rental",
        "Coupons: A quarter off everything for three months, and 40.00 off one line once.",
        activated="2026-09-25T10:00",
        start="2026-10-01",
        lines=[
            Line(product=products.seat, quantity=4),
            Line(product=products.enterprise_seat, coupons=(voucher,)),
        ],
        coupons=(launch,),
    )
