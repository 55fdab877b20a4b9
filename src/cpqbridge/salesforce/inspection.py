"""What an admin asks an org before a setting is saved: how many records a filter meets, say."""

from __future__ import annotations

from dataclasses import dataclass

from cpqbridge.errors import CpqbridgeError, RecordError
from cpqbridge.mapping.filter_names import ACCOUNT_FILTER, ENTRY_FILTER, PRODUCT_FILTER
from cpqbridge.mapping.policies import Filters
from cpqbridge.mapping.precision_lines import PRECISION_FIELDS
from cpqbridge.mapping.raw import RawRecord
from cpqbridge.salesforce.client import SalesforceClient
from cpqbridge.salesforce.qualification import ORDER_SETTING, Qualification, blamed
from cpqbridge.salesforce.schema import OrgSchema
from cpqbridge.salesforce.soql import select
from cpqbridge.salesforce.soql_condition import read_condition

MOST_LINES = 2000
"""How many order products are looked at for the prorate precision, the newest ones: one page."""

_JOINED = "Id != null"
"""Stands for what a filter is joined with in use: some semi-joins are refused inside brackets only."""
_PARENTS = {ACCOUNT_FILTER: "Account", PRODUCT_FILTER: "Product2", ENTRY_FILTER: "PricebookEntry"}


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchCount:
    """How many records of an object meet a filter now."""

    object_name: str
    matching: int


class Inspection:
    """Asks an org about its records; it changes nothing."""

    def __init__(self, client: SalesforceClient, schema: OrgSchema) -> None:
        """Ask over `client` what `schema` says the org has."""
        self._client = client
        self._schema = schema

    def count(self, filters: Filters, setting: str) -> MatchCount:
        """Return how many records meet one of the filters, as the org counts them: one call, or two.

        A filter on orders counts those that are activated as well. One on accounts, products or price book
        entries is asked in the way it will be used, too: from the order, or the order product.

        Raises:
            ConfigurationError: it is no condition, or the org cannot read it (codes `filter_not_balanced`,
                `filter_syntax`, `filter_refused`; `field` is the setting).
        """
        qualification = Qualification.of(filters)
        try:
            if setting not in _PARENTS:
                return self._orders(qualification, setting)
            text = qualification.typed()[setting]
            parent = _PARENTS[setting]
            counted = self._count(parent, read_condition(text, setting=setting).enclosed)
            used = next(each for each in qualification.further_filters() if each.setting == setting)
            soql = select(["Id"], used.object_name, where=f"{_JOINED} AND {used.condition}")
            self._client.query(f"{soql} LIMIT 1")
        except CpqbridgeError as error:
            raise blamed(error, _only(qualification, setting)) from error
        return counted

    def precision_items(self) -> tuple[RawRecord, ...]:
        """Return the newest order products that may show how CPQ counts months, at most `MOST_LINES`."""
        fields = [name for name in PRECISION_FIELDS if self._schema.has("OrderItem", name)]
        wanted = ("SBQQ__ProrateMultiplier__c", "SBQQ__SubscriptionPricing__c", "ServiceDate", "EndDate")
        if any(name not in fields for name in wanted):
            return ()
        where = " AND ".join(f"{name} != null" for name in wanted)
        soql = select(fields, "OrderItem", where=where, order_by="CreatedDate DESC")
        return tuple(self._client.query(f"{soql} LIMIT {MOST_LINES}")["records"])

    def _orders(self, qualification: Qualification, setting: str) -> MatchCount:
        asked = (
            qualification if setting == ORDER_SETTING else Qualification(condition=qualification.condition)
        )
        return self._count("Order", " AND ".join(asked.conditions()))

    def _count(self, object_name: str, where: str) -> MatchCount:
        soql = select(["COUNT()"], object_name, where=f"{_JOINED} AND {where}")
        total = self._client.query(soql).get("totalSize")
        if not isinstance(total, int):
            raise RecordError(
                f"Salesforce did not say how many records of {object_name} there are.",
                code="salesforce_unexpected",
                fix="Try again.",
            )
        return MatchCount(object_name=object_name, matching=total)


def _only(qualification: Qualification, setting: str) -> Qualification:
    """Return what is asked for one setting alone, so that nothing else is blamed for it."""
    further = qualification.further or Filters()
    return Qualification(
        condition=qualification.condition if setting not in _PARENTS else "",
        filter=qualification.filter if setting == ORDER_SETTING else None,
        further=Filters(
            account=further.account if setting == ACCOUNT_FILTER else None,
            product=further.product if setting == PRODUCT_FILTER else None,
            pricebook_entry=further.pricebook_entry if setting == ENTRY_FILTER else None,
        ),
    )
