"""Credits and debits for a change inside a period.

Source: docs.stripe.com/billing/subscriptions/prorations, read 20 Nov 2026.
"""

from fractions import Fraction
from typing import Any

from cpqbridge_sim.stripe.billing.discounts import classic_credit, discounted
from cpqbridge_sim.stripe.billing.itemization import (
    ProrationPrice,
    credit_price,
    lower,
    own_discounts,
    rounded,
    shown_amount,
    shown_discounts,
)
from cpqbridge_sim.stripe.billing.lines import exact_amount, product_name
from cpqbridge_sim.stripe.billing.tiers import is_metered
from cpqbridge_sim.stripe.billing.trials import trial_after, trial_text
from cpqbridge_sim.stripe.periods import Interval, day_text, period_at
from cpqbridge_sim.stripe.state import AccountState, Debit
from cpqbridge_sim.stripe.store import Body


def credit_unused(state: AccountState, subscription: Body, item: Body, *, at: int) -> list[Body]:
    """Pending invoice items that give back the time of an item after `at`; its debits are cut there."""
    if subscription["billing_mode"]["type"] == "classic":
        made = _classic(state, subscription, item, at=at)
        # Classic billing reads no debits, but they shall be right when it becomes flexible.
        forget_future_debits(state, item, at=at)
        return made
    given_back: list[Body] = []
    for debit in state.debits.get(item["id"], []):
        start = max(debit.start, at)
        # What was billed ahead and given back already has no length any more.
        if debit.end <= start:
            continue
        price = credit_price(debit, start=start)
        if debit.net_amount:
            given_back.append(
                _proration_item(
                    state, subscription, item, price=price, start=start, end=debit.end, credited=debit
                )
            )
        lower(debit, price, end=start)
    _forget_ahead(item, at=at)
    return given_back


def _forget_ahead(item: Body, *, at: int) -> None:
    """What was billed ahead beyond `at` is so no longer."""
    if item["billed_until"] is not None and item["billed_until"] > at:
        item["billed_until"] = None


def forget_future_debits(state: AccountState, item: Body, *, at: int) -> None:
    """Cut an item's debits at `at` without giving anything back."""
    _forget_ahead(item, at=at)
    for debit in state.debits.get(item["id"], []):
        debit.end = min(debit.end, at)


def _classic(state: AccountState, subscription: Body, item: Body, *, at: int) -> list[Body]:
    start, end = item["current_period_start"], item["current_period_end"]
    if end <= at or is_metered(item["price"]):
        return []
    natural_start, natural_end = natural_period(state, subscription, item, start)
    fraction = Fraction(end - max(at, start), natural_end - natural_start)
    price = rounded(-classic_credit(state, subscription, item, fraction=fraction, at=at), [])
    return [_proration_item(state, subscription, item, price=price, start=at, end=end, credited=None)]


def debit_remaining(state: AccountState, subscription: Body, item: Body, *, at: int, end: int) -> list[Body]:
    """The pending invoice item that bills `[at, end)` at the item's present terms, net of discounts."""
    if is_metered(item["price"]):
        return []
    if trial_after(subscription, at) is not None:
        return [_trial_item(state, subscription, item, start=at, end=end)]
    natural_start, natural_end = natural_period(state, subscription, item, at)
    fraction = Fraction(end - at, natural_end - natural_start)
    left = discounted(state, subscription, item, fraction=fraction, at=at)
    price = rounded(exact_amount(item["price"], item["quantity"]) * fraction, left)
    body = _proration_item(
        state, subscription, item, price=price, start=at, end=end, credited=None, debit=True
    )
    state.debits.setdefault(item["id"], []).append(
        Debit(
            item_id=item["id"],
            start=at,
            end=end,
            net_amount=price.net,
            discount_amounts=list(price.discount_amounts),
            invoice_item_id=body["id"],
        )
    )
    return [body]


def _trial_item(state: AccountState, subscription: Body, item: Body, *, start: int, end: int) -> Body:
    return new_invoice_item(
        state,
        customer_id=subscription["customer"],
        subscription_id=subscription["id"],
        item_id=item["id"],
        amount=0,
        currency=subscription["currency"],
        description=trial_text(subscription, product_name(state, item["price"]), item["quantity"]),
        start=start,
        end=end,
        price=item["price"],
        unit_amount_decimal=item["price"]["unit_amount_decimal"],
        quantity=item["quantity"],
        discountable=False,
        metadata=dict((item if state.assumptions.line_metadata_copies_item else subscription)["metadata"]),
    )


def natural_period(state: AccountState, subscription: Body, item: Body, at: int) -> tuple[int, int]:
    """The full period of the item's interval that holds `at`, counted from the anchor."""
    interval = Interval.of_price(item["price"])
    anchor: int = state.item_anchors.get(item["id"]) or subscription["billing_cycle_anchor"]
    return period_at(anchor, interval, at)


def _proration_item(
    state: AccountState,
    subscription: Body,
    item: Body,
    *,
    price: ProrationPrice,
    start: int,
    end: int,
    credited: Debit | None,
    debit: bool = False,
) -> Body:
    quantity = 1 if item["quantity"] is None else item["quantity"]
    name = product_name(state, item["price"])
    counted = name if quantity == 1 else f"{quantity} \N{MULTIPLICATION SIGN} {name}"
    word = "Remaining" if debit else "Unused"
    return new_invoice_item(
        state,
        customer_id=subscription["customer"],
        subscription_id=subscription["id"],
        item_id=item["id"],
        amount=shown_amount(subscription, price),
        net_amount=price.net,
        currency=subscription["currency"],
        description=f"{word} time on {counted} after {day_text(start)}",
        start=start,
        end=end,
        price=item["price"],
        unit_amount_decimal=None,
        quantity=item["quantity"],
        discountable=False,
        metadata=dict((item if state.assumptions.line_metadata_copies_item else subscription)["metadata"]),
        proration=True,
        credited_items=_credited(credited),
        discounts=own_discounts(state, price),
        discount_amounts=shown_discounts(subscription, price),
        tax_rates=list(item["tax_rates"]),
    )


def _credited(debit: Debit | None) -> dict[str, Any] | None:
    if debit is None or debit.invoice_id is None:
        return None
    return {"invoice": debit.invoice_id, "invoice_line_items": [debit.line_id, *debit.other_line_ids]}


def new_invoice_item(  # noqa: PLR0913 - keyword-only, one per field of the object
    state: AccountState,
    *,
    customer_id: str,
    amount: int,
    currency: str,
    description: str | None,
    start: int,
    end: int,
    discountable: bool,
    metadata: dict[str, str],
    subscription_id: str | None = None,
    item_id: str | None = None,
    price: Body | None = None,
    unit_amount_decimal: str | None = None,
    quantity: int | None = 1,
    quantity_decimal: str | None = None,
    proration: bool = False,
    credited_items: dict[str, Any] | None = None,
    discounts: list[str] | None = None,
    tax_rates: list[Body] | None = None,
    net_amount: int | None = None,
    discount_amounts: list[Body] | None = None,
) -> Body:
    """A new pending invoice item; `amount` in minor units for the period `[start, end)`.

    `net_amount` differs from it only for a proration that lists its discounts.
    """
    body = state.store.add(
        {
            "id": state.identifiers.new("ii"),
            "object": "invoiceitem",
            "amount": amount,
            "currency": currency,
            "customer": customer_id,
            "customer_account": None,
            "date": state.time_of(customer_id),
            "description": description,
            "discountable": discountable,
            "discounts": discounts or [],
            "frozen_fields": [],
            "invoice": None,
            "livemode": state.livemode,
            "metadata": metadata,
            "net_amount": None if discountable else (amount if net_amount is None else net_amount),
            "parent": _parent(subscription_id, item_id),
            "period": {"start": start, "end": end},
            "pricing": _pricing(price, unit_amount_decimal),
            "proration": proration,
            "proration_details": {
                "credited_items": credited_items,
                "discount_amounts": discount_amounts or [],
            }
            if proration
            else None,
            "quantity": 1 if quantity is None else quantity,
            "quantity_decimal": quantity_decimal or str(1 if quantity is None else quantity),
            "tax_rates": tax_rates or [],
            "test_clock": state.clock_of(customer_id),
        }
    )
    state.pending.setdefault(customer_id, {})[body["id"]] = body
    state.emit("invoiceitem.created", body)
    return body


def _parent(subscription_id: str | None, item_id: str | None) -> Body | None:
    if subscription_id is None:
        return None
    details = {"subscription": subscription_id, "subscription_item": item_id}
    return {"type": "subscription_details", "subscription_details": details}


def _pricing(price: Body | None, unit_amount_decimal: str | None) -> Body | None:
    if price is None:
        return None
    return {
        "type": "price_details",
        "price_details": {"price": price["id"], "product": price["product"]},
        "unit_amount_decimal": unit_amount_decimal,
    }
