"""Filters asked for at the org before they are saved: whether it can read them, and how much they meet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cpqbridge.errors import ConfigurationError
from cpqbridge.mapping.policies import Filters
from cpqbridge.salesforce.inspection import MatchCount
from cpqbridge.sync.ports import SalesforceSide

FILTER_SETTINGS = (
    "filters.activated",
    "filters.Order",
    "filters.Account",
    "filters.Product2",
    "filters.PricebookEntry",
)
"""The settings that hold a SOQL condition, in the order in which they are asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterChecked:
    """What the org says of one filter: how many records meet it, or why it cannot be read."""

    setting: str
    count: MatchCount | None = None
    error: ConfigurationError | None = None


def checked_filters(
    side: SalesforceSide, filters: Filters, *, only: Iterable[str] = FILTER_SETTINGS
) -> tuple[FilterChecked, ...]:
    """Return what the org says of the filters that are set, one or two calls each.

    What is wrong with a filter comes back with it.

    Raises:
        CpqbridgeError: the org cannot be asked at all.
    """
    conditions = _texts(filters)
    found = []
    for setting in only:
        if not conditions[setting]:
            continue
        try:
            count = side.count_matching(filters, setting)
        except ConfigurationError as error:
            if error.field != setting:
                raise
            found.append(FilterChecked(setting=setting, error=error))
        else:
            found.append(FilterChecked(setting=setting, count=count))
    return tuple(found)


def changed_filters(before: Filters, after: Filters) -> tuple[str, ...]:
    """Return the settings of the filters that are set in `after` and were others in `before`."""
    old, new = _texts(before), _texts(after)
    return tuple(setting for setting in FILTER_SETTINGS if new[setting] and old[setting] != new[setting])


def require_readable(side: SalesforceSide, filters: Filters, settings: Iterable[str]) -> None:
    """Check that the org can read these filters.

    Raises:
        ConfigurationError: one is no condition, or the org cannot read it; `field` is its setting.
        CpqbridgeError: the org cannot be asked at all.
    """
    for checked in checked_filters(side, filters, only=settings):
        if checked.error is not None:
            raise checked.error


def _texts(filters: Filters) -> dict[str, str]:
    """Return every condition by its setting, empty where there is none."""
    return {
        "filters.activated": filters.activated or "",
        "filters.Order": filters.order or "",
        "filters.Account": filters.account or "",
        "filters.Product2": filters.product or "",
        "filters.PricebookEntry": filters.pricebook_entry or "",
    }
