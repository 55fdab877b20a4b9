from datetime import UTC, datetime

import pytest

from cpqbridge_sim.salesforce.cpq import Cpq

AT = datetime(2026, 1, 28, 15, 4, 5, tzinfo=UTC)


class Shop:
    """An engine with an account, a monthly seat and onboarding, and short calls for the tests."""

    def __init__(self, **settings):
        self.cpq = Cpq(**settings)
        self.account = self.cpq.account("Baden Trading", email="ap@baden.example")
        self.seat = self.product("Seat", 50, default_term=1)
        self.support = self.product("Support", 1200, default_term=12, frequency="Annual")
        self.onboarding = self.product("Onboarding", 750, pricing=None, default_term=None)

    def product(self, name, price, **options):
        product = self.cpq.product(name, **options)
        self.cpq.price(product, price)
        return product

    def draft(self, lines, start, **quote):
        return self.cpq.order(self.cpq.quote(self.account, start=start, lines=lines, **quote))

    def sell(self, lines, start, **quote):
        order = self.cpq.activate(self.draft(lines, start, **quote), at=AT)
        self.cpq.contracts(order, at=AT)
        return order

    def close(self, order):
        return self.cpq.contract(self.cpq.activate(order, at=AT), at=AT)

    def items(self, order):
        return [self.cpq.record("OrderItem", line.record_id) for line in order.lines]


@pytest.fixture
def shop():
    return Shop()


@pytest.fixture
def new_shop():
    return Shop
