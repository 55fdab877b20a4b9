"""Exports as strangers write them: their habits differ, what was sold is drawn by lot and priced as CPQ does."""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

from tests.acceptance.slow_calculator import (
    DAY,
    DECIMALS,
    SoldLine,
    months_later,
    rounded,
    term,
    whole_months,
)

Record = dict[str, Any]
FREQUENCIES = {1: "Monthly", 3: "Quarterly", 6: "Semiannual", 12: "Annual"}
LIST_PRICES = ("50", "99.99", "1200", "33.33", "7.77", "0", "0.05", "123.456")
HARD_STARTS = (date(2026, 1, 31), date(2026, 8, 31), date(2028, 2, 29), date(2027, 12, 31))


@dataclass(frozen=True, kw_only=True)
class Habits:
    """How one stranger's org is set up, and how they export it."""

    seed: int
    precision: str
    currencies: Sequence[str]
    has_currency_field: bool = False
    price_decimals: int = 0
    multiplier_decimals: int | None = 15
    answer_of_the_cli: bool = True
    nested: bool = False
    full_of_nulls: bool = False
    status: Mapping[str, str | None] = field(default_factory=lambda: {"Status": "Activated"})


@dataclass(frozen=True, kw_only=True)
class Sold:
    """What one order sold."""

    lines: list[SoldLine]
    months: int
    currency: str
    activated_at: datetime


class Stranger:
    """Makes one export, and remembers what it sold by order id (15 characters)."""

    def __init__(self, habits: Habits, orders: int) -> None:
        self.habits = habits
        self.chance = random.Random(habits.seed)
        self.serial = 0
        names = ("Order", "OrderItem", "Product2", "PricebookEntry", "Account", "SBQQ__Quote__c")
        self.records: dict[str, list[Record]] = {name: [] for name in names}
        self.accounts = {currency: self.an_id("001") for currency in habits.currencies}
        for currency, account_id in self.accounts.items():
            self.add("Account", currency, Id=account_id, Name=f"Customer in {currency}", BillingCity=None)
        self.products = [self._product() for _ in range(6)]
        self.sold = dict(self._order(number) for number in range(orders))

    def an_id(self, prefix: str) -> str:
        self.serial += 1
        return f"{prefix}{''.join(self.chance.choices('aBcDeFgH', k=6))}{self.serial:06}"

    def add(self, name: str, currency: str, /, **fields: Any) -> Record:
        record = dict(fields)
        if self.habits.has_currency_field:
            record["CurrencyIsoCode"] = currency.upper()
        self.records[name].append(record)
        return record

    def write(self, folder: Path) -> Path:
        """Write the six files, records in any order, beside a file that is none of our business."""
        folder.mkdir(parents=True)
        for name, rows in self.records.items():
            self.chance.shuffle(rows)
            answer = {"status": 0, "result": {"records": rows, "totalSize": len(rows), "done": True}}
            content = answer if self.habits.answer_of_the_cli else rows
            (folder / f"{name}.json").write_text(json.dumps(content))
        (folder / "package.json").write_text('{"name": "something else"}')
        return folder

    def _product(self) -> tuple[str, int, dict[str, tuple[str, Fraction]]]:
        product_id, months = self.an_id("01t"), self.chance.choice((1, 1, 12, 3))
        self.add("Product2", self.habits.currencies[0], Id=product_id, Name=f"Product {self.serial}")
        entries = {}
        for currency in self.habits.currencies:
            price = rounded(Fraction(self.chance.choice(LIST_PRICES)), DECIMALS[currency])
            entries[currency] = (self.an_id("01u"), price)
            self.add(
                "PricebookEntry",
                currency,
                Id=entries[currency][0],
                Product2Id=product_id,
                UnitPrice=float(price),
            )
        return product_id, months, entries

    def _order(self, number: int) -> tuple[str, Sold]:
        chance, currency = self.chance, self.chance.choice(self.habits.currencies)
        months = chance.choice((1, 1, 1, 3, 6, 12))
        start = chance.choice((*HARD_STARTS, date(2026, chance.randint(1, 12), chance.randint(1, 28))))
        since_start = chance.choice(
            (
                timedelta(0),
                timedelta(hours=7),
                timedelta(days=-30, hours=5),
                timedelta(days=20),
                timedelta(days=45),
            )
        )
        activated_at = datetime.combine(start, time(), UTC) + since_start
        order_id, quote_id = self.an_id("801"), self.an_id("a0z")
        order = self.add(
            "Order",
            currency,
            **self.habits.status,
            Id=order_id,
            OrderNumber=f"{number:08}",
            ActivatedDate=f"{activated_at:%Y-%m-%dT%H:%M:%S}.000+0000",
            EffectiveDate=start.isoformat(),
            AccountId=self.accounts[currency],
            SBQQ__Quote__c=quote_id,
            SBQQ__PaymentTerm__c=chance.choice(("Net 30", "45", "-", "", None)),
            BillToContact={"Email": "bills@customer.example"},
            Loyalty__c=chance.choice((1, "gold", True, None)),
        )
        if self.habits.nested:
            order["SBQQ__Quote__r"] = {"attributes": {"type": "SBQQ__Quote__c"}, "SBQQ__Type__c": "Quote"}
        self.add("SBQQ__Quote__c", currency, Id=quote_id, SBQQ__StartDate__c=start.isoformat())
        lines = [
            self._line(order_id, currency, start, months=months, first=place == 0)
            for place in range(chance.choice((1, 1, 2, 3)))
        ]
        return order_id, Sold(lines=lines, months=months, currency=currency, activated_at=activated_at)

    def _line(self, order_id: str, currency: str, start: date, *, months: int, first: bool) -> SoldLine:
        chance = self.chance
        product_id, list_months, entries = chance.choice(self.products)
        entry_id, price = entries[currency]
        scale = max(self.habits.price_decimals, DECIMALS[currency])
        quantity = chance.choice((1, 2, 3, 7, 100))
        discount = chance.choice((Fraction(0), Fraction(0), Fraction(1, 10), Fraction(1, 3)))
        end: date | None = None
        share = Fraction(1)
        if chance.random() < 0.8:
            start = start if first or chance.random() < 0.5 else start + DAY * chance.randint(1, 100)
            end = months_later(start, chance.choice((12, 24, 36))) + DAY * chance.choice((0, 0, 0, 11, -17))
            share = term(start, end, self.habits.precision) / list_months
        unit_price = rounded(rounded(price * share, scale) * (1 - discount), scale)
        total = rounded(unit_price * quantity, DECIMALS[currency])
        item = self.add(
            "OrderItem",
            currency,
            Id=self.an_id("802"),
            OrderId=order_id,
            Product2Id=product_id,
            PricebookEntryId=entry_id,
            Quantity=quantity,
            UnitPrice=float(unit_price),
            TotalPrice=float(total),
            ServiceDate=start.isoformat(),
        )
        whole = end is not None and months_later(start, whole_months(start, end)) == end
        says_months = whole and self._says(share * list_months, start, end, list_months)
        if end is not None:
            item |= {
                "EndDate": (end - DAY).isoformat(),
                "SBQQ__SubscriptionPricing__c": "Fixed Price",
                "SBQQ__BillingFrequency__c": FREQUENCIES[months],
                "SBQQ__DefaultSubscriptionTerm__c": list_months,
            }
            if self.habits.multiplier_decimals is not None:
                item["SBQQ__ProrateMultiplier__c"] = float(rounded(share, self.habits.multiplier_decimals))
        if self.habits.full_of_nulls:
            names = ("EndDate", "SBQQ__Status__c", "SBQQ__SegmentKey__c", "SBQQ__RevisedOrderProduct__c")
            item |= {name: item.get(name) for name in names}
        return SoldLine(
            item_id=item["Id"],
            product_id=product_id,
            start=start,
            end=end,
            quantity=quantity,
            unit_price=unit_price,
            total=total,
            list_price=price,
            list_months=list_months,
            typed_term=says_months,
        )

    def _says(self, months: Fraction, start: date, end: date | None, list_months: int) -> bool:
        """Return whether the multiplier says whole months: then the term counts as typed by a person."""
        if self.habits.multiplier_decimals is None or end is None:
            return False
        return abs(months - whole_months(start, end)) <= Fraction(list_months, 20000)
