"""The conditions of the configuration in SOQL, and whose mistake a refused query is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from cpqbridge.errors import ConfigurationError, CpqbridgeError
from cpqbridge.mapping.filter_names import ACCOUNT_FILTER, ENTRY_FILTER, PRODUCT_FILTER
from cpqbridge.mapping.policies import Filters
from cpqbridge.salesforce.soql_condition import read_condition, shown_condition

ACTIVATED_SETTING = "filters.activated"
ORDER_SETTING = "filters.Order"

_QUOTED_NAME = re.compile(r"'([\w.]+)'")


@dataclass(frozen=True, slots=True, kw_only=True)
class FurtherFilter:
    """A filter on a parent of orders or order products, as a condition on the child, `object_name`."""

    setting: str
    object_name: str
    condition: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Qualification:
    """Which orders qualify (B1.1): `condition` (empty: every order) and an admin's `filter`, both SOQL.

    `further` has the filters on accounts, products and price book entries.
    """

    condition: str = ""
    filter: str | None = None
    further: Filters | None = None

    @staticmethod
    def of(filters: Filters) -> Qualification:
        """Return what the configuration's filters ask."""
        return Qualification(condition=filters.activated or "", filter=filters.order, further=filters)

    def conditions(self) -> list[str]:
        """Return the conditions on orders themselves, each in its own parentheses.

        Raises:
            ConfigurationError: one is no condition (codes `filter_not_balanced`, `filter_syntax`).
        """
        return [read_condition(text, setting=setting).enclosed for setting, text in self._of_orders()]

    def further_filters(self) -> tuple[FurtherFilter, ...]:
        """Return the filters on parents, as conditions in parentheses on their children.

        Raises:
            ConfigurationError: one is no condition (codes `filter_not_balanced`, `filter_syntax`).
        """
        return tuple(
            FurtherFilter(
                setting=setting,
                object_name=child,
                condition=read_condition(text, setting=setting).seen_from(
                    parent, object_name=parent, key=f"{parent}Id"
                ),
            )
            for setting, text, child, parent in self._of_parents()
        )

    def typed(self) -> dict[str, str]:
        """Return every condition by its setting."""
        return dict(self._of_orders()) | {setting: text for setting, text, *_ in self._of_parents()}

    def _of_orders(self) -> Iterator[tuple[str, str]]:
        if self.condition.strip():
            yield ACTIVATED_SETTING, self.condition
        if self.filter is not None and self.filter.strip():
            yield ORDER_SETTING, self.filter

    def _of_parents(self) -> Iterator[tuple[str, str, str, str]]:
        if self.further is None:
            return
        given = (
            (ACCOUNT_FILTER, self.further.account, "Order", "Account"),
            (PRODUCT_FILTER, self.further.product, "OrderItem", "Product2"),
            (ENTRY_FILTER, self.further.pricebook_entry, "OrderItem", "PricebookEntry"),
        )
        for setting, text, child, parent in given:
            if text is not None and text.strip():
                yield setting, text, child, parent


def blamed(error: CpqbridgeError, qualification: Qualification) -> CpqbridgeError:
    """Return an error about the admin's text where that is what Salesforce could not read, else `error`.

    The setting is the one that has a name Salesforce complains of, else the last one that was typed.
    """
    typed = qualification.typed()
    names = _QUOTED_NAME.findall(error.message)
    having = [setting for setting, text in typed.items() if any(name in text for name in names)]
    is_query = error.code == "salesforce_query"
    is_field = error.code == "salesforce_configuration" and bool(having)
    if not typed or not (is_query or is_field):
        return error
    setting = having[0] if having else list(typed)[-1]
    return ConfigurationError(
        f"Salesforce cannot read the condition of {setting}, {shown_condition(typed[setting])!r}. "
        f"{error.message}",
        code="filter_refused",
        field=setting,
        fix="Correct filters in the configuration; Salesforce's text names the place.",
    )
