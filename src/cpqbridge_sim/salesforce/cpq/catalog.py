"""The part of the org that is there before anything is sold: company, accounts, products, prices, coupons."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from cpqbridge_sim.salesforce.cpq import consumption, shapes
from cpqbridge_sim.salesforce.cpq.model import (
    Account,
    Amount,
    Coupon,
    CpqError,
    Line,
    Product,
    ProductOptions,
    Tier,
    UsageSchedule,
)
from cpqbridge_sim.salesforce.cpq.table import RecordTable

Prices = dict[tuple[str, str], tuple[str, Decimal]]
"""Price book entry and list price of one default term, by product id and currency."""


class Catalog:
    """Writes the records of the catalog and answers what a product costs."""

    def __init__(
        self, table: RecordTable, *, currency: str, price_book_id: str, prices: Prices | None = None
    ) -> None:
        self._table = table
        self._currency = currency
        self._prices = prices or {}
        self._dimensions: dict[tuple[str, str], str] = {}
        self.price_book_id = price_book_id

    @classmethod
    def of_new_org(cls, table: RecordTable, *, currency: str) -> "Catalog":
        """Add the company and its price book to an empty org."""
        table.add(
            "Organization",
            {
                "Name": "Sample Company",
                "OrganizationType": "Enterprise Edition",
                "IsSandbox": True,
                "InstanceName": "CS42",
                "TimeZoneSidKey": "America/New_York",
                "DefaultLocaleSidKey": "en_US",
                "LanguageLocaleKey": "en_US",
            },
        )
        price_book_id = table.add(
            "Pricebook2", {"Name": "Standard Price Book", "IsActive": True, "IsStandard": True}
        )
        return cls(table, currency=currency, price_book_id=price_book_id)

    def account(self, name: str, *, email: str | None, phone: str | None, country: str) -> Account:
        """Add an account and its contact."""
        address = {
            "Street": "1 Market Street",
            "City": "Springfield",
            "State": None,
            "PostalCode": "10001",
            "Country": country,
        }
        surname = name.split(maxsplit=1)[0]
        record_id = self._table.add(
            "Account",
            {
                "Name": name,
                "Description": None,
                "Phone": phone,
                **{f"Billing{part}": value for part, value in address.items()},
                **{f"Shipping{part}": value for part, value in address.items()},
            },
        )
        contact_id = self._table.add(
            "Contact",
            {
                "AccountId": record_id,
                "FirstName": "Alex",
                "LastName": surname,
                "Name": f"Alex {surname}",
                "Email": email,
                "Phone": phone,
            },
        )
        return Account(record_id=record_id, name=name, contact_id=contact_id)

    def product(self, name: str, options: ProductOptions) -> Product:
        """Add a product and its consumption schedule."""
        record_id = self._table.next_id("Product2")
        usage = options.get("usage")
        if usage is not None:
            options = {**options, "usage": self._schedule(usage, record_id)}
        product = Product(record_id=record_id, name=name, **options)
        self._table.add("Product2", shapes.product_record(product), record_id=record_id)
        return product

    def price(self, product: Product, amount: Amount, currency: str | None) -> str:
        """Add the price book entry of a product in one currency, or change its price."""
        in_currency = currency or self._currency
        key = (product.record_id, in_currency)
        if key in self._prices:
            entry_id = self._prices[key][0]
            self._table.edit("PricebookEntry", entry_id, {"UnitPrice": Decimal(amount)})
        else:
            entry_id = self._table.add(
                "PricebookEntry",
                {
                    "Name": product.name,
                    "Pricebook2Id": self.price_book_id,
                    "Product2Id": product.record_id,
                    "UnitPrice": Decimal(amount),
                    "IsActive": True,
                    "UseStandardPrice": False,
                },
                currency=in_currency,
            )
        self._prices[key] = (entry_id, Decimal(amount))
        return entry_id

    def list_price(self, product: Product, currency: str) -> Decimal:
        """Return the price of one default term.

        Raises:
            CpqError: the price book has no entry for the product in this currency.
        """
        return self._entry(product, currency)[1]

    def entry_id(self, product: Product, currency: str) -> str:
        """Return the id of the price book entry, with the same error as `list_price`."""
        return self._entry(product, currency)[0]

    def dimension(self, product: Product, kind: str) -> str:
        """Return the price dimension (MDQ) of a product, added when first asked for."""
        key = (product.record_id, kind)
        if key not in self._dimensions:
            self._dimensions[key] = self._table.add(
                "SBQQ__Dimension__c",
                {
                    "Name": f"{product.name} by {kind.lower()}",
                    "SBQQ__Product__c": product.record_id,
                    "SBQQ__Type__c": kind,
                    "SBQQ__UnitPrice__c": None,
                    "SBQQ__PriceBook__c": self.price_book_id,
                },
            )
        return self._dimensions[key]

    def block_price(self, line: Line, currency: str) -> str:
        """Add the block price a line was sold at and return its id."""
        return self._table.add(
            "SBQQ__BlockPrice__c",
            {
                "Name": f"{line.product.name} block",
                "SBQQ__Product__c": line.product.record_id,
                "SBQQ__LowerBound__c": Decimal(line.quantity),
                "SBQQ__UpperBound__c": None,
                "SBQQ__Price__c": Decimal(line.block_price or 0),
            },
            currency=currency,
        )

    def coupon(self, fields: dict[str, Any]) -> Coupon:
        """Add a Quote Stripe Coupon."""
        return Coupon(record_id=self._table.add("Quote_Stripe_Coupon__c", fields), fields=fields)

    def _entry(self, product: Product, currency: str) -> tuple[str, Decimal]:
        try:
            return self._prices[product.record_id, currency]
        except KeyError:
            raise CpqError(f"The price book has no {currency} entry for {product.name}.") from None

    def _schedule(self, usage: UsageSchedule, product_id: str) -> UsageSchedule:
        schedule_id = self._table.add("ConsumptionSchedule", consumption.schedule_record(usage))
        for order, tier in enumerate(usage.tiers, start=1):
            self._rate(tier, order, schedule_id)
        self._table.add(
            "ProductConsumptionSchedule", {"ProductId": product_id, "ConsumptionScheduleId": schedule_id}
        )
        return replace(usage, record_id=schedule_id)

    def _rate(self, tier: Tier, order: int, schedule_id: str) -> None:
        self._table.add(
            "ConsumptionRate", consumption.rate_record(tier, order, schedule_id, on_order_item=False)
        )
