"""Caps hold what deserves a look, over all contracts and processes of a connection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

from sqlalchemy import insert
from tests.faults.two_sides import (
    NOW,
    TwoSides,
    connect,
    move_everything_to,
    one_line_orders,
    service,
    two_sides,
)

from cpqbridge.clock import SettableClock
from cpqbridge.domain.refusal import OrderState
from cpqbridge.store import tables
from cpqbridge.sync.service import SyncService

LATER = NOW + timedelta(days=90)


class CancelledElsewhere:
    """Another process cancels a schedule of another contract once this one has its plan."""

    def __init__(self) -> None:
        self.service: SyncService | None = None

    def __call__(self, name: str) -> None:
        if name == "plan kept" and self.service is not None:
            with self.service.store.write() as transaction:
                transaction.execute(
                    insert(tables.intents).values(
                        connection_id=1,
                        root_id="another contract",
                        step_key="schedule:another",
                        action="cancel_schedule",
                        fingerprint="f",
                        generation=0,
                        idempotency_key="k",
                        parameters={},
                        state="sent",
                        created_at=LATER,
                    )
                )


@contextmanager
def a_termination(home: Path, boundary: CancelledElsewhere) -> Iterator[tuple[SyncService, TwoSides, str]]:
    """A running contract, a cap of one cancellation an hour, and an amendment to zero from its first day."""
    clock = SettableClock(NOW)
    with (
        two_sides(records=one_line_orders(contracted=True)) as sides,
        service(home, clock=clock, boundary=boundary) as opened,
    ):
        connect(opened, sides)
        configuration = opened.configuration(None)
        caps = replace(configuration.caps, cancels_per_hour=1)
        opened.apply_configuration(None, replace(configuration, caps=caps))
        assert opened.sync(None, sides.order_id).order.state is OrderState.SYNCED
        move_everything_to(LATER, sides, clock)
        order_id = sides.amend([(0, "-10")], start=date(2026, 2, 1))
        yield opened, sides, order_id


def schedule_status(sides: TwoSides) -> str:
    (schedule,) = sides.objects("subscription_schedule")
    return str(schedule["status"])


def test_a_cancellation_planned_while_another_begins_is_held_and_can_be_released(tmp_path: Path) -> None:
    elsewhere = CancelledElsewhere()
    with a_termination(tmp_path, elsewhere) as (opened, sides, order_id):
        elsewhere.service = opened
        held = opened.sync(None, order_id).order
        assert (held.state, held.code) == (OrderState.HELD, "cap_cancels")
        assert "the cap is 1 an hour" in held.message
        assert schedule_status(sides) == "active"
        elsewhere.service = None
        again = opened.sync(None, order_id).order
        assert (again.state, again.code) == (OrderState.HELD, "cap_cancels")
        done = opened.sync(None, order_id, released=frozenset({"cap_cancels"})).order
        assert (done.state, done.message) == (OrderState.SYNCED, "")
        assert schedule_status(sides) == "canceled"


def test_a_cancellation_within_the_cap_goes_through(tmp_path: Path) -> None:
    with a_termination(tmp_path, CancelledElsewhere()) as (opened, sides, order_id):
        assert opened.sync(None, order_id).order.state is OrderState.SYNCED
        assert schedule_status(sides) == "canceled"
