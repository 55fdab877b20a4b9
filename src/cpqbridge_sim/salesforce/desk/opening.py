"""What the CPQ engine has to know of a running org: its price book, its numbers, its prorate precision."""

from __future__ import annotations

from collections import Counter
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from cpqbridge_sim.salesforce import values
from cpqbridge_sim.salesforce.cpq.catalog import Catalog
from cpqbridge_sim.salesforce.cpq.contracting import FIRST_CONTRACT_NUMBER
from cpqbridge_sim.salesforce.cpq.engine import ExistingOrg
from cpqbridge_sim.salesforce.cpq.proration import PRECISIONS, Precision, months_in_span, prorate_multiplier
from cpqbridge_sim.salesforce.desk.lookups import live_records
from cpqbridge_sim.salesforce.desk.org_table import OrgTable, org_currency

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cpqbridge_sim.salesforce.org import Org
    from cpqbridge_sim.salesforce.values import Record

_TELLS_PRECISION: Final = Fraction(1, 10_000)
_MOST_DIGITS: Final = 12


def inferred_precision(org: Org) -> Precision:
    """The prorate precision that fits most lines which can tell; Monthly + Daily where none can."""
    fitting: Counter[Precision] = Counter()
    for item in live_records(org, "OrderItem"):
        multiplier = item.get("SBQQ__ProrateMultiplier__c")
        term = item.get("SBQQ__DefaultSubscriptionTerm__c")
        start, end = (_day(item, name) for name in ("ServiceDate", "EndDate"))
        # A typed term gives whole months whatever the setting says.
        if start is None or end is None or end < start or item.get("SBQQ__SubscriptionTerm__c") is not None:
            continue
        if not item.get("SBQQ__SubscriptionPricing__c") or not isinstance(multiplier, Decimal):
            continue
        months = {each: months_in_span(each, start, end) for each in PRECISIONS}
        if len(set(months.values())) > 1:
            default_term = Decimal(term) if isinstance(term, (int, Decimal)) and term else None
            fitting.update(
                each
                for each, length in months.items()
                if abs(prorate_multiplier(length, default_term) - Fraction(multiplier)) < _TELLS_PRECISION
            )
    return max(PRECISIONS, key=lambda each: (fitting[each], each == "monthly_daily"))


def _day(item: Record, name: str) -> date | None:
    text = item.get(name)
    return date.fromisoformat(text) if isinstance(text, str) and values.is_date(text) else None


def existing_org(org: Org, table: OrgTable) -> ExistingOrg:
    """The catalog and the numbers that the engine goes on with."""
    currency = org_currency(org)
    books = live_records(org, "Pricebook2")
    standard = next((str(book["Id"]) for book in books if book.get("IsStandard")), None)
    entries = [entry for entry in live_records(org, "PricebookEntry") if entry.get("IsActive") is not False]
    # A price of the standard book wins over one of another book, so it comes last.
    entries.sort(key=lambda entry: entry.get("Pricebook2Id") == standard)
    prices = {
        (str(entry.get("Product2Id")), str(entry.get("CurrencyIsoCode") or currency)): (
            str(entry["Id"]),
            Decimal(price),
        )
        for entry in entries
        if isinstance(price := entry.get("UnitPrice"), (int, Decimal))
    }
    book = standard or next((str(each["Pricebook2Id"]) for each in entries if each.get("Pricebook2Id")), "")
    numbers = [str(order.get("OrderNumber")) for order in live_records(org, "Order")]
    return ExistingOrg(
        table=table,
        catalog=Catalog(table, currency=currency, price_book_id=book, prices=prices),
        quotes=_highest(
            str(each.get("Name")).removeprefix("Q-") for each in live_records(org, "SBQQ__Quote__c")
        ),
        contracts=_highest(str(each.get("ContractNumber")) for each in live_records(org, "Contract"))
        or FIRST_CONTRACT_NUMBER - 1,
        next_order=_highest(numbers) + 1,
    )


def _highest(numbers: Iterable[str]) -> int:
    """The highest of what are whole numbers; 0 without any."""
    return max((int(each) for each in numbers if each.isdecimal() and len(each) <= _MOST_DIGITS), default=0)
