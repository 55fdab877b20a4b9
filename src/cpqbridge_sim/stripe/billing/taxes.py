"""Tax rates on invoice lines: which rates hold, what they come to, and the totals of an invoice.

Source: docs.stripe.com/billing/taxes/tax-rates and the SDK's texts on `tax_rates`, read 20 Nov 2026.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from cpqbridge_sim.stripe.errors import invalid, no_such, not_simulated
from cpqbridge_sim.stripe.rounding import round_half_up, round_line
from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body

_HUNDRED = 100
_EXEMPT_REASONS = {"exempt": "customer_exempt", "reverse": "reverse_charge"}


def read_tax_rates(
    state: AccountState, identifiers: Any, *, path: str, known: frozenset[str] = frozenset()
) -> list[Body]:
    """The tax rates of these ids; archived ones only when they are `known` on the object already.

    An empty string or None reads as no rates.

    Raises:
        StripeApiError: for an unknown or archived rate, the same rate twice, or inclusive beside exclusive.
    """
    rates: list[Body] = []
    for index, identifier in enumerate(identifiers or []):
        where = f"{path}[{index}]"
        rate = state.store.get("tax_rate", identifier)
        if rate is None:
            raise no_such("tax rate", identifier, param=where)
        if not rate["active"] and rate["id"] not in known:
            raise invalid(f"The tax rate {identifier} is archived and cannot be used any more.", where)
        if any(other["id"] == rate["id"] for other in rates):
            raise invalid(f"The tax rate {identifier} was named twice.", where)
        rates.append(rate)
    if len({rate["inclusive"] for rate in rates}) > 1:
        raise not_simulated("Inclusive and exclusive tax rates on one line", path)
    return rates


def remember_rates(state: AccountState, line: Body, rates: Sequence[Body]) -> None:
    """Keep a line's own rates; they stand before the invoice's `default_tax_rates`."""
    if rates:
        state.line_tax_rates[line["id"]] = list(rates)
    else:
        state.line_tax_rates.pop(line["id"], None)


def apply_taxes(state: AccountState, invoice: Body) -> None:
    """Write `taxes` on every line of a draft, from what its discounts leave."""
    for line in invoice["lines"]["data"]:
        rates = _rates_of(state, invoice, line)
        if rates or line["taxes"]:
            net = line["amount"] - sum(entry["amount"] for entry in line["discount_amounts"])
            line["taxes"] = taxes_on(state, net, rates, exemption=invoice["customer_tax_exempt"])


def _rates_of(state: AccountState, invoice: Body, line: Body) -> list[Body]:
    defaults: list[Body] = invoice["default_tax_rates"]
    return state.line_tax_rates.get(line["id"]) or defaults


def untaxed_subtotal(state: AccountState, invoice: Body) -> int:
    """The subtotal of an invoice without the inclusive taxes in it, in minor units."""
    result: int = invoice["subtotal"]
    for line in invoice["lines"]["data"]:
        own = sum(
            part["amount"] for part in line["discount_amounts"] if part["discount"] in line["discounts"]
        )
        rates = _rates_of(state, invoice, line)
        entries = taxes_on(state, line["amount"] - own, rates, exemption=invoice["customer_tax_exempt"])
        result -= inclusive_tax(entries)
    return result


def taxes_on(state: AccountState, net: int, rates: Sequence[Body], *, exemption: str = "none") -> list[Body]:
    """The tax entries on a net amount in minor units; each is rounded alone to the nearest minor unit.

    An inclusive tax is the part of `net` that it makes up, an exclusive one comes on top. A customer who is
    `exempt`, or accounts for the tax (`reverse`), pays none.
    """
    inclusive = sum((_percent(rate) for rate in rates if rate["inclusive"]), Fraction(0))
    entries: list[Body] = []
    for rate in rates:
        exact = net * _percent(rate) / (_HUNDRED + inclusive)
        amount = round_line(exact, ties_up=state.assumptions.tax_ties_round_up)
        reason = _EXEMPT_REASONS.get(exemption)
        entries.append(
            {
                "amount": amount if reason is None else 0,
                "tax_behavior": "inclusive" if rate["inclusive"] else "exclusive",
                "tax_rate_details": {"tax_rate": rate["id"]},
                "taxability_reason": reason or "not_available",
                "taxable_amount": net,
                "type": "tax_rate_details",
            }
        )
    return entries


def share_of_taxes(entries: Sequence[Body], part: int, whole: int) -> list[Body]:
    """The tax entries of an amount `whole` cut down to a part of it, each rounded alone, a half up."""
    return [
        {
            **entry,
            "amount": round_half_up(Fraction(entry["amount"] * part, whole)),
            "taxable_amount": round_half_up(Fraction(entry["taxable_amount"] * part, whole)),
        }
        for entry in entries
    ]


def _percent(rate: Body) -> Fraction:
    return Fraction(str(rate["percentage"]))


def exclusive_tax(entries: Sequence[Body]) -> int:
    """What these tax entries add to the amount they are on, in minor units."""
    return sum(entry["amount"] for entry in entries if entry["tax_behavior"] == "exclusive")


def inclusive_tax(entries: Sequence[Body]) -> int:
    """The part of an amount that these tax entries make up, in minor units."""
    return sum(entry["amount"] for entry in entries if entry["tax_behavior"] == "inclusive")


def total_taxes(lines: Sequence[Body]) -> list[Body]:
    """The tax entries of all lines, summed up by rate in the order in which they appear."""
    totals: dict[str, Body] = {}
    for line in lines:
        for entry in line["taxes"]:
            key = entry["tax_rate_details"]["tax_rate"]
            if key not in totals:
                totals[key] = {**entry, "amount": 0, "taxable_amount": 0}
            totals[key]["amount"] += entry["amount"]
            totals[key]["taxable_amount"] += entry["taxable_amount"]
    return list(totals.values())
