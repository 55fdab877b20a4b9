"""Making invoices: which lines go on them, discounts, totals and the debits they leave behind."""

from collections.abc import Iterable, Sequence
from typing import Any

from cpqbridge_sim.stripe.billing.discounts import apply_discounts, is_over
from cpqbridge_sim.stripe.billing.itemization import add_discounts
from cpqbridge_sim.stripe.billing.late_usage import changed_lines, remember_usage
from cpqbridge_sim.stripe.billing.lines import LineDraft, invoice_item_line
from cpqbridge_sim.stripe.billing.taxes import (
    apply_taxes,
    exclusive_tax,
    inclusive_tax,
    remember_rates,
    total_taxes,
    untaxed_subtotal,
)
from cpqbridge_sim.stripe.billing.tier_lines import split_by_tier
from cpqbridge_sim.stripe.billing.usage import decimal_text, has_departed, take_closed
from cpqbridge_sim.stripe.errors import invalid
from cpqbridge_sim.stripe.state import AccountState, Debit
from cpqbridge_sim.stripe.store import Body

DRAFT_SECONDS = 3600
LINES_MAX = 250
_SECONDS_PER_DAY = 86_400
FINALIZE_PRIORITY = 5


def subscription_invoice(
    state: AccountState,
    subscription: Body,
    item_lines: Sequence[LineDraft],
    *,
    at: int,
    reason: str,
    period: tuple[int, int] | None = None,
    only_pending: Iterable[Body] | None = None,
) -> Body | None:
    """A draft invoice of a subscription with these lines and what is pending, or None when there is nothing.

    Without `only_pending` everything pending on the subscription, and everything pending on the customer that
    names no subscription, is taken up; of more than one invoice holds, the rest waits. Usage that was cut off
    is taken up in any case.
    """
    if only_pending is None:
        waiting = list(state.pending_items(subscription["customer"], subscription["id"]))
    else:
        waiting = list(only_pending)
    billed = split_by_tier(state, [*take_closed(state, subscription), *item_lines])
    room = LINES_MAX - len(billed)
    lines = [*(invoice_item_line(body) for body in waiting[:room]), *billed]
    if not lines:
        return None
    invoice = new_invoice(
        state,
        customer_id=subscription["customer"],
        subscription=subscription,
        currency=subscription["currency"],
        collection_method=subscription["collection_method"],
        days_until_due=subscription["days_until_due"],
        reason=reason,
        at=at,
        period=period or (at, at),
    )
    used = apply_discounts(state, lines, subscription["discounts"], at=at)
    applied = {discount_id for line in lines for discount_id, _ in line.discount_amounts}
    invoice["discounts"] = [
        identifier
        for identifier in subscription["discounts"]
        if identifier in applied or not is_over(state, identifier, at=at)
    ]
    put_lines(state, invoice, lines)
    remember_usage(state, invoice, lines, discounts=subscription["discounts"], used=used)
    _use_up(state, subscription, used, at=at)
    subscription["latest_invoice"] = invoice["id"]
    if subscription["status"] == "unpaid":
        # Invoices go on being made, but nobody tries to collect them.
        invoice["auto_advance"] = False
    else:
        schedule_finalization(state, invoice, at=at + DRAFT_SECONDS)
    if subscription["pause_collection"] is not None:
        _hold_back(state, invoice, subscription["pause_collection"]["behavior"])
    state.emit("invoice.created", invoice)
    if waiting[room:] and not state.assumptions.surplus_items_wait:
        subscription_invoice(state, subscription, [], at=at, reason=reason, only_pending=waiting[room:])
    return invoice


def _hold_back(state: AccountState, invoice: Body, behavior: str) -> None:
    invoice["auto_advance"] = False
    invoice["next_payment_attempt"] = None
    if behavior == "keep_as_draft":
        invoice["automatically_finalizes_at"] = None
    else:
        state.uncollected[invoice["id"]] = behavior


def invoice_departed_usage(
    state: AccountState, subscription: Body, *, at: int, period: tuple[int, int]
) -> Body | None:
    """Classic subscriptions invoice the usage of metered items that a new phase drops by itself.

    Source: docs.stripe.com/billing/subscriptions/billing-mode/compare, read 21 Nov 2026.
    """
    if subscription["billing_mode"]["type"] != "classic":
        return None
    waiting = state.usage.closed.pop(subscription["id"], [])
    departed = [closed for closed in waiting if has_departed(state, subscription, closed)]
    state.usage.closed[subscription["id"]] = departed
    invoice = subscription_invoice(
        state, subscription, [], at=at, reason="subscription_cycle", period=period, only_pending=[]
    )
    state.usage.closed[subscription["id"]] = [closed for closed in waiting if closed not in departed]
    return invoice


def check_line_count(count: int) -> None:
    """Refuse more lines than one invoice holds."""
    if count > LINES_MAX:
        raise invalid(f"An invoice can hold at most {LINES_MAX} lines; this one would hold {count}.")


def _use_up(state: AccountState, subscription: Body, used: Sequence[str], *, at: int) -> None:
    for discount_id in used:
        discount = state.store.get("discount", discount_id)
        if discount is not None:
            discount["end"] = at
    for holder in (subscription, *state.subscription_items(subscription)):
        if holder["discounts"]:
            holder["discounts"] = [
                identifier for identifier in holder["discounts"] if not is_over(state, identifier, at=at)
            ]


def put_lines(state: AccountState, invoice: Body, lines: Sequence[LineDraft]) -> None:
    """Append lines to a draft invoice, record their debits and count the totals."""
    for line in lines:
        body = _line_body(state, invoice, line)
        invoice["lines"]["data"].append(body)
        remember_rates(state, body, line.tax_rates)
        _record_debit(state, invoice, line, body)
        if line.invoice_item is not None:
            line.invoice_item["invoice"] = invoice["id"]
    recount(state, invoice)


def count_usage_again(state: AccountState, invoice: Body) -> None:
    """Bring a draft that is about to finalize to the latest usage of its periods."""
    lines = changed_lines(state, invoice)
    if lines is None:
        return
    bodies: list[Body] = []
    for line, former in lines:
        fresh = _line_body(state, invoice, line)
        if former is not None:
            _move_debit(state, line, former)
            former["discount_amounts"] = fresh["discount_amounts"]
            former["pretax_credit_amounts"] = fresh["pretax_credit_amounts"]
        else:
            remember_rates(state, fresh, line.tax_rates)
        bodies.append(fresh if former is None else former)
    invoice["lines"]["data"] = bodies
    recount(state, invoice)


def _move_debit(state: AccountState, line: LineDraft, former: Body) -> None:
    """Let the debit of a line follow its changed share of a discount."""
    moved = sum(entry["amount"] for entry in former["discount_amounts"]) - (line.amount - line.net_amount)
    details = former["parent"]["subscription_item_details"] or {"subscription_item": ""}
    for debit in state.debits.get(details["subscription_item"], []):
        if former["id"] in (debit.line_id, *debit.other_line_ids):
            debit.net_amount += moved
            add_discounts(
                debit, [(entry["discount"], -entry["amount"]) for entry in former["discount_amounts"]]
            )
            add_discounts(debit, line.discount_amounts)


def _record_debit(state: AccountState, invoice: Body, line: LineDraft, body: Body) -> None:
    if line.item_id is None or line.usage is not None:
        return
    ledger = state.debits.setdefault(line.item_id, [])
    if line.invoice_item is None and _joins_last(state, ledger, line, invoice):
        ledger[-1].net_amount += line.net_amount
        add_discounts(ledger[-1], line.discount_amounts)
        ledger[-1].other_line_ids += (body["id"],)
        return
    if line.invoice_item is None:
        ledger.append(
            Debit(
                item_id=line.item_id,
                start=line.period_start,
                end=line.period_end,
                net_amount=line.net_amount,
                discount_amounts=list(line.discount_amounts),
                invoice_id=invoice["id"],
                line_id=body["id"],
            )
        )
        return
    for debit in ledger:
        if debit.invoice_item_id == line.invoice_item["id"]:
            debit.invoice_id, debit.line_id = invoice["id"], body["id"]


def _joins_last(state: AccountState, ledger: Sequence[Debit], line: LineDraft, invoice: Body) -> bool:
    """Whether this is a further tier of the charge recorded last, with which it is credited as one."""
    if not ledger or not state.assumptions.tiers_are_credited_together:
        return False
    last = ledger[-1]
    period = (last.start, last.end) == (line.period_start, line.period_end)
    return period and last.invoice_id == invoice["id"] and last.invoice_item_id is None


def recount(state: AccountState, invoice: Body) -> None:
    """Taxes and totals from the lines in minor units.

    `subtotal` holds the discounts of single lines already, as the SDK says of it; `total` all discounts and
    taxes.
    """
    lines = invoice["lines"]["data"]
    apply_taxes(state, invoice)
    invoice["lines"]["total_count"] = len(lines)
    by_discount: dict[str, int] = {}
    subtotal = net = 0
    for line in lines:
        subtotal += line["amount"]
        for entry in line["discount_amounts"]:
            # Discounts that a proration holds already are named with 0 and count for nothing.
            if not entry["amount"]:
                continue
            by_discount[entry["discount"]] = by_discount.get(entry["discount"], 0) + entry["amount"]
            if entry["discount"] in line["discounts"]:
                subtotal -= entry["amount"]
        net += line["amount"]
    net -= sum(by_discount.values())
    taxes = total_taxes(lines)
    invoice["subtotal"] = subtotal
    invoice["subtotal_excluding_tax"] = untaxed_subtotal(state, invoice) if inclusive_tax(taxes) else subtotal
    invoice["total"] = total = net + exclusive_tax(taxes)
    invoice["total_excluding_tax"] = net - inclusive_tax(taxes)
    invoice["total_taxes"] = taxes
    invoice["total_pretax_credit_amounts"] = [
        {"amount": amount, "discount": discount, "type": "discount"}
        for discount, amount in by_discount.items()
    ]
    invoice["total_discount_amounts"] = [
        {"discount": discount, "amount": amount} for discount, amount in by_discount.items()
    ]
    invoice["amount_due"] = invoice["amount_remaining"] = max(0, total + invoice["starting_balance"])


def _line_body(state: AccountState, invoice: Body, line: LineDraft) -> Body:
    pricing = None
    if line.price is not None:
        pricing = {
            "type": "price_details",
            "price_details": {"price": line.price["id"], "product": line.price["product"]},
            "unit_amount_decimal": line.price["unit_amount_decimal"],
        }
    return {
        "id": state.identifiers.new("il"),
        "object": "line_item",
        "amount": line.amount,
        "currency": line.currency,
        "description": line.description,
        "discount_amounts": [
            {"amount": amount, "discount": discount} for discount, amount in line.discount_amounts
        ],
        "discountable": line.discountable,
        "discounts": list(line.discounts),
        "invoice": invoice["id"],
        "livemode": state.livemode,
        "metadata": line.metadata,
        "parent": _line_parent(line),
        "period": {"start": line.period_start, "end": line.period_end},
        "pretax_credit_amounts": [
            {"amount": amount, "discount": discount, "type": "discount"}
            for discount, amount in line.discount_amounts
        ],
        "pricing": pricing,
        "quantity": line.quantity,
        "quantity_decimal": _exact_quantity(line),
        "subscription": line.subscription_id,
        "subtotal": line.amount,
        "taxes": [],
    }


def _exact_quantity(line: LineDraft) -> str | None:
    if line.units is not None:
        return decimal_text(line.units)
    if line.invoice_item is not None:
        return str(line.invoice_item["quantity_decimal"])
    return None if line.quantity is None else str(line.quantity)


def _line_parent(line: LineDraft) -> Body:
    proration_details = None
    if line.proration and line.invoice_item is not None:
        details = line.invoice_item["proration_details"] or {}
        proration_details = {"credited_items": details.get("credited_items")}
    shared: dict[str, Any] = {
        "invoice_item": None if line.invoice_item is None else line.invoice_item["id"],
        "proration": line.proration,
        "proration_details": proration_details,
        "subscription": line.subscription_id,
    }
    if line.item_id is None:
        return {
            "type": "invoice_item_details",
            "invoice_item_details": shared,
            "subscription_item_details": None,
        }
    return {
        "type": "subscription_item_details",
        "invoice_item_details": None,
        "subscription_item_details": {**shared, "subscription_item": line.item_id},
    }


def schedule_finalization(state: AccountState, invoice: Body, *, at: int) -> None:
    """Let a draft finalize by itself at this time."""
    invoice["automatically_finalizes_at"] = at
    if invoice["collection_method"] == "charge_automatically":
        invoice["next_payment_attempt"] = at
    state.wake_at(at, priority=FINALIZE_PRIORITY, kind="invoice.finalize", body=invoice)


def new_invoice(  # noqa: PLR0913 - keyword-only facts of one invoice
    state: AccountState,
    *,
    customer_id: str,
    subscription: Body | None,
    currency: str,
    collection_method: str,
    days_until_due: int | None,
    reason: str,
    at: int,
    period: tuple[int, int],
    auto_advance: bool = True,
) -> Body:
    """An empty draft invoice, kept in the store; `due_date` counts from creation."""
    customer = state.store.get("customer", customer_id) or {}
    if customer.get("currency") is None:
        customer["currency"] = currency
    invoice_id = state.identifiers.new("in")
    due = None if days_until_due is None else at + days_until_due * _SECONDS_PER_DAY
    subscription_settings = {} if subscription is None else subscription["invoice_settings"]
    return state.store.add(
        {
            "id": invoice_id,
            "object": "invoice",
            "account_country": state.country,
            "account_name": state.display_name,
            "account_tax_ids": None,
            "amount_due": 0,
            "amount_overpaid": 0,
            "amount_paid": 0,
            "amount_paid_off_stripe": 0,
            "amount_remaining": 0,
            "amount_shipping": 0,
            "application": None,
            "attempt_count": 0,
            "attempted": False,
            "auto_advance": auto_advance,
            "automatic_tax": {"enabled": False, "liability": None, "status": None},
            "automatically_finalizes_at": None,
            "billing_reason": reason,
            "collection_method": collection_method,
            "created": at,
            "currency": currency,
            "custom_fields": subscription_settings.get("custom_fields"),
            "customer": customer_id,
            "customer_account": None,
            "customer_address": customer.get("address"),
            "customer_email": customer.get("email"),
            "customer_name": customer.get("name"),
            "customer_phone": customer.get("phone"),
            "customer_shipping": customer.get("shipping"),
            "customer_tax_exempt": customer.get("tax_exempt", "none"),
            "customer_tax_ids": [],
            "default_payment_method": None,
            "default_source": None,
            "default_tax_rates": [] if subscription is None else list(subscription["default_tax_rates"]),
            "description": subscription_settings.get("description"),
            "discounts": [],
            "due_date": due,
            "effective_at": None,
            "ending_balance": None,
            "footer": subscription_settings.get("footer"),
            "from_invoice": None,
            "hosted_invoice_url": None,
            "invoice_pdf": None,
            "issuer": {"type": "self"},
            "last_finalization_error": None,
            "latest_revision": None,
            "lines": {
                "object": "list",
                "data": [],
                "has_more": False,
                "total_count": 0,
                "url": f"/v1/invoices/{invoice_id}/lines",
            },
            "livemode": state.livemode,
            "metadata": {},
            "next_payment_attempt": None,
            "number": None,
            "on_behalf_of": None,
            "parent": _invoice_parent(subscription),
            "payment_settings": {
                "default_mandate": None,
                "payment_method_options": None,
                "payment_method_types": None,
            },
            "period_end": period[1],
            "period_start": period[0],
            "post_payment_credit_notes_amount": 0,
            "pre_payment_credit_notes_amount": 0,
            "receipt_number": None,
            "rendering": None,
            "shipping_cost": None,
            "shipping_details": None,
            "starting_balance": customer.get("balance", 0),
            "statement_descriptor": None,
            "status": "draft",
            "status_details": None,
            "status_transitions": {
                "finalized_at": None,
                "marked_uncollectible_at": None,
                "paid_at": None,
                "voided_at": None,
            },
            "subtotal": 0,
            "subtotal_excluding_tax": 0,
            "test_clock": state.clock_of(customer_id),
            "threshold_reason": None,
            "total": 0,
            "total_discount_amounts": [],
            "total_excluding_tax": 0,
            "total_pretax_credit_amounts": [],
            "total_taxes": [],
            "webhooks_delivered_at": None,
        }
    )


def _invoice_parent(subscription: Body | None) -> Body | None:
    if subscription is None:
        return None
    return {
        "type": "subscription_details",
        "quote_details": None,
        "subscription_details": {
            "metadata": dict(subscription["metadata"]),
            "subscription": subscription["id"],
            "subscription_proration_date": None,
        },
    }
