"""A contract with more phases than Stripe holds, and nothing that loads the rest: somebody is told in time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from tests.app_people import client_of
from tests.faults.test_troubled_calls import Setting
from tests.faults.two_sides import NOW, connect, service, two_sides

from cpqbridge.clock import SettableClock
from cpqbridge.store.users import Role
from cpqbridge.sync.worker import Worker
from cpqbridge.web.site import Site
from cpqbridge_sim.salesforce.cpq.engine import Cpq
from cpqbridge_sim.salesforce.cpq.model import Line

TWO_CYCLES_BEFORE = datetime(2026, 10, 1, tzinfo=UTC)
"""The eleventh phase begins on 1 Dec 2026; everything is billed each month."""


def an_order_that_grows_each_month() -> tuple[dict, tuple[str, ...]]:
    """Return an order of 12 lines, of which another one begins each month: 12 phases."""
    cpq = Cpq(clock=lambda: NOW)
    product = cpq.product("Seat", frequency="Monthly", default_term=1)
    cpq.price(product, Decimal(50))
    account = cpq.account("Growing", email="billing@growing.example")
    starts = [date(2026 + (month > 12), (month - 1) % 12 + 1, 1) for month in range(2, 14)]
    lines = [Line(product=product, quantity=1, start=day, end=date(2027, 1, 31)) for day in starts]
    quote = cpq.quote(account, start=starts[0], lines=lines, term=12)
    order = cpq.order(quote, name="Growing")
    cpq.activate(order, at=NOW)
    return cpq.records(), (order.record_id,)


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    with two_sides(records=an_order_that_grows_each_month()) as sides:
        clock = SettableClock(NOW)
        with service(tmp_path, clock=clock) as opened:
            connect(opened, sides)
            assert opened.sync(None, sides.order_id).order.state.value == "synced"
            yield Setting(home=tmp_path, sides=sides, clock=clock, service=opened)


def alerts(setting: Setting) -> list[str]:
    (order,) = setting.service.order_list(None)
    assert Worker(setting.service).alert() == bool(order.alert)
    return [order.alert] if order.alert else []


def test_nobody_is_told_while_there_is_time(setting: Setting) -> None:
    assert alerts(setting) == []
    setting.move_everything_to(TWO_CYCLES_BEFORE - timedelta(seconds=1))
    assert alerts(setting) == []


def test_alert_when_two_cycles_are_left_and_none_once_it_is_loaded(setting: Setting) -> None:
    setting.move_everything_to(TWO_CYCLES_BEFORE)
    (alert,) = alerts(setting)
    assert "2026-12-01" in alert
    setting.service.sync(None, setting.sides.order_id)
    assert alerts(setting) == []


def test_the_order_page_says_it(setting: Setting) -> None:
    client = client_of(Site(setting.service, clock=setting.clock), Role.VIEWER)
    assert "Alert:" not in client.get(f"/orders/{setting.sides.order_id}").text
    setting.move_everything_to(TWO_CYCLES_BEFORE)
    assert 'role="alert"' in client.get(f"/orders/{setting.sides.order_id}").text
