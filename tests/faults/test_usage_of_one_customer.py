"""Two contracts of one customer that sell the same usage: one bills it, the other is refused."""

from __future__ import annotations

import threading
from pathlib import Path

from tests.faults import kinds
from tests.faults.two_sides import connect, service, two_sides

from cpqbridge.sync.service import SyncService
from cpqbridge_sim.salesforce.cpq.model import Line


def two_contracts() -> kinds.Records:
    shop = kinds.Shop()
    orders = [shop.sell(Line(product=shop.seat, quantity=2), Line(product=shop.messages)) for _ in range(2)]
    return shop.records(*orders)


def outcome(opened: SyncService, order_id: str) -> tuple[str, str]:
    order = opened.sync(None, order_id).order
    return order.state.value, order.code


def test_the_second_contract_of_a_customer_with_the_same_usage_is_refused(tmp_path: Path) -> None:
    with two_sides(records=two_contracts()) as sides, service(tmp_path) as opened:
        connect(opened, sides)
        first, second = sides.order_ids
        assert outcome(opened, first)[0] == "synced"
        for _ in range(2):
            assert outcome(opened, second) == ("refused", "metered_twice")
        assert "of the same customer" in opened.sync(None, second).order.message
        assert outcome(opened, first)[0] == "unchanged"
        assert len(sides.objects("subscription_schedule")) == 1


def test_of_two_contracts_planned_at_the_same_time_one_bills_the_usage(tmp_path: Path) -> None:
    ends: dict[str, tuple[str, str]] = {}
    busy: list[threading.Thread] = []

    def boundary(name: str) -> None:
        """While the first contract is planned, carry out the second one whole."""
        if name == "planned" and not busy:
            other = threading.Thread(target=lambda: ends.update(second=outcome(opened, second)))
            busy.append(other)
            other.start()
            other.join()

    with two_sides(records=two_contracts()) as sides, service(tmp_path, boundary=boundary) as opened:
        connect(opened, sides)
        first, second = sides.order_ids
        ends["first"] = outcome(opened, first)
        assert ends["second"][0] == "synced"
        assert ends["first"] == ("refused", "metered_twice")
        assert len(sides.objects("subscription_schedule")) == 1
