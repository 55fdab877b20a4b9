"""The money terms of prices: amounts, tiers, packages, recurrence; all checks before a price is made.

Source: docs.stripe.com/api/prices/create, read 21 Nov 2026.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from cpqbridge_sim.stripe.currencies import THREE_DECIMAL_CURRENCIES, checked_currency
from cpqbridge_sim.stripe.errors import invalid, missing, no_such, not_simulated
from cpqbridge_sim.stripe.periods import Interval
from cpqbridge_sim.stripe.state import AccountState

_DECIMALS_MAX = 12
_INTEGER_DIGITS_MAX = 12
_MONTHS_MAX = 36
_DAYS_MAX = 156 * 7
_SECONDS_PER_DAY = 86_400
_AMOUNTS = ("unit_amount", "unit_amount_decimal")


def price_terms(state: AccountState, data: Mapping[str, Any], *, path: str, negative: bool) -> dict[str, Any]:
    """Checked money terms of `price_data` or of a price, by the names the price shows them under."""
    currency = checked_currency(data["currency"], param=_at(path, "currency"))
    recurring = _recurring(state, data.get("recurring"), _at(path, "recurring"))
    terms: dict[str, Any] = {
        "billing_scheme": data.get("billing_scheme", "per_unit"),
        "currency": currency,
        "recurring": recurring,
        "tax_behavior": data.get("tax_behavior", "unspecified"),
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "one_time" if recurring is None else "recurring",
    }
    if terms["billing_scheme"] == "tiered":
        return terms | _tiered(data, currency=currency, one_time=recurring is None)
    for name in ("tiers", "tiers_mode"):
        if name in data:
            raise invalid(f"`{name}` requires `billing_scheme` to be `tiered`.", _at(path, name))
    if "transform_quantity" in data:
        terms["transform_quantity"] = _transform(data["transform_quantity"])
    return terms | _unit_amount(data, path=path, currency=currency, negative=negative)


def _at(path: str, name: str) -> str:
    return f"{path}[{name}]" if path else name


def _unit_amount(data: Mapping[str, Any], *, path: str, currency: str, negative: bool) -> dict[str, Any]:
    if all(name in data for name in _AMOUNTS):
        raise invalid(
            "You may only specify one of these parameters: unit_amount, unit_amount_decimal.",
            _at(path, "unit_amount"),
        )
    if not any(name in data for name in _AMOUNTS):
        raise missing(_at(path, "unit_amount"))
    unit = Decimal(str(data.get("unit_amount", data.get("unit_amount_decimal"))))
    _check_amount(unit, path=path, name="unit_amount", currency=currency, negative=negative)
    return _shown("unit_amount", unit)


def _check_amount(amount: Decimal, *, path: str, name: str, currency: str, negative: bool = False) -> None:
    if amount < 0 and not negative:
        raise invalid("Invalid non-negative integer", _at(path, name), "parameter_invalid_integer")
    exponent = amount.normalize().as_tuple().exponent
    if isinstance(exponent, int) and -exponent > _DECIMALS_MAX:
        raise invalid(
            f"Invalid decimal: at most {_DECIMALS_MAX} decimal places.", _at(path, f"{name}_decimal")
        )
    if abs(amount) >= 10**_INTEGER_DIGITS_MAX:
        raise invalid("Invalid integer: the amount is too large.", _at(path, name))
    if currency in THREE_DECIMAL_CURRENCIES and amount % 10:
        raise invalid("Amounts in a three-decimal currency must end in 0.", _at(path, name))


def _shown(name: str, amount: Decimal | None) -> dict[str, Any]:
    """An amount as prices show it: as an integer if it is whole, and as decimal text."""
    if amount is None:
        return {name: None, f"{name}_decimal": None}
    whole = amount == amount.to_integral_value()
    text = str(int(amount)) if whole else f"{amount.normalize():f}"
    return {name: int(amount) if whole else None, f"{name}_decimal": text}


def _tiered(data: Mapping[str, Any], *, currency: str, one_time: bool) -> dict[str, Any]:
    if one_time:
        raise not_simulated("A tiered price that is not recurring", "billing_scheme")
    for name in (*_AMOUNTS, "transform_quantity"):
        if name in data:
            raise invalid(f"You cannot set `{name}` if `billing_scheme` is `tiered`.", name)
    for name in ("tiers", "tiers_mode"):
        if name not in data:
            raise missing(name)
    tiers = [
        _tier(tier, path=f"tiers[{index}]", currency=currency) for index, tier in enumerate(data["tiers"])
    ]
    _check_bounds([tier["up_to"] for tier in tiers])
    return {"tiers": tiers, "tiers_mode": data["tiers_mode"], **_shown("unit_amount", None)}


def _tier(data: Mapping[str, Any], *, path: str, currency: str) -> dict[str, Any]:
    tier: dict[str, Any] = {}
    for name in ("flat_amount", "unit_amount"):
        sent = [word for word in (name, f"{name}_decimal") if word in data]
        if len(sent) > 1:
            raise invalid(
                f"You may only specify one of these parameters: {', '.join(sent)}.", f"{path}[{name}]"
            )
        amount = Decimal(str(data[sent[0]])) if sent else None
        if amount is not None:
            _check_amount(amount, path=path, name=name, currency=currency)
        tier |= _shown(name, amount)
    if tier["flat_amount_decimal"] is None and tier["unit_amount_decimal"] is None:
        raise invalid("An entry in the tiers array is missing an amount.", "amount")
    return tier | {"up_to": None if data["up_to"] == "inf" else data["up_to"]}


def _check_bounds(bounds: list[int | None]) -> None:
    below = 0
    for index, bound in enumerate(bounds[:-1]):
        if bound is None or bound <= below:
            raise invalid(
                "The `up_to` values of the tiers must be positive and ascend; only the last is `inf`.",
                f"tiers[{index}][up_to]",
            )
        below = bound
    if bounds[-1] is not None:
        raise invalid("The last tier must have `up_to` set to `inf`.", f"tiers[{len(bounds) - 1}][up_to]")


def _transform(value: Mapping[str, Any]) -> dict[str, Any]:
    if value["divide_by"] < 1:
        raise invalid("`divide_by` must be at least 1.", "transform_quantity[divide_by]")
    return {"divide_by": value["divide_by"], "round": value["round"]}


def _recurring(state: AccountState, value: Any, path: str) -> dict[str, Any] | None:
    if not value:
        return None
    if "trial_period_days" in value:
        raise not_simulated("`recurring.trial_period_days`", f"{path}[trial_period_days]")
    count = value.get("interval_count", 1)
    if count < 1:
        raise invalid("`interval_count` must be at least 1.", f"{path}[interval_count]")
    interval = Interval(unit=value["interval"], count=count)
    if interval.months > _MONTHS_MAX or interval.seconds > _DAYS_MAX * _SECONDS_PER_DAY:
        raise invalid("The interval of a recurring price can be at most 3 years.", f"{path}[interval_count]")
    usage_type = value.get("usage_type", "licensed")
    return {
        "interval": interval.unit,
        "interval_count": count,
        "meter": _meter(state, value, usage_type, path),
        "trial_period_days": None,
        "usage_type": usage_type,
    }


def _meter(state: AccountState, value: Mapping[str, Any], usage_type: str, path: str) -> str | None:
    """Metered prices need a meter, and only they may have one (docs.stripe.com/changelog, 2025-03-31)."""
    identifier = value.get("meter")
    if usage_type == "licensed":
        if identifier is not None:
            raise invalid("`meter` can only be set if `usage_type` is `metered`.", f"{path}[meter]")
        return None
    if identifier is None:
        raise missing(f"{path}[meter]")
    meter = state.store.get("billing.meter", identifier)
    if meter is None:
        raise no_such("meter", identifier, param=f"{path}[meter]")
    if meter["status"] != "active":
        raise invalid(
            f"The meter {identifier} is inactive. You can't attach a deactivated meter to a price.",
            f"{path}[meter]",
        )
    return str(identifier)
