"""The settings of the filters on parents of orders and order products, as findings and queries name them."""

from __future__ import annotations

ACCOUNT_FILTER = "filters.Account"
PRODUCT_FILTER = "filters.Product2"
ENTRY_FILTER = "filters.PricebookEntry"
LINE_FILTERS = (PRODUCT_FILTER, ENTRY_FILTER)
"""The filters that leave out single lines; the one on accounts leaves out whole orders."""
