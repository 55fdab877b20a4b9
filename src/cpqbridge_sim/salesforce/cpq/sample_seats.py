"""Sample contracts of seats that change while they run: more and fewer, on any day and in any order."""

from dataclasses import dataclass
from typing import Final

from cpqbridge_sim.salesforce.cpq.model import Line
from cpqbridge_sim.salesforce.cpq.sample_desk import Desk


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """So many seats more or fewer from a day on, and when that was activated."""

    story: str
    activated: str
    start: str
    by: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Contract:
    """Ten seats for a year, and what becomes of them."""

    customer: str
    story: str
    activated: str
    start: str
    changes: tuple[_Change, ...]


_SEATS: Final = (
    _Contract(
        customer="Aster Robotics",
        story="Seats in three steps: Ten seats, two more in May, five more in July; see what is given back.",
        activated="2026-02-24T10:00",
        start="2026-03-01",
        changes=(
            _Change(
                story="Second step: Two seats more on a monthly boundary.",
                activated="2026-04-28T10:00",
                start="2026-05-01",
                by=2,
            ),
            _Change(
                story="Third step: Five seats more in the middle of a month.",
                activated="2026-07-13T10:00",
                start="2026-07-15",
                by=5,
            ),
            _Change(
                story="Six fewer over two additions: Five of July and one of May, newest first.",
                activated="2026-09-29T10:00",
                start="2026-10-01",
                by=-6,
            ),
        ),
    ),
    _Contract(
        customer="Birch Hotels",
        story="Two changes on one day: Three more in the morning, one fewer in the afternoon.",
        activated="2026-04-27T10:00",
        start="2026-05-01",
        changes=(
            _Change(
                story="In the morning: Three seats more, from this very day.",
                activated="2026-08-10T07:30",
                start="2026-08-10",
                by=3,
            ),
            _Change(
                story="In the afternoon: One seat fewer, from the same day.",
                activated="2026-08-10T14:10",
                start="2026-08-10",
                by=-1,
            ),
        ),
    ),
    _Contract(
        customer="Heather Clinics",
        story="Changed at month ends: Anchored on the 31st, so its months end on different days.",
        activated="2026-01-29T10:00",
        start="2026-01-31",
        changes=(
            _Change(
                story="More on 30 March: One day before the month's boundary.",
                activated="2026-03-27T10:00",
                start="2026-03-30",
                by=2,
            ),
            _Change(
                story="Fewer on 31 August: Exactly on a boundary.",
                activated="2026-08-28T10:00",
                start="2026-08-31",
                by=-1,
            ),
        ),
    ),
    _Contract(
        customer="Cypress Labs",
        story="Changes out of order: The change for December is signed before the one for October.",
        activated="2026-05-27T10:00",
        start="2026-06-01",
        changes=(
            _Change(
                story="For December, signed in September: Four seats more, known three months ahead.",
                activated="2026-09-10T10:00",
                start="2026-12-10",
                by=4,
            ),
            _Change(
                story="For October, signed in October: Two fewer, before the change signed first.",
                activated="2026-10-05T10:00",
                start="2026-10-10",
                by=-2,
            ),
        ),
    ),
    _Contract(
        customer="Dahlia Care",
        story="More seats, signed late: They are in use from 13 June, the order is activated on 20 July.",
        activated="2026-01-28T10:00",
        start="2026-02-01",
        changes=(
            _Change(
                story="Five weeks late: The elapsed time is one amount, then the seats are billed monthly.",
                activated="2026-07-20T10:00",
                start="2026-06-13",
                by=2,
            ),
        ),
    ),
    _Contract(
        customer="Elder Shipping",
        story="Fewer seats, signed late: Given back on 10 June, the order is activated on 15 September.",
        activated="2026-03-25T10:00",
        start="2026-04-01",
        changes=(
            _Change(
                story="Given back months ago: What was billed since is a credit.",
                activated="2026-09-15T10:00",
                start="2026-06-10",
                by=-4,
            ),
        ),
    ),
    _Contract(
        customer="Fir Dynamics",
        story="A change of a change to come: Both amendments take effect on 10 January 2027.",
        activated="2026-07-28T10:00",
        start="2026-08-01",
        changes=(
            _Change(
                story="Planned for January: Five seats more from the 10th.",
                activated="2026-10-12T10:00",
                start="2027-01-10",
                by=5,
            ),
            _Change(
                story="Planned anew for the same day: Two of the five are not wanted after all.",
                activated="2026-11-11T10:00",
                start="2027-01-10",
                by=-2,
            ),
        ),
    ),
    _Contract(
        customer="Iris Telecom",
        story="Changed before it began: The contract starts in February 2027.",
        activated="2026-10-20T10:00",
        start="2027-02-15",
        changes=(
            _Change(
                story="Five more from the start: Nothing was billed yet.",
                activated="2026-11-03T10:00",
                start="2027-02-15",
                by=5,
            ),
        ),
    ),
)
"""Stacked, on one day, at month ends, out of order, late, for one day to come, and before the start."""


def change_seats(desk: Desk) -> None:
    """Amend the seats of contracts again and again."""
    for contract in _SEATS:
        order = desk.sell(
            contract.customer,
            contract.story,
            activated=contract.activated,
            start=contract.start,
            lines=[Line(product=desk.products.seat, quantity=10)],
        )
        for change in contract.changes:
            desk.change_seats(
                order, change.story, activated=change.activated, start=change.start, by=change.by
            )
