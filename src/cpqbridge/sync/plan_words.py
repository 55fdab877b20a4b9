"""Prices, intervals, instants and tiers of a plan in words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time
from decimal import Decimal

from cpqbridge.domain.billing import PhaseItem
from cpqbridge.domain.money import currency_decimals, major_text
from cpqbridge.domain.pricing import DiscountTerms, TieredPrice

_MONTHS_PER_YEAR = 12


def moment_text(instant: datetime) -> str:
    """Return an aware instant as its date, with the time of day in UTC where it is not midnight."""
    utc = instant.astimezone(UTC)
    return (
        f"{utc:%Y-%m-%d}" if utc.timetz() == time.min.replace(tzinfo=UTC) else f"{utc:%Y-%m-%d %H:%M:%S} UTC"
    )


def interval_text(months: int) -> str:
    """Return how often a price is billed, in words."""
    if months % _MONTHS_PER_YEAR == 0:
        years = months // _MONTHS_PER_YEAR
        return "year" if years == 1 else f"{years} years"
    return "month" if months == 1 else f"{months} months"


def price_text(unit_amount_decimal: str, currency: str) -> str:
    """Return a price in minor units as text in major units, with at least the currency's decimals."""
    decimals = currency_decimals(currency)
    value = Decimal(unit_amount_decimal).scaleb(-decimals)
    text = f"{value:f}"
    missing = decimals - len(text.partition(".")[2])
    if missing <= 0:
        return text
    return text + ("" if "." in text else ".") + "0" * missing


def tiers_texts(price: TieredPrice, currency: str) -> Iterator[str]:
    """Yield a tiered price in words: how its tiers count, then each tier with its amounts in major units."""
    counted = "each unit" if price.mode == "graduated" else "all units"
    by = "its own tier" if price.mode == "graduated" else "the tier they reach"
    yield f"{counted} at the price of {by}"
    first = 1
    for tier in price.tiers:
        amounts = []
        if Decimal(tier.unit_amount_decimal) or not Decimal(tier.flat_amount_decimal):
            amounts.append(f"{price_text(tier.unit_amount_decimal, currency)} each")
        if Decimal(tier.flat_amount_decimal):
            amounts.append(f"{price_text(tier.flat_amount_decimal, currency)} once a period")
        yield f"{_units_text(first, tier.up_to)}: {' and '.join(amounts)}"
        first = (tier.up_to or first) + 1


def discount_text(terms: DiscountTerms, currency: str) -> str:
    """Return what a coupon takes off, and up to when: `coupon Welcome: 20 % off`."""
    if terms.amount_off_minor is None:
        off = f"{terms.percent_off} % off"
    else:
        off = f"{major_text(terms.amount_off_minor, currency)} {currency.upper()} off each invoice"
    until = "" if terms.until_on is None else f", for periods that begin before {terms.until_on.isoformat()}"
    return f"coupon {terms.name}: {off}{until}"


def is_stub(item: PhaseItem) -> bool:
    """Return whether the item only keeps a place: it recurs at zero, and its time is billed once or not."""
    return item.price_key is None and item.tiers is None and not Decimal(item.unit_amount_decimal)


def _units_text(first: int, last: int | None) -> str:
    if last is None:
        return f"unit {first:,} and up" if first > 1 else "every unit"
    return f"unit {first:,}" if first == last else f"units {first:,} to {last:,}"
