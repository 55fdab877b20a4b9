"""The lines of tiered prices: one per tier touched.

Source: docs.stripe.com/subscriptions/pricing-models/tiered-pricing, read 21 Nov 2026.
"""

from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction

from cpqbridge_sim.stripe.billing.lines import LineDraft, price_text
from cpqbridge_sim.stripe.billing.tiers import Charge, is_tiered, tier_charges
from cpqbridge_sim.stripe.billing.usage import decimal_text
from cpqbridge_sim.stripe.rounding import round_line, round_proration
from cpqbridge_sim.stripe.state import AccountState


def split_by_tier(state: AccountState, lines: Iterable[LineDraft]) -> list[LineDraft]:
    """The same lines, those of tiered items as one line for each tier; every line is rounded by itself."""
    return [part for line in lines for part in _parts(state, line)]


def _parts(state: AccountState, line: LineDraft) -> list[LineDraft]:
    # The line of a pending invoice item has its amount already, that of a free trial none.
    settled = line.invoice_item is not None or line.free_trial
    if line.price is None or settled or not is_tiered(line.price):
        return [line]
    quantity = 1 if line.quantity is None else line.quantity
    units = Fraction(quantity) if line.units is None else line.units
    return [_part(state, line, charge) for charge in tier_charges(line.price, units)]


def _part(state: AccountState, line: LineDraft, charge: Charge) -> LineDraft:
    price = {**(line.price or {}), "unit_amount_decimal": charge.unit_amount_decimal or "0"}
    ties_up = state.assumptions.ordinary_line_ties_round_up
    exact = charge.amount * line.fraction
    text = line.description
    if not (line.usage and line.usage.is_free):
        tier = f"Tier {charge.tier} " if price["tiers_mode"] == "graduated" else ""
        each = Fraction(charge.unit_amount_decimal or charge.flat_amount_decimal or 0)
        text = price_text(state, price, decimal_text(charge.quantity), each, tier=tier)
    return replace(
        line,
        amount=round_line(exact, ties_up=ties_up) if line.fraction == 1 else round_proration(exact),
        description=text,
        price=price,
        quantity=int(charge.quantity),
        units=charge.quantity,
        discounts=list(line.discounts),
        discount_amounts=[],
    )
