"""What a price read from Stripe says, in the words of the planner."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from cpqbridge.domain.order import Parameters


def price_parameters(price: Mapping[str, Any]) -> Parameters:
    """Return what decides whether a price is the one a line needs, as `BillingState.verified_prices` has it.

    `unit_amount_decimal` is plain digits in minor units without trailing zeros, None for a tiered price;
    `interval`, `interval_count` and `usage_type` are None for a one-time price.
    """
    recurring = price.get("recurring") or {}
    product = price.get("product")
    return {
        "product": product.get("id") if isinstance(product, Mapping) else product,
        "currency": price.get("currency"),
        "unit_amount_decimal": _digits(price.get("unit_amount_decimal")),
        "interval": recurring.get("interval"),
        "interval_count": recurring.get("interval_count"),
        "usage_type": recurring.get("usage_type"),
        "active": price.get("active") is True,
    }


def _digits(amount: object) -> str | None:
    if amount is None:
        return None
    text = format(Decimal(str(amount)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
