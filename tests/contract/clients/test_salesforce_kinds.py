"""Every kind of order the CPQ engine makes, read by the real client: its tiers, coupons and segments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal

from cpqbridge.domain.order import OrderHistory, Tier, TiersMode
from cpqbridge.mapping.configuration import parse_configuration
from cpqbridge.mapping.history import order_history
from cpqbridge.mapping.needs import field_needs
from cpqbridge.mapping.policies import DEFAULT_ACTIVATED_CONDITION
from cpqbridge.salesforce.client import SalesforceClient
from cpqbridge.salesforce.reader import SalesforceReader
from cpqbridge.salesforce.selection import load_needed_schema
from cpqbridge_sim.hosting import host
from cpqbridge_sim.salesforce.cpq import Cpq
from cpqbridge_sim.salesforce.cpq.model import Change, Contract, Line, Order, Product, UsageSchedule
from cpqbridge_sim.salesforce.cpq.model import Tier as Rate
from cpqbridge_sim.salesforce.org import Org
from cpqbridge_sim.salesforce.server import create_app

NOW = datetime(2026, 6, 1, tzinfo=UTC)
AT = datetime(2026, 1, 28, 15, 4, 5, tzinfo=UTC)
FEB = date(2026, 2, 1)
CONFIGURATION = parse_configuration({"currency": "usd"})
NEEDS = field_needs(CONFIGURATION)
RATES = (Rate(lower=1, upper=100, price=Decimal(0)), Rate(lower=101, upper=None, price=Decimal("0.125")))


class Shop:
    """An engine and an org in which what was sold can be read."""

    def __init__(self) -> None:
        self.cpq = Cpq()
        self.account = self.cpq.account("Baden Trading", email="ap@baden.example")
        self.seat = self.product("Seat", 50, default_term=1)
        self.workspace = self.product("Workspace", 25, default_term=1, subscription_type="Evergreen")

    def product(self, name, price, **options) -> Product:
        product = self.cpq.product(name, **options)
        self.cpq.price(product, price)
        return product

    def calls(self, **schedule) -> Product:
        return self.product(
            "Calls",
            0,
            default_term=1,
            billing_type="Arrears",
            charge_type="Usage",
            usage=UsageSchedule(tiers=RATES, **schedule),
        )

    def sell(self, lines, **quote) -> Order:
        quoted = self.cpq.quote(self.account, start=FEB, lines=lines, **{"term": 12, **quote})
        return self.close(self.cpq.order(quoted))

    def amend(self, contract: Contract, start: str, *changes) -> Order:
        return self.close(self.cpq.amend(contract, start=date.fromisoformat(start), changes=changes))

    def close(self, order: Order) -> Order:
        self.cpq.contracts(self.cpq.activate(order, at=AT), at=AT)
        return order

    @contextmanager
    def reading(self) -> Iterator[Callable[[Order], tuple[OrderHistory, int]]]:
        """Yield a call that reads the contract of an order, with how many API calls that took."""
        org = Org(NOW)
        org.load(self.cpq.records())
        with host(create_app(org)) as hosted, SalesforceClient(hosted.url, "token") as client:
            reader = SalesforceReader(client, load_needed_schema(client, NEEDS))

            def read(order: Order) -> tuple[OrderHistory, int]:
                notice = reader.find_order(order.record_id)
                assert notice is not None
                before = org.usage()
                raw = reader.read_contract(notice, NEEDS, condition=DEFAULT_ACTIVATED_CONDITION)
                return order_history(raw, CONFIGURATION), org.usage() - before

            yield read


def the_line(history: OrderHistory, product: Product):
    assert history.refusals == ()
    (line,) = [
        line for order in history.orders for line in order.lines if line.product_id == product.record_id
    ]
    return line


def test_tiers_of_a_line_come_with_it_in_one_call() -> None:
    shop = Shop()
    calls = shop.calls()
    order = shop.sell([Line(product=shop.seat), Line(product=calls)])
    with shop.reading() as read:
        history, count = read(order)
    line = the_line(history, calls)
    assert count == 1
    assert line.metered
    assert line.tiers is not None
    assert line.tiers.mode is TiersMode.GRADUATED
    assert line.tiers.tiers == (
        Tier(up_to=100, unit_price=Decimal(0)),
        Tier(up_to=None, unit_price=Decimal("0.125")),
    )
    assert the_line(history, shop.seat).tiers is None


def test_tiers_of_a_product_take_one_call_more_where_lines_have_no_copy() -> None:
    shop = Shop()
    calls = shop.calls(kind="Range", is_copied=False)
    order = shop.sell([Line(product=calls)])
    plain = shop.sell([Line(product=shop.seat)])
    with shop.reading() as read:
        history, count = read(order)
        assert read(plain)[1] == 1
    line = the_line(history, calls)
    assert count == 2
    assert line.tiers is not None
    assert line.tiers.mode is TiersMode.VOLUME
    assert [tier.up_to for tier in line.tiers.tiers] == [100, None]


def test_coupons_copied_on_activation_are_on_order_and_line() -> None:
    shop = Shop()
    launch = shop.cpq.coupon(Name="Launch", Percent_Off__c=Decimal(25), Duration__c="once")
    loyal = shop.cpq.coupon(
        Name="Loyal",
        Amount_Off__c=Decimal("10.00"),
        Currency__c="USD",
        Duration__c="repeating",
        Duration_In_Months__c=3,
    )
    order = shop.sell([Line(product=shop.seat, coupons=(loyal, launch))], coupons=(launch,))
    with shop.reading() as read:
        history, count = read(order)
    assert history.refusals == ()
    (sold,) = history.orders
    assert count == 1
    assert [(coupon.name, coupon.percent_off) for coupon in sold.coupons] == [("Launch", Decimal(25))]
    (line,) = sold.lines
    assert [coupon.name for coupon in line.coupons] == ["Loyal", "Launch"]
    assert (line.coupons[0].amount_off, line.coupons[0].duration_in_months) == (Decimal(10), 3)


def test_segments_of_a_ramp_are_called_as_on_their_quote_lines() -> None:
    shop = Shop()
    lines = shop.cpq.ramp(shop.seat, start=FEB, segments=[(10, 50), (20, 45)])
    order = shop.sell(lines, term=24)
    with shop.reading() as read:
        history, _ = read(order)
    assert history.refusals == ()
    segments = [line.segment for line in history.orders[0].lines]
    assert [(segment.index, segment.label) for segment in segments if segment] == [
        (1, "Year 1"),
        (2, "Year 2"),
    ]


def whole(read, orders: list[Order]) -> tuple[OrderHistory, list[int]]:
    """Return the history, which has all orders whichever of them is asked for, and the calls each asking took."""
    found = [read(order) for order in orders]
    history = found[0][0]
    assert all(other == history for other, _ in found)
    assert [order.order_id for order in history.orders] == [order.record_id for order in orders]
    assert history.refusals == ()
    return history, [count for _, count in found]


def test_order_in_two_contracts_is_one_family_with_the_amendments_of_both() -> None:
    shop = Shop()
    first = shop.sell([Line(product=shop.workspace, quantity=3), Line(product=shop.seat, quantity=5)])
    by_kind = {contract.is_evergreen: contract for contract in first.contracts}
    workspaces, seats = first.lines
    more = shop.amend(by_kind[True], "2026-03-01", Change(line=workspaces, by=2))
    fewer = shop.amend(by_kind[False], "2026-04-01", Change(line=seats, by=-1))
    none = shop.close(shop.cpq.terminate(by_kind[True], at=date(2026, 5, 1)))
    with shop.reading() as read:
        history, calls = whole(read, [first, more, fewer, none])
    assert calls == [1, 1, 1, 1]
    assert history.contract_key == min(contract.record_id for contract in first.contracts)
    ended = history.orders[-1].lines
    assert {line.revises for line in ended} == {workspaces.record_id, more.lines[0].record_id}
    assert sum(line.quantity for line in ended) == -5
    assert all(line.evergreen and line.ends_on is None for line in ended)


def test_order_in_contracts_by_end_date_is_one_family() -> None:
    shop = Shop()
    lines = [Line(product=shop.seat, quantity=6), Line(product=shop.seat, quantity=2, end=date(2026, 7, 31))]
    first = shop.sell(lines, contracting_method="By Subscription End Date")
    long, short = first.contracts
    on_long = shop.amend(long, "2026-03-01", Change(line=first.lines[0], by=1))
    on_short = shop.amend(short, "2026-04-01", Change(line=first.lines[1], by=-1))
    with shop.reading() as read:
        history, calls = whole(read, [first, on_long, on_short])
    assert calls == [1, 1, 1]
    assert history.contract_key == min(long.record_id, short.record_id)


def test_two_orders_of_one_quote_are_one_family_with_all_amendments() -> None:
    shop = Shop()
    lines = [Line(product=shop.seat, quantity=6), Line(product=shop.workspace)]
    quoted = shop.cpq.quote(shop.account, start=FEB, lines=lines, term=12)
    first, second = (shop.close(shop.cpq.order(quoted, only={each})) for each in (0, 1))
    more = shop.amend(second.contracts[0], "2026-03-01", Change(line=second.lines[0], by=1))
    with shop.reading() as read:
        history, calls = whole(read, [first, second, more])
    assert calls == [1, 1, 1]
    assert [order.kind.value for order in history.orders] == ["initial", "initial", "amendment"]


def test_contract_made_by_an_amendment_stays_in_the_family_with_its_own_amendments() -> None:
    shop = Shop()
    first = shop.sell([Line(product=shop.seat, quantity=5)])
    plain = shop.sell([Line(product=shop.seat)])
    added = shop.amend(first.contracts[0], "2026-03-01", Line(product=shop.workspace, quantity=2))
    endless = added.contracts[1]
    more = shop.amend(endless, "2026-04-01", Change(line=added.lines[-1], by=4))
    with shop.reading() as read:
        history, calls = whole(read, [first, added, more])
        assert read(plain)[1] == 1
    assert endless.is_evergreen
    assert calls == [2, 2, 2]
    assert history.contract_key == min(first.contracts[0].record_id, endless.record_id)
    assert history.orders[2].lines[0].revises == added.lines[-1].record_id
