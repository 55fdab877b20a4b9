"""Orders of the kinds that need more than a price: usage with tiers, licences with tiers, coupons, no end."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from tests.faults.two_sides import NOW

from cpqbridge_sim.salesforce.cpq.engine import Cpq
from cpqbridge_sim.salesforce.cpq.model import Line, Order, Tier, UsageSchedule

Records = tuple[dict, tuple[str, ...]]

START = date(2026, 2, 1)
TRIAL_FIELD = "Trial_End__c"
TRIAL_MAPPING = {"phase": {"trial_end": {"field": f"Order.{TRIAL_FIELD}"}}}


class Shop:
    """A price book with one product of each kind, and a customer who buys."""

    def __init__(self) -> None:
        """Fill the price book."""
        self.cpq = Cpq(clock=lambda: NOW)
        self.customer = self.cpq.account("Customer 0", email="billing@customer.example")
        self.seat = self.cpq.product("Seat", frequency="Monthly", default_term=1)
        self.cpq.price(self.seat, Decimal(50))
        self.support = self.cpq.product("Support", frequency="Annual", default_term=12)
        self.cpq.price(self.support, Decimal(1200))
        self.workspace = self.cpq.product("Workspace", subscription_type="Evergreen", default_term=1)
        self.cpq.price(self.workspace, Decimal(30))
        tiers = (
            Tier(lower=1, upper=100, price=Decimal("0.20")),
            Tier(lower=101, upper=None, price=Decimal("0.10")),
        )
        self.messages = self.cpq.product(
            "Messages",
            billing_type="Arrears",
            charge_type="Usage",
            default_term=1,
            usage=UsageSchedule(tiers=tiers),
        )
        self.cpq.price(self.messages, 0)
        volume = (
            Tier(lower=1, upper=10, price=Decimal(50)),
            Tier(lower=11, upper=None, price=Decimal(40)),
        )
        self.licence = self.cpq.product(
            "Licence", default_term=1, usage=UsageSchedule(kind="Range", tiers=volume)
        )
        self.cpq.price(self.licence, 50)
        self.loyal = self.cpq.coupon(Name="Loyal", Percent_Off__c=Decimal(10), Duration__c="forever")
        self.launch = self.cpq.coupon(
            Name="Launch", Percent_Off__c=Decimal(25), Duration__c="repeating", Duration_In_Months__c=6
        )

    def sell(self, *lines: Line, contracted: bool = True, term: int | None = 12, **options: object) -> Order:
        """Sell for a year from 1 February 2026, activated on 28 January."""
        quote = self.cpq.quote(self.customer, start=START, lines=lines, term=term, **options)
        order = self.cpq.order(quote)
        self.cpq.activate(order, at=NOW)
        if contracted:
            self.cpq.contracts(order, at=NOW)
        return order

    def records(self, *orders: Order) -> Records:
        """Return what the org holds, and the ids of these orders."""
        return self.cpq.records(), tuple(order.record_id for order in orders)


def usage_under_a_coupon() -> Records:
    """Ten seats and messages by tiers, all of it ten percent cheaper: needs a meter and a coupon."""
    shop = Shop()
    return shop.records(
        shop.sell(Line(product=shop.seat, quantity=10), Line(product=shop.messages), coupons=(shop.loyal,))
    )


def seats_at_launch() -> Records:
    """Ten seats, a quarter cheaper for six months."""
    shop = Shop()
    return shop.records(shop.sell(Line(product=shop.seat, quantity=10), coupons=(shop.launch,)))


def licences() -> Records:
    """Eight licences at the price of the tier that their number reaches."""
    shop = Shop()
    return shop.records(shop.sell(Line(product=shop.licence, quantity=8)))


def without_an_end() -> Records:
    """Four workspaces that are billed by the month until somebody ends them."""
    shop = Shop()
    return shop.records(shop.sell(Line(product=shop.workspace, quantity=4), term=None))


def with_and_without_an_end() -> Records:
    """Ten seats for a year and two workspaces without an end, in one order."""
    shop = Shop()
    return shop.records(
        shop.sell(Line(product=shop.seat, quantity=10), Line(product=shop.workspace, quantity=2))
    )


def every_frequency() -> Records:
    """Ten seats by the month and support by the year, in one order."""
    shop = Shop()
    return shop.records(shop.sell(Line(product=shop.seat, quantity=10), Line(product=shop.support)))


def seats_after_a_trial() -> Records:
    """Ten seats for a year whose first six months are free, where the connection maps the trial's end."""
    shop = Shop()
    order = shop.sell(Line(product=shop.seat, quantity=10))
    shop.cpq.edit("Order", order.record_id, **{TRIAL_FIELD: "2026-08-01"})
    return shop.records(order)
