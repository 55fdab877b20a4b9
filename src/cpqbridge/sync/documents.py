"""Plans, invoices and proofs as the JSON documents that people and programs read (version 1).

Amounts are decimal strings in major units, credits negative. Dates are calendar dates in UTC; a
`period_end` or `end` is the first day or instant that no longer belongs to the period.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from cpqbridge.domain.billing import (
    BillingObject,
    CreditPortion,
    ForecastInvoice,
    InvoiceLine,
    OneTimeItem,
    Phase,
    PhaseItem,
    Plan,
    Proof,
    Ref,
    Step,
    TakenAmount,
)
from cpqbridge.domain.money import major_text
from cpqbridge.domain.pricing import DiscountTerms, TieredPrice
from cpqbridge.domain.refusal import OrderState, Refusal

DOCUMENT_VERSION = 1
_DESTINATIONS = ("unpaid_invoice", "balance", "refund", "outside")


def plan_document(plan: Plan, *, order_id: str, contract: str | None = None) -> dict[str, Any]:
    """Return the whole plan of the order's contract, as `order preview --json` prints it.

    Args:
        plan: The plan of the contract.
        order_id: The order that was asked for; its state and refusals stand at the top.
        contract: What people call the contract; the plan's own key when None.
    """
    name = contract or plan.contract_key
    outcome = next((each for each in plan.outcomes if each.order_id == order_id), None)
    return {
        "version": DOCUMENT_VERSION,
        "order_id": order_id,
        "contract": name,
        "state": (outcome.state if outcome else OrderState.SKIPPED).value,
        "refusals": [refusal_document(each) for each in (outcome.refusals if outcome else ())],
        "warnings": list(plan.warnings),
        "orders": [{"order_id": each.order_id, "state": each.state.value} for each in plan.outcomes],
        "executed_at": instant_text(plan.executed_at),
        "wake_at": None if plan.wake_at is None else instant_text(plan.wake_at),
        "schedules": [_billing_object(each) for each in plan.objects],
        "steps": [_step(each) for each in plan.steps],
        "invoices": [forecast_document(each, contract=name) for each in plan.forecast],
        "proof": [proof_document(each, taken=plan.taken) for each in plan.proof],
    }


def refusal_document(refusal: Refusal) -> dict[str, Any]:
    """Return one reason why an order does not go on by itself."""
    return {
        "code": refusal.code,
        "message": refusal.message,
        "record": refusal.record_id,
        "field": refusal.field,
        "fix": refusal.fix,
    }


def proof_document(proof: Proof, *, taken: Iterable[TakenAmount] = ()) -> dict[str, Any]:
    """Return what one order line was sold for beside what the invoices bill for it.

    `taken` may be that of the whole contract. What a reduction takes from another line stands on no invoice,
    but counts in `billed` of both: plus on the reduced line, minus on the reducing one.
    """
    currency = proof.currency
    adjustments = [
        *((each.reducing_id, each.amount_minor) for each in taken if each.reduced_id == proof.order_item_id),
        *((each.reduced_id, -each.amount_minor) for each in taken if each.reducing_id == proof.order_item_id),
    ]
    return {
        "order_item_id": proof.order_item_id,
        "currency": currency,
        "sold": major_text(proof.sold_minor, currency),
        "billed": major_text(proof.billed_minor, currency),
        "difference": major_text(proof.difference_minor, currency),
        "reason": proof.reason,
        "taken": [
            {"order_item_id": other, "amount": major_text(amount_minor, currency)}
            for other, amount_minor in adjustments
            if amount_minor
        ],
    }


def forecast_document(invoice: ForecastInvoice, *, contract: str) -> dict[str, Any]:
    """Return an invoice or credit that a plan will produce; it has no number yet."""
    return {
        "contract": contract,
        "kind": invoice.kind,
        "number": None,
        "date": invoice.on.isoformat(),
        "currency": invoice.currency,
        "total": major_text(invoice.total_minor, invoice.currency),
        "lines": [invoice_line_document(line, currency=invoice.currency) for line in invoice.lines],
    }


def invoice_line_document(line: InvoiceLine, *, currency: str) -> dict[str, Any]:
    """Return one invoice line with the shares of the order lines it bills."""
    return {
        "kind": line.kind,
        "amount": major_text(line.amount_minor, currency),
        "period_start": line.period_start.isoformat(),
        "period_end": line.period_end.isoformat(),
        "description": line.description,
        "shares": [
            {"order_item_id": order_item_id, "amount": major_text(amount_minor, currency)}
            for order_item_id, amount_minor in line.shares
        ],
        **({"off": major_text(line.off_minor, currency)} if line.off_minor else {}),
    }


def instant_text(instant: datetime) -> str:
    """Return an aware instant as ISO 8601 text in UTC with whole seconds, ending in Z."""
    return instant.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def plain(value: object) -> Any:
    """Return nested parameters as JSON values; an id that does not exist yet becomes `{"ref": key}`."""
    if isinstance(value, Ref):
        return {"ref": value.key}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, str) or value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, datetime):
        return instant_text(value)
    if isinstance(value, Iterable):
        return [plain(item) for item in value]
    return str(value)


def _billing_object(billing_object: BillingObject) -> dict[str, Any]:
    first, last = billing_object.phases[0], billing_object.phases[-1]
    return {
        "kind": billing_object.kind,
        "order_ids": list(billing_object.order_ids),
        "anchor_at": instant_text(billing_object.anchor_at),
        "start": instant_text(first.starts_at),
        "end": instant_text(last.ends_at),
        "end_behavior": billing_object.end_behavior,
        "billing_mode": billing_object.billing_mode,
        "collection_method": billing_object.collection_method,
        "days_until_due": billing_object.days_until_due,
        "ended_at": None if billing_object.ended_at is None else instant_text(billing_object.ended_at),
        "phases": [_phase(each, currency=billing_object.currency) for each in billing_object.phases],
        "credits": [_portion(each, billing_object) for each in billing_object.portions],
    }


def credit_parts(portion: CreditPortion, target: str) -> dict[str, int]:
    """Return where one part of a credit goes: minor units (positive) by destination, empty ones left out.

    Destinations: `unpaid_invoice` shrinks what is still to be paid; what was paid already goes to `balance`,
    `refund` or `outside`, as the policy `credit_target` says; what no invoice carries, to `balance`.
    """
    paid = abs(portion.amount_minor) - portion.unpaid_minor
    parts = {"unpaid_invoice": portion.unpaid_minor, (target if portion.invoice_id else "balance"): paid}
    return {destination: amount for destination, amount in parts.items() if amount}


def _portion(portion: CreditPortion, wanted: BillingObject) -> dict[str, Any]:
    parts = credit_parts(portion, wanted.target)
    return {
        "invoice": portion.invoice_id,
        "amount": major_text(abs(portion.amount_minor), wanted.currency),
        **{
            destination: major_text(parts.get(destination, 0), wanted.currency)
            for destination in _DESTINATIONS
        },
    }


def _phase(phase: Phase, *, currency: str) -> dict[str, Any]:
    return {
        "start": instant_text(phase.starts_at),
        "end": instant_text(phase.ends_at),
        "order_ids": list(phase.order_ids),
        "proration_behavior": phase.proration_behavior,
        "items": [_phase_item(each, currency=currency) for each in phase.items],
        "one_time_items": [_one_time_item(each, currency=currency) for each in phase.one_time_items],
        **({"trial": True} if phase.trial else {}),
        **_discounts(phase.discounts, currency=currency),
    }


def _phase_item(item: PhaseItem, *, currency: str) -> dict[str, Any]:
    document = {
        "product_id": item.product_id,
        "order_item_ids": list(item.order_item_ids),
        "units": list(item.units),
        "unit_amount_decimal": item.unit_amount_decimal,
        "currency": currency,
        "interval": item.interval,
        "interval_count": item.interval_count,
        "quantity": None if item.metered else item.quantity,
    }
    if item.tiers is not None:
        document["tiers"] = _tiers(item.tiers)
    metered = {"metered": True} if item.metered else {}
    return document | metered | _discounts(item.discounts, currency=currency)


def _discounts(discounts: Iterable[DiscountTerms], *, currency: str) -> dict[str, Any]:
    """Return the coupons of a phase or item, in the order in which they take off; nothing without any."""
    found = [_discount(each, currency) for each in discounts]
    return {"discounts": found} if found else {}


def _discount(terms: DiscountTerms, currency: str) -> dict[str, Any]:
    off = terms.amount_off_minor
    return {
        "coupon": terms.key.partition(":")[2],
        "name": terms.name,
        "percent_off": terms.percent_off,
        "amount_off": None if off is None else major_text(off, currency),
        "until": None if terms.until_on is None else terms.until_on.isoformat(),
    }


def _tiers(price: TieredPrice) -> dict[str, Any]:
    return {
        "mode": price.mode,
        "tiers": [
            {
                "up_to": tier.up_to,
                "unit_amount_decimal": tier.unit_amount_decimal,
                "flat_amount_decimal": tier.flat_amount_decimal,
            }
            for tier in price.tiers
        ],
    }


def _one_time_item(item: OneTimeItem, *, currency: str) -> dict[str, Any]:
    return {
        "order_item_id": item.order_item_id,
        "order_id": item.order_id,
        "kind": item.kind,
        "amount": major_text(item.amount_minor, currency),
        "period_start": item.period_start.isoformat(),
        "period_end": item.period_end.isoformat(),
        **({"off": major_text(item.off_minor, currency)} if item.off_minor else {}),
    }


def _step(step: Step) -> dict[str, Any]:
    return {
        "key": step.key,
        "action": step.action.value,
        "summary": step.summary,
        "target": plain(step.target),
        "parameters": plain(step.parameters),
    }
