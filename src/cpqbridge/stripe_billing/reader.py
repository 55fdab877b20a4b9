"""What exists in Stripe for one contract: our own links, and the prices a Salesforce record names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from cpqbridge.domain.billing import BillingState, Link
from cpqbridge.domain.order import Parameters
from cpqbridge.stripe_billing.client import StripeBilling


def read_billing_state(
    client: StripeBilling,
    *,
    links: Mapping[str, Link],
    executed_at: Mapping[str, datetime],
    displayed_price_ids: Iterable[str] = (),
) -> BillingState:
    """Return the state of one contract: what our store knows, and each displayed price read from Stripe.

    Args:
        client: The account.
        links: The contract's links by key.
        executed_at: The execution instant of each order (aware UTC) by order id.
        displayed_price_ids: Price ids that stand on Salesforce records and that none of our links made; one
            call each, none for none. An id the account does not have is left out.
    """
    verified: dict[str, Parameters] = {}
    for price_id in sorted(set(displayed_price_ids)):
        price = client.retrieve_price(price_id)
        if price is not None:
            verified[price_id] = price_parameters(price)
    return BillingState(links=links, executed_at=executed_at, verified_prices=verified)


def price_parameters(price: Mapping[str, Any]) -> Parameters:
    """Return what decides whether a price is the one a line needs, in the words of `BillingState`.

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
