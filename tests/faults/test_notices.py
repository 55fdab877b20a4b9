"""Notices come once or often, in every order, and some with a stop in between: the end is the same."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from tests.faults.finding import Setting, finding, live
from tests.faults.two_sides import TwoSides, one_line_orders, two_sides

from cpqbridge.domain.refusal import OrderState
from cpqbridge.mapping.raw import OrderNotice, WatchedGroup
from cpqbridge.salesforce.changes import ChangesPage
from cpqbridge.store import cursors
from cpqbridge.sync import durable
from cpqbridge.sync.finding import Finder
from cpqbridge.sync.notices import Notices
from cpqbridge.sync.ports import OpenConnection, SalesforceSide

MINUTE = timedelta(minutes=1)


def notices_of(setting: Setting) -> list[OrderNotice]:
    return list(setting.service.open(None).salesforce.qualifying_orders(since=None))


def numbers_add_up(setting: Setting, seen: Sequence[str]) -> None:
    """Every order that was seen stands somewhere, in one state."""
    assert set(setting.standings()) == set(seen)


def test_every_notice_one_to_ten_times_in_any_order_ends_the_same_without_another_write(
    tmp_path: Path,
) -> None:
    chance = random.Random(20261121)
    with live(tmp_path, 4) as setting:
        known = notices_of(setting)
        for round_number in range(6):
            given = [notice for notice in known for _ in range(chance.randint(1, 10))]
            chance.shuffle(given)
            pieces = iter(given)
            while piece := list(itertools.islice(pieces, chance.randint(1, 7))):
                Notices(setting.service).take(1, piece, because="test")
            setting.settled()
            assert setting.states() == dict.fromkeys(setting.sides.order_ids, "synced")
            if round_number == 0:
                writes = setting.writes()
        assert setting.writes() == writes
        assert len(setting.sides.objects("subscription_schedule")) == 4


def test_orders_of_one_contract_collapse_and_a_notice_during_a_run_leads_to_one_more(
    tmp_path: Path,
) -> None:
    with two_sides(records=one_line_orders(contracted=True)) as sides, finding(tmp_path, sides) as setting:
        setting.poll()
        sides.amend([(0, "5")], start=date(2026, 4, 1))
        sides.org.update("Order", sides.order_id, {"Description": "changed"})
        assert setting.poll() == 1, "two orders of one contract are one run"
        assert set(setting.states().values()) == {"synced"}
        notice = notices_of(setting)[0]
        taken = [Notices(setting.service).take(1, [notice], because="test") for _ in range(3)]
        setting.settled()
        assert taken[0] == 1
        assert sum(taken) <= 2, "what waits already is not queued again"


@dataclass(frozen=True)
class StopsAfter:
    """The real org, whose answer is cut after so many orders."""

    real: SalesforceSide
    orders: int

    def changes(
        self, *, since: datetime | None, watched: Sequence[WatchedGroup] = ()
    ) -> Iterator[ChangesPage]:
        for page in self.real.changes(since=since, watched=watched):
            yield replace(page, notices=page.notices[: self.orders])
            raise KeyboardInterrupt


def cut(opened: OpenConnection, orders: int) -> OpenConnection:
    return replace(opened, salesforce=StopsAfter(opened.salesforce, orders))  # type: ignore[arg-type]


@pytest.mark.parametrize("orders", [0, 2])
def test_a_worker_that_stops_in_the_middle_of_a_poll_loses_nothing(tmp_path: Path, orders: int) -> None:
    with two_sides(4) as sides:
        with finding(tmp_path, sides) as setting:
            with pytest.raises(KeyboardInterrupt):
                Finder(setting.service).poll(cut(setting.service.open(None), orders))
            with setting.service.store.read() as transaction:
                assert cursors.read(transaction, connection_id=1, name=cursors.ORDERS) is None
            numbers_add_up(setting, sides.order_ids[:orders])
        with finding(tmp_path, sides) as setting:
            setting.poll()
            assert setting.states() == dict.fromkeys(sides.order_ids, "synced")
        assert len(sides.objects("subscription_schedule")) == 4


class Stop(BaseException):
    """The process ends here."""


class StoppingService:
    """The service, which ends when something is to be put on the queue."""

    def __init__(self, setting: Setting) -> None:
        self._service = setting.service

    def engine(self) -> object:
        raise Stop

    def __getattr__(self, name: str) -> object:
        return getattr(self._service, name)


def test_orders_that_were_stored_and_never_queued_are_queued_when_a_worker_begins(tmp_path: Path) -> None:
    with two_sides(3) as sides:
        with finding(tmp_path, sides) as setting:
            stopping = Finder(StoppingService(setting))  # type: ignore[arg-type]
            with pytest.raises(Stop):
                stopping.poll(setting.service.open(None))
            assert setting.states() == dict.fromkeys(sides.order_ids, "queued")
            assert setting.poll() == 0, "what was noticed is no news"
        with finding(tmp_path, sides) as setting:
            (connection,) = setting.service.connections()
            assert setting.settled(setting.finder.queue_again(connection)) == 3
            assert setting.states() == dict.fromkeys(sides.order_ids, "synced")


def test_orders_whose_queue_was_lost_with_the_engines_database_are_tried_again(tmp_path: Path) -> None:
    with two_sides(3) as sides:
        with finding(tmp_path, sides) as setting:
            stopping = Finder(StoppingService(setting))  # type: ignore[arg-type]
            with pytest.raises(Stop):
                stopping.poll(setting.service.open(None))
        for path in tmp_path.glob(f"{durable.DATABASE_FILE}*"):
            path.unlink()
        with finding(tmp_path, sides) as setting:
            assert setting.try_again() == 0
            setting.pass_time(10 * MINUTE)
            assert setting.try_again() == 3
            assert setting.states() == dict.fromkeys(sides.order_ids, "synced")


def test_one_bad_order_among_a_hundred_stops_itself_only_and_names_field_and_fix(tmp_path: Path) -> None:
    with live(tmp_path, 100) as setting:
        bad = setting.sides.order_ids[50]
        spoil(setting.sides, bad)
        setting.poll()
        found = setting.standings()
        numbers_add_up(setting, setting.sides.order_ids)
        assert sum(each.state is OrderState.SYNCED for each in found.values()) == 99
        refused = found[bad]
        assert refused.state is OrderState.REFUSED
        assert refused.field == "SBQQ__BillingFrequency__c"
        assert "Fortnightly" in refused.message
        assert refused.fix
        assert len(setting.sides.objects("subscription_schedule")) == 99


def spoil(sides: TwoSides, order_id: str) -> None:
    (line,) = [each for each in sides.org.records("OrderItem") if each["OrderId"] == order_id]
    sides.org.update("OrderItem", line["Id"], {"SBQQ__BillingFrequency__c": "Fortnightly"})
