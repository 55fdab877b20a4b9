"""Stand-alone invoices, and the steps of any invoice from draft to its end."""

from collections.abc import Mapping
from typing import Any

from cpqbridge_sim.stripe.billing.churn import check_new_invoice
from cpqbridge_sim.stripe.billing.collection import charge_failed
from cpqbridge_sim.stripe.billing.discounts import apply_discounts, check_discounts, redeem
from cpqbridge_sim.stripe.billing.finalization import finalize
from cpqbridge_sim.stripe.billing.invoicing import (
    DRAFT_SECONDS,
    check_line_count,
    new_invoice,
    put_lines,
    recount,
    schedule_finalization,
)
from cpqbridge_sim.stripe.billing.lines import invoice_item_line
from cpqbridge_sim.stripe.billing.payment_methods import charges, named_method, payment_method
from cpqbridge_sim.stripe.billing.payments import (
    CHARGE_MAX,
    mark_uncollectible,
    minimum_charge,
    pay_in_full,
    set_delinquent,
    subscription_of,
)
from cpqbridge_sim.stripe.billing.taxes import read_tax_rates
from cpqbridge_sim.stripe.billing.voiding import void_invoice
from cpqbridge_sim.stripe.errors import StripeApiError, invalid, missing, no_such
from cpqbridge_sim.stripe.resources.call import (
    Call,
    cleared,
    customer_of,
    metadata_of,
    only,
    update_metadata,
)
from cpqbridge_sim.stripe.resources.invoice_edit import (
    reapply_invoice_discounts,
    refuse_discounted,
    require_draft,
)
from cpqbridge_sim.stripe.resources.invoices import retrieve
from cpqbridge_sim.stripe.resources.payment_methods import set_default_method
from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body

_SECONDS_PER_DAY = 86_400
_CREATE = frozenset(
    {
        "auto_advance",
        "collection_method",
        "currency",
        "custom_fields",
        "customer",
        "days_until_due",
        "default_payment_method",
        "default_tax_rates",
        "description",
        "discounts",
        "due_date",
        "footer",
        "metadata",
        "pending_invoice_items_behavior",
        "subscription",
    }
)
_UPDATE = frozenset(
    {
        "auto_advance",
        "collection_method",
        "custom_fields",
        "days_until_due",
        "default_payment_method",
        "default_tax_rates",
        "description",
        "discounts",
        "due_date",
        "footer",
        "metadata",
    }
)
_UPDATE_AFTER_DRAFT = frozenset({"auto_advance", "description", "footer", "metadata", "custom_fields"})


def create(call: Call) -> Body:
    """`POST /v1/invoices`: a draft, with pending items when asked for."""
    state, params = call.state, call.params
    only(params, _CREATE)
    subscription = _subscription(state, params)
    customer_id = params.get("customer") or (subscription and subscription["customer"])
    if not customer_id:
        raise missing("customer")
    customer = customer_of(state, customer_id)
    at = state.time_of(customer["id"])
    if subscription is not None:
        check_new_invoice(state, subscription, at=at)
    inherited = subscription or {"collection_method": "charge_automatically", "days_until_due": None}
    method = params.get("collection_method", inherited["collection_method"])
    days, due = _due(params, method, inherited, at)
    waiting = _waiting(state, params, customer, subscription)
    currency = params.get("currency") or (waiting[0]["currency"] if waiting else None)
    currency = (currency or customer["currency"] or state.default_currency).lower()
    check_discounts(
        state,
        params.get("discounts") or [],
        param="discounts",
        at=at,
        currency=currency,
        customer_id=customer["id"],
    )
    invoice = new_invoice(
        state,
        customer_id=customer["id"],
        subscription=subscription,
        currency=currency,
        collection_method=method,
        days_until_due=days,
        reason="manual",
        at=at,
        period=(at, at),
        auto_advance=params.get("auto_advance", False),
    )
    if due is not None:
        invoice["due_date"] = due
    _set_texts(state, invoice, params)
    invoice["metadata"] = metadata_of(params.get("metadata"))
    _set_tax_rates(state, invoice, params)
    _fill(state, invoice, waiting, params.get("discounts") or [])
    if subscription is not None:
        subscription["latest_invoice"] = invoice["id"]
    if invoice["auto_advance"]:
        schedule_finalization(state, invoice, at=at + DRAFT_SECONDS)
    state.emit("invoice.created", invoice)
    return invoice


def _subscription(state: AccountState, params: Mapping[str, Any]) -> Body | None:
    if "subscription" not in params:
        return None
    subscription = state.store.get("subscription", params["subscription"])
    if subscription is None:
        raise no_such("subscription", params["subscription"], param="subscription")
    return subscription


def _due(params: Mapping[str, Any], method: str, inherited: Body, at: int) -> tuple[int | None, int | None]:
    days = params.get("days_until_due")
    due = params.get("due_date")
    if days is not None and due is not None:
        raise invalid("You may only specify one of these parameters: days_until_due, due_date.", "due_date")
    if method == "charge_automatically":
        if days is not None:
            raise invalid(
                "You can only specify 'days_until_due' if invoice collection method is 'send_invoice'.",
                "days_until_due",
            )
        return None, None
    if days is None and due is None:
        days = inherited["days_until_due"]
    if days is None and due is None:
        raise invalid(
            "If invoice collection method is 'send_invoice', you must specify 'days_until_due' or "
            "'due_date'.",
            "days_until_due",
        )
    if due is not None and due < at:
        raise invalid("`due_date` must not be in the past.", "due_date")
    return days, due


def _waiting(
    state: AccountState, params: Mapping[str, Any], customer: Body, subscription: Body | None
) -> list[Body]:
    if subscription is not None:
        pending = list(state.pending_items(customer["id"], subscription["id"]))
        if not pending:
            raise invalid(
                "Nothing to invoice for subscription", "subscription", "invoice_no_subscription_line_items"
            )
        return pending
    if params.get("pending_invoice_items_behavior", "exclude") == "exclude":
        return []
    return [item for item in state.pending_items(customer["id"], None) if item["parent"] is None]


def _set_texts(state: AccountState, invoice: Body, params: Mapping[str, Any]) -> None:
    for name in ("description", "footer", "custom_fields"):
        if name in params:
            invoice[name] = cleared(params[name])
    if "default_payment_method" in params:
        customer = customer_of(state, invoice["customer"])
        set_default_method(state, customer, invoice, params["default_payment_method"])


def _set_tax_rates(state: AccountState, invoice: Body, params: Mapping[str, Any]) -> None:
    if "default_tax_rates" in params:
        rates = read_tax_rates(state, params["default_tax_rates"], path="default_tax_rates")
        invoice["default_tax_rates"] = rates


def _fill(state: AccountState, invoice: Body, waiting: list[Body], discounts: list[Body]) -> None:
    check_line_count(len(waiting))
    lines = [invoice_item_line(item) for item in waiting]
    invoice["discounts"] = redeem(state, discounts, start=invoice["created"], customer_id=invoice["customer"])
    apply_discounts(state, lines, invoice["discounts"], at=invoice["created"])
    put_lines(state, invoice, lines)


def update(call: Call) -> Body:
    """`POST /v1/invoices/{id}`: a draft freely, later only texts, metadata and `auto_advance`."""
    state, params = call.state, call.params
    only(params, _UPDATE)
    invoice = retrieve(call)
    if any(name not in _UPDATE_AFTER_DRAFT and name != "expand" for name in params):
        require_draft(invoice)
    method = params.get("collection_method", invoice["collection_method"])
    if {"collection_method", "days_until_due", "due_date"} & set(params):
        known = {"days_until_due": None} if invoice["due_date"] is None else {"days_until_due": 0}
        days, due = _due(params, method, known, invoice["created"])
        invoice["collection_method"] = method
        if "days_until_due" in params and days is not None:
            invoice["due_date"] = invoice["created"] + days * _SECONDS_PER_DAY
        elif due is not None:
            invoice["due_date"] = due
    _set_texts(state, invoice, params)
    update_metadata(invoice, params)
    _set_discounts(state, invoice, params)
    if "default_tax_rates" in params:
        _set_tax_rates(state, invoice, params)
        recount(state, invoice)
    if "auto_advance" in params:
        invoice["auto_advance"] = params["auto_advance"]
        if invoice["status"] == "draft":
            _reschedule(state, invoice)
    state.emit("invoice.updated", invoice)
    return invoice


def _set_discounts(state: AccountState, invoice: Body, params: Mapping[str, Any]) -> None:
    if "discounts" not in params:
        return
    refuse_discounted(invoice)
    entries, owner = params["discounts"] or [], invoice["customer"]
    at, currency = invoice["created"], invoice["currency"]
    check_discounts(state, entries, param="discounts", at=at, currency=currency, customer_id=owner)
    earlier = list(invoice["discounts"])
    invoice["discounts"] = redeem(state, entries, start=at, customer_id=owner)
    reapply_invoice_discounts(state, invoice, earlier=earlier)


def _reschedule(state: AccountState, invoice: Body) -> None:
    if invoice["auto_advance"]:
        now = state.time_of(invoice["customer"])
        schedule_finalization(state, invoice, at=max(invoice["created"] + DRAFT_SECONDS, now + 1))
    else:
        invoice["automatically_finalizes_at"] = None


def delete(call: Call) -> Body:
    """`DELETE /v1/invoices/{id}`: drafts of no subscription only."""
    invoice = retrieve(call)
    if invoice["status"] != "draft" or invoice["parent"] is not None:
        raise invalid("You can only delete draft invoices that do not belong to a subscription.")
    call.state.store.remove(invoice)
    for item in call.state.store.all("invoiceitem"):
        if item["invoice"] == invoice["id"]:
            item["invoice"] = None
            call.state.pending.setdefault(item["customer"], {})[item["id"]] = item
    call.state.emit("invoice.deleted", invoice)
    return {"id": invoice["id"], "object": "invoice", "deleted": True}


def finalize_now(call: Call) -> Body:
    """`POST /v1/invoices/{id}/finalize`."""
    only(call.params, {"auto_advance"})
    invoice = retrieve(call)
    if invoice["status"] != "draft":
        raise invalid("This invoice is already finalized, you can't re-finalize a non-draft invoice.")
    if "auto_advance" in call.params:
        invoice["auto_advance"] = call.params["auto_advance"]
    finalize(call.state, invoice, at=call.state.time_of(invoice["customer"]))
    return invoice


def _open(call: Call) -> Body:
    invoice = retrieve(call)
    if invoice["status"] != "open":
        raise invalid("You can only pass in open invoices. This invoice isn't open.")
    return invoice


def pay(call: Call) -> Body:
    """`POST /v1/invoices/{id}/pay`: by a charge, or noted as paid elsewhere."""
    state, params = call.state, call.params
    only(params, {"paid_out_of_band", "payment_method", "off_session", "forgive", "source"})
    invoice = retrieve(call)
    at = state.time_of(invoice["customer"])
    elsewhere = bool(params.get("paid_out_of_band"))
    method = None if elsewhere else _method_to_charge(call, invoice)
    if invoice["status"] == "draft":
        advances, invoice["auto_advance"] = invoice["auto_advance"], False
        finalize(state, invoice, at=at)
        invoice["auto_advance"] = advances
        if invoice["status"] == "paid":
            return invoice
    if invoice["status"] == "paid":
        raise invalid("Invoice is already paid")
    if invoice["status"] not in ("open", "uncollectible"):
        raise invalid("You can only pass in open invoices. This invoice isn't open.")
    if not elsewhere:
        _charge(state, invoice, method, at=at)
    pay_in_full(state, invoice, at=at, out_of_band=elsewhere)
    return invoice


def _method_to_charge(call: Call, invoice: Body) -> str | None:
    state, params = call.state, call.params
    customer = customer_of(state, invoice["customer"])
    if "payment_method" in params:
        return named_method(state, customer, params["payment_method"], param="payment_method")
    subscription = subscription_of(state, invoice)
    method = params.get("source") or payment_method(state, customer["id"], subscription, invoice)
    if method is None and invoice["amount_due"] > 0:
        raise invalid(
            "There is no `default_payment_method` set on this Customer or Invoice. Please set one "
            "and try again."
        )
    return method


def _charge(state: AccountState, invoice: Body, method: str | None, *, at: int) -> None:
    """Try to charge what remains; what a person tries after the first attempt is not counted."""
    amount, smallest = invoice["amount_remaining"], minimum_charge(invoice["currency"])
    if amount > CHARGE_MAX:
        raise invalid(f"Amount must be no more than {CHARGE_MAX}.", "amount", "amount_too_large")
    if 0 < amount < smallest:
        raise invalid(f"Amount must be at least {smallest}.", "amount", "amount_too_small")
    first = not invoice["attempted"]
    invoice["attempted"] = True
    if first:
        invoice["attempt_count"] = 1
    if charges(state, method):
        return
    if first:
        charge_failed(state, invoice, at=at)
    else:
        set_delinquent(state, invoice, delinquent=True)
        state.emit("invoice.payment_failed", invoice)
    raise StripeApiError(
        "Your card was declined.", status=402, kind="card_error", code="card_declined", happened=True
    )


def void(call: Call) -> Body:
    """`POST /v1/invoices/{id}/void`: gives an applied balance back."""
    state = call.state
    only(call.params, ())
    invoice = retrieve(call)
    if invoice["amount_paid"] > 0:
        raise invalid("Invoices with `paid` payments cannot be voided.")
    if invoice["status"] not in ("open", "uncollectible"):
        raise invalid("You can only pass in open invoices. This invoice isn't open.")
    void_invoice(state, invoice, at=state.time_of(invoice["customer"]))
    return invoice


def mark(call: Call) -> Body:
    """`POST /v1/invoices/{id}/mark_uncollectible`."""
    only(call.params, ())
    invoice = _open(call)
    mark_uncollectible(call.state, invoice, at=call.state.time_of(invoice["customer"]))
    set_delinquent(call.state, invoice, delinquent=False)
    return invoice


def send(call: Call) -> Body:
    """`POST /v1/invoices/{id}/send`: finalizes a draft, or sends an open invoice once more."""
    only(call.params, ())
    invoice = retrieve(call)
    if invoice["collection_method"] != "send_invoice":
        raise invalid("You can only manually send an invoice if its collection method is 'send_invoice'.")
    at = call.state.time_of(invoice["customer"])
    if invoice["status"] == "draft":
        invoice["auto_advance"] = True
        finalize(call.state, invoice, at=at)
        return invoice
    call.state.emit("invoice.sent", _open(call))
    return invoice
