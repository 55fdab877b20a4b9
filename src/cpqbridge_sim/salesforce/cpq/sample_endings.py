"""Sample contracts that end, go on, or were changed before anybody synced them."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from cpqbridge_sim.salesforce.cpq.model import Change, Line
from cpqbridge_sim.salesforce.cpq.sample_desk import Desk, day


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ended:
    """A contract for a year and its end: `at` is the first day that is no longer served."""

    customer: str
    story: str
    activated: str
    start: str
    end: str
    end_activated: str
    at: str
    is_support: bool = False


_ENDED: Final = (
    _Ended(
        customer="Sorrel Labs",
        story="Cancelled before it began: It would start in January 2027.",
        activated="2026-10-21T10:00",
        start="2027-01-01",
        end="Never mind: All seats are given back from the first day.",
        end_activated="2026-11-09T10:00",
        at="2027-01-01",
    ),
    _Ended(
        customer="Thyme Studio",
        story="Cancelled from its first day: The first month is invoiced when the customer withdraws.",
        activated="2026-08-25T10:00",
        start="2026-09-01",
        end="Withdrawn: From 1 September, activated on 3 September.",
        end_activated="2026-09-03T10:00",
        at="2026-09-01",
    ),
    _Ended(
        customer="Ulex Farms",
        story="Ended on a boundary: The customer leaves on 1 October, months begin on the 1st.",
        activated="2026-03-27T10:00",
        start="2026-04-01",
        end="Left at the end of a month: Nothing is left to credit.",
        end_activated="2026-09-24T10:00",
        at="2026-10-01",
    ),
    _Ended(
        customer="Violet Optics",
        story="Ended inside a paid year: Support is billed yearly and ends after half of it.",
        activated="2026-02-25T10:00",
        start="2026-03-01",
        end="Half a year back: The rest of the year is a credit note.",
        end_activated="2026-09-11T10:00",
        at="2026-09-15",
        is_support=True,
    ),
    _Ended(
        customer="Zinnia Foods",
        story="Notice given: The end on 15 January 2027 is known two months ahead.",
        activated="2026-05-26T10:00",
        start="2026-06-01",
        end="Notice: Billing goes on until 15 January and ends inside a month.",
        end_activated="2026-11-13T10:00",
        at="2027-01-15",
    ),
    _Ended(
        customer="Acacia Rent",
        story="Ended two months ago: The end is agreed on afterwards.",
        activated="2026-03-30T10:00",
        start="2026-04-01",
        end="Settled afterwards: Ended on 10 July, activated on 7 September.",
        end_activated="2026-09-07T10:00",
        at="2026-07-10",
    ),
)
"""Before, on and after the start, on a boundary and inside cycles, ahead of time and afterwards."""


def end_contracts(desk: Desk) -> None:
    """Terminate ten seats for a year, or support that is billed by the year."""
    products = desk.products
    for contract in _ENDED:
        line = Line(product=products.seat, quantity=10)
        if contract.is_support:
            line = Line(product=products.support, quantity=3)
        order = desk.sell(
            contract.customer,
            contract.story,
            activated=contract.activated,
            start=contract.start,
            lines=[line],
        )
        desk.terminate(order, contract.end, activated=contract.end_activated, at=contract.at)


def end_in_parts(desk: Desk) -> None:
    """End contracts by two orders, and go on after an end."""
    products = desk.products
    bay = desk.sell(
        "Bay Ferries",
        "Ended by two orders: Seats by one order and reports by another, both on 15 October.",
        activated="2026-04-10T10:00",
        start="2026-04-15",
        lines=[
            Line(product=products.seat, quantity=8),
            Line(product=products.enterprise_seat, quantity=2),
        ],
    )
    for number, word in enumerate(("The seats end", "The enterprise seats end too")):
        desk.amend(
            bay,
            f"{word}: Order {number + 1} of 2 that end the contract on 15 October.",
            activated=f"2026-10-1{2 + number}T10:00",
            start="2026-10-15",
            changes=[Change(line=bay.lines[number], by=-bay.lines[number].priced.quantity)],
        )
    yew = desk.sell(
        "Yew Partners",
        "Ended, then back: The customer leaves in August and comes back in October.",
        activated="2026-02-24T10:00",
        start="2026-03-01",
        lines=[Line(product=products.seat, quantity=10)],
    )
    desk.terminate(
        yew,
        "Gone in August: Everything ends on 15 August.",
        activated="2026-08-11T10:00",
        at="2026-08-15",
    )
    desk.amend(
        yew,
        "Back in October: Four seats from 5 October on the same contract.",
        activated="2026-10-01T10:00",
        start="2026-10-05",
        changes=[Line(product=products.seat, quantity=4)],
    )
    olive = desk.sell(
        "Olive Oil House",
        "Not billed, and more of it: A line that is skipped, and the amendment that revises it.",
        activated="2026-06-25T10:00",
        start="2026-07-01",
        lines=[
            Line(product=products.seat, quantity=5),
            Line(product=products.archive, fields={"Skip_Line_Item__c": True}),
        ],
    )
    desk.amend(
        olive,
        "Two more that are not billed: The skipped line grows, five seats become six.",
        activated="2026-09-22T10:00",
        start="2026-10-01",
        changes=[Change(line=olive.lines[1], by=2), Change(line=olive.lines[0], by=1)],
    )


def go_on(desk: Desk) -> None:
    """Renew early, late and after the end, and amend what was renewed."""
    seats = [Line(product=desk.products.seat, quantity=10)]
    stories = {
        "alder": ("Alder Press", "Renewed early: The new year begins a month before the old one ends."),
        "balsam": (
            "Balsam Spa",
            "Renewed late: The second year is signed three weeks after the first ended.",
        ),
        "clover": ("Clover Radio", "Renewed after a pause: Six weeks lie between the two contracts."),
        "dill": (
            "Dill Catering",
            "Ended early for a renewal: The old contract ends where the new one begins.",
        ),
    }
    starts = {"alder": "2026-01-01", "balsam": "2025-10-01", "clover": "2025-09-01", "dill": "2026-02-01"}
    activated = {
        "alder": "2025-12-17T10:00",
        "balsam": "2025-09-25T10:00",
        "clover": "2025-08-26T10:00",
        "dill": "2026-01-27T10:00",
    }
    sold = {
        name: desk.sell(customer, story, activated=activated[name], start=starts[name], lines=seats)
        for name, (customer, story) in stories.items()
    }
    desk.renew(
        sold["alder"],
        "An early renewal: From 1 December; December is sold twice until a person decides.",
        activated="2026-11-12T10:00",
        start="2026-12-01",
    )
    desk.renew(
        sold["balsam"],
        "A late renewal: From the day after the end, activated on 20 October.",
        activated="2026-10-20T10:00",
    )
    again = desk.renew(
        sold["clover"],
        "A renewal after the end: From 15 October, activated on 8 October.",
        activated="2026-10-08T10:00",
        start="2026-10-15",
    )
    desk.change_seats(
        again,
        "More in the new year: Three seats more on the renewed contract.",
        activated="2026-11-05T10:00",
        start="2026-11-10",
        by=3,
    )
    # Drafted first: once the old contract is at zero there is nothing left to renew.
    renewal = desk.renewal(
        sold["dill"],
        "A renewal in place of the rest: From 1 November, activated once the old contract ends there.",
        drafted="2026-10-24T10:00",
        start="2026-11-01",
    )
    desk.terminate(
        sold["dill"],
        "Room for the renewal: The old contract ends on 1 November.",
        activated="2026-10-26T10:00",
        at="2026-11-01",
    )
    desk.close(renewal, "2026-10-26T11:00")


def sell_many(desk: Desk) -> None:
    """Sell more lines than one subscription holds, and more phases than one schedule takes at once."""
    products = desk.products
    maple = desk.sell(
        "Maple Group",
        "Twenty-four lines: A discount of its own for each department, more than one subscription holds.",
        activated="2026-06-26T10:00",
        start="2026-07-01",
        lines=[Line(product=products.seat, quantity=2 + number, discount=number) for number in range(24)],
    )
    desk.amend(
        maple,
        "A twenty-fifth line: One more department joins on 1 November.",
        activated="2026-10-29T10:00",
        start="2026-11-01",
        changes=[
            Line(product=products.enterprise_seat, quantity=4),
            Change(line=maple.lines[3], by=-1),
        ],
    )
    nettle = desk.sell(
        "Nettle Theatre",
        "Thirteen phases: A season in which two seats join every month.",
        activated="2026-05-28T10:00",
        start="2026-06-01",
        lines=[
            Line(product=products.seat, quantity=2, start=day(f"{2026 + month // 12}-{month % 12 + 1:02}-01"))
            for month in range(5, 18)
        ],
        end=day("2027-12-31"),
    )
    desk.change_first_line(
        nettle,
        "A fourteenth phase: One seat more from 20 February 2027.",
        activated="2026-11-04T10:00",
        start="2027-02-20",
        by=1,
    )


def sync_late(desk: Desk) -> None:
    """Leave contracts whose amendments are in force when they are synced for the first time."""
    for customer, title, start, changes in (
        ("Kiwi Couriers", "Signed with its changes", "2026-09-01", (("2026-09-08", 2), ("2026-09-16", -3))),
        ("Juno Airlines", "Connected late", "2026-02-01", (("2026-05-13", 2), ("2026-08-20", -3))),
    ):
        together = "2026-09-25T10:00"
        first = desk.sell(
            customer,
            f"{title}: Ten seats from {start}; this order and both changes reach us on 25 September.",
            activated=together,
            start=start,
            lines=[Line(product=desk.products.seat, quantity=10)],
        )
        for change_start, by in changes:
            word = "more" if by > 0 else "fewer"
            story = f"{title}, {abs(by)} {word}: In use from {change_start}, known from 25 September."
            desk.change_first_line(first, story, activated=together, start=change_start, by=by)


def change_wrongly(desk: Desk) -> None:
    """Leave amendments that somebody has to look at."""
    seats = [Line(product=desk.products.seat, quantity=10)]
    larch = desk.sell(
        "Larch Optics",
        "More given back than there is: Somebody changed an amendment by hand; see it.",
        activated="2026-07-29T10:00",
        start="2026-08-01",
        lines=seats,
    )
    wrong = desk.amendment(
        larch,
        "Twelve of ten seats: Its quantity was edited in the order.",
        drafted="2026-10-14T10:00",
        start="2026-10-15",
        changes=[Change(line=larch.lines[0], by=-2)],
    )
    item = wrong.lines[0].record_id
    total = desk.cpq.record("OrderItem", item)["UnitPrice"] * Decimal(-12)
    desk.cpq.edit("OrderItem", item, Quantity=Decimal(-12), TotalPrice=total)
    desk.cpq.edit("Order", wrong.record_id, TotalAmount=total)
    desk.close(wrong, "2026-10-14T10:00")
    mint = desk.sell(
        "Mint Dental",
        "A change that is still a draft: Nothing happens until it is activated.",
        activated="2026-08-27T10:00",
        start="2026-09-01",
        lines=seats,
    )
    desk.amendment(
        mint,
        "A draft amendment: Two seats more from 1 December; activate it at the CPQ desk.",
        drafted="2026-11-18T10:00",
        start="2026-12-01",
        changes=[Change(line=mint.lines[0], by=2)],
    )
