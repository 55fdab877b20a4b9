"""The sales desk of the sample company: its catalog, and one call per deal."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Unpack

from cpqbridge_sim.salesforce.cpq.amending import product_changes
from cpqbridge_sim.salesforce.cpq.engine import Cpq
from cpqbridge_sim.salesforce.cpq.model import (
    Account,
    Change,
    Changes,
    Contract,
    Line,
    Order,
    Product,
    Tier,
    UsageSchedule,
)
from cpqbridge_sim.salesforce.cpq.quoting import QuoteOptions

_COUNTRIES = {"USD": "United States", "EUR": "Germany", "JPY": "Japan", "KWD": "Kuwait"}
_UNTIL_CONTRACTED = timedelta(minutes=2)


def instant(text: str) -> datetime:
    """Return an instant given as ISO text in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def day(text: str) -> date:
    """Return a date given as ISO text."""
    return date.fromisoformat(text)


class Products:
    """The price book of Larkfield Software; prices are for one default term."""

    def __init__(self, cpq: Cpq) -> None:
        self._cpq = cpq
        recurring, one_time = self._recurring, self._one_time
        self.seat = recurring("Seat", "50", "Monthly", 1)
        self.enterprise_seat = recurring("Enterprise Seat", "80", "Monthly", 1)
        self.archive = recurring("Data Archive", "100", "Monthly", 12)
        self.reports = recurring("Quarterly Reports", "300", "Quarterly", 3)
        self.analytics = recurring("Analytics", "120", "Quarterly", 12)
        self.audit = recurring("Security Audit", "100", "Semiannual", 12)
        self.support = recurring("Premium Support", "1200", "Annual", 12)
        self.insurance = recurring("Uptime Insurance", "480", "Annual", None)
        self.suite = recurring("Suite", "2400", "Monthly", 12)
        self.mobile = recurring("Suite: Mobile App", "240", "Monthly", 12)
        self.connectors = recurring("Suite: Connectors", "360", "Monthly", 12)
        self.storage = recurring("Storage Block", "900", "Monthly", 12)
        self.growth = recurring("Growth Plan", "1000", "Annual", 12)
        self.onboarding = one_time("Onboarding", "750")
        self.training = one_time("Training Day", "900")
        self.goodwill = one_time("Goodwill Credit", "0")
        self.success = cpq.product("Success Plan", pricing="Percent Of Total", percent=Decimal(20))
        cpq.price(self.success, 0)
        self.workspace = cpq.product("Cloud Workspace", subscription_type="Evergreen", default_term=1)
        cpq.price(self.workspace, "25")
        self.api_calls = self._metered()
        for currency, price in (("EUR", "45"), ("JPY", "7200"), ("KWD", "15.37")):
            cpq.price(self.seat, price, currency=currency)
        cpq.price(self.archive, "1440", currency="JPY")
        cpq.price(self.onboarding, "99.5", currency="KWD")
        self.reader = cpq.product(
            "Badge Reader", pricing=None, default_term=None, charge_type="One-Time", refundable=True
        )
        cpq.price(self.reader, "89")

    def _recurring(self, name: str, price: str, frequency: str, term: int | None) -> Product:
        product = self._cpq.product(name, frequency=frequency, default_term=term, code=name.upper()[:12])
        self._cpq.price(product, price)
        return product

    def _one_time(self, name: str, price: str) -> Product:
        product = self._cpq.product(name, pricing=None, default_term=None, charge_type="One-Time")
        self._cpq.price(product, price)
        return product

    def _metered(self) -> Product:
        product = self._cpq.product(
            "API Calls",
            billing_type="Arrears",
            charge_type="Usage",
            default_term=1,
            unit="API Call",
            usage=UsageSchedule(
                unit="API Call",
                tiers=(
                    Tier(lower=1, upper=10_000, price=Decimal(0)),
                    Tier(lower=10_001, upper=100_000, price=Decimal("0.02")),
                    Tier(lower=100_001, upper=None, price=Decimal("0.01")),
                ),
            ),
        )
        self._cpq.price(product, 0)
        return product


class Desk:
    """Sells: a story is `Title: what the order shows`, which becomes the order's name and description."""

    def __init__(self) -> None:
        self._now = instant("2025-11-03T09:00")
        self.cpq = Cpq(multi_currency=True, clock=lambda: self._now)
        self.products = Products(self.cpq)
        organization_id = self.cpq.records()["Organization"][0]["Id"]
        self.cpq.edit("Organization", organization_id, Name="Larkfield Software")

    def account(self, name: str, *, currency: str = "USD", has_email: bool = True) -> Account:
        """Return a new customer."""
        domain = name.lower().replace(" ", "-").replace(".", "")
        email = f"billing@{domain}.example" if has_email else None
        return self.cpq.account(name, email=email, phone="+1 202 555 0100", country=_COUNTRIES[currency])

    def draft(
        self,
        customer: str | Account,
        story: str,
        *,
        start: str,
        lines: Sequence[Line],
        fields: Mapping[str, Any] | None = None,
        **quote: Unpack[QuoteOptions],
    ) -> Order:
        """Return a draft order; a term of twelve months unless the quote says otherwise."""
        account = customer
        if isinstance(account, str):
            account = self.account(account, currency=quote.get("currency", "USD"))
        if "end" not in quote:
            quote = {"term": 12, **quote}
        name, description = story.split(": ", maxsplit=1)
        priced = self.cpq.quote(account, start=day(start), lines=lines, **quote)
        return self.cpq.order(priced, name=name, description=description, fields=fields or {})

    def close(self, order: Order, activated: str) -> None:
        """Activate an order and contract it two minutes later."""
        self._now = instant(activated)
        self.cpq.activate(order, at=self._now)
        self.cpq.contracts(order, at=self._now + _UNTIL_CONTRACTED)

    def sell(
        self,
        customer: str | Account,
        story: str,
        *,
        activated: str,
        start: str,
        lines: Sequence[Line],
        fields: Mapping[str, Any] | None = None,
        **quote: Unpack[QuoteOptions],
    ) -> Order:
        """Draft the day before, activate and contract an order."""
        self._now = instant(activated) - timedelta(days=1)
        order = self.draft(customer, story, start=start, lines=lines, fields=fields, **quote)
        self.close(order, activated)
        return order

    def sell_in_two_orders(
        self, customer: str, story: str, *, activated: tuple[str, str], start: str, lines: Sequence[Line]
    ) -> None:
        """Order the first line of a quote, and the others later."""
        self._now = instant(activated[0]) - timedelta(days=1)
        name, description = story.split(": ", maxsplit=1)
        quote = self.cpq.quote(self.account(customer), start=day(start), term=12, lines=lines)
        for number, (only, at) in enumerate(zip(({0}, set(range(1, len(lines)))), activated, strict=True), 1):
            title = f"{name} ({number})"
            self.close(self.cpq.order(quote, only=only, name=title, description=description), at)

    def amend(
        self, sold: Order | Contract, story: str, *, activated: str, start: str, changes: Changes
    ) -> Order:
        """Amend a contract, that of an order or one of several, and activate and contract the amendment."""
        amendment = self.amendment(sold, story, drafted=activated, start=start, changes=changes)
        self.close(amendment, activated)
        return amendment

    def amendment(
        self, sold: Order | Contract, story: str, *, drafted: str, start: str, changes: Changes
    ) -> Order:
        """Return the draft of an amendment, made three hours before `drafted`."""
        self._now = instant(drafted) - timedelta(hours=3)
        name, description = story.split(": ", maxsplit=1)
        contract = sold.contracts[0] if isinstance(sold, Order) else sold
        return self.cpq.amend(contract, start=day(start), changes=changes, name=name, description=description)

    def change_seats(self, order: Order, story: str, *, activated: str, start: str, by: int) -> Order:
        """Amend the number of seats on the contract of an order, newest seats first where there are fewer."""
        seat = self.products.seat.record_id
        changes = product_changes(order.contracts[0], seat, Decimal(by), day(start))
        return self.amend(order, story, activated=activated, start=start, changes=changes)

    def change_first_line(self, order: Order, story: str, *, activated: str, start: str, by: int) -> Order:
        """Amend the quantity of an order's first line."""
        change = Change(line=order.lines[0], by=by)
        return self.amend(order, story, activated=activated, start=start, changes=[change])

    def terminate(self, order: Order, story: str, *, activated: str, at: str) -> Order:
        """End everything on the contract of an order."""
        self._now = instant(activated) - timedelta(hours=3)
        name, description = story.split(": ", maxsplit=1)
        termination = self.cpq.terminate(order.contracts[0], at=day(at), name=name, description=description)
        self.close(termination, activated)
        return termination

    def renew(self, order: Order, story: str, *, activated: str, start: str | None = None) -> Order:
        """Renew the contract of an order for a year, from the day after its end or another one."""
        renewal = self.renewal(order, story, drafted=activated, start=start)
        self.close(renewal, activated)
        return renewal

    def renewal(self, order: Order, story: str, *, drafted: str, start: str | None) -> Order:
        """Return the draft of a renewal, made a week before `drafted`."""
        self._now = instant(drafted) - timedelta(days=7)
        name, description = story.split(": ", maxsplit=1)
        return self.cpq.renew(
            order.contracts[0], start=day(start) if start else None, name=name, description=description
        )
