"""Invoice items: single charges and credits that wait for an invoice."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from cpqbridge_sim.stripe.billing.discounts import check_discounts, redeem
from cpqbridge_sim.stripe.billing.lines import product_name
from cpqbridge_sim.stripe.billing.proration import new_invoice_item
from cpqbridge_sim.stripe.billing.taxes import read_tax_rates
from cpqbridge_sim.stripe.billing.tiers import cost
from cpqbridge_sim.stripe.errors import invalid, missing, no_such
from cpqbridge_sim.stripe.resources.call import (
    Call,
    cleared,
    customer_of,
    list_answer,
    metadata_of,
    only,
    path_object,
    update_metadata,
)
from cpqbridge_sim.stripe.resources.invoice_edit import append_invoice_item
from cpqbridge_sim.stripe.resources.invoices import candidates
from cpqbridge_sim.stripe.resources.schedule_phases import read_price
from cpqbridge_sim.stripe.resources.schedules import check_customer_currency
from cpqbridge_sim.stripe.rounding import round_line
from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body

_DECIMALS_MAX = 12
_CREATE = frozenset(
    {
        "amount",
        "currency",
        "customer",
        "description",
        "discountable",
        "discounts",
        "invoice",
        "metadata",
        "period",
        "price_data",
        "pricing",
        "quantity",
        "quantity_decimal",
        "subscription",
        "tax_rates",
        "unit_amount_decimal",
    }
)
_UPDATE = frozenset({"amount", "description", "discountable", "discounts", "metadata", "period", "tax_rates"})


def create(call: Call) -> Body:
    """`POST /v1/invoiceitems`: waits for the next invoice, or goes on the draft named by `invoice`."""
    state, params = call.state, call.params
    only(params, _CREATE)
    if "customer" not in params:
        raise missing("customer")
    customer = customer_of(state, params["customer"])
    invoice = _draft_of(state, params, customer)
    subscription = _subscription_of(state, params, customer)
    now = state.time_of(customer["id"])
    cost = line_cost(state, params, path="")
    check_discounts(
        state,
        params.get("discounts") or [],
        param="discounts",
        at=now,
        currency=cost["currency"],
        customer_id=customer["id"],
    )
    check_customer_currency(state, customer, cost["currency"])
    start, end = checked_period(params, now)
    body = new_invoice_item(
        state,
        customer_id=customer["id"],
        subscription_id=None if subscription is None else subscription["id"],
        description=cleared(params.get("description")) or product_name(state, cost["price"]) or None,
        start=start,
        end=end,
        discountable=params.get("discountable", cost["amount"] >= 0),
        metadata=metadata_of(params.get("metadata")),
        tax_rates=read_tax_rates(state, params.get("tax_rates"), path="tax_rates"),
        **cost,
    )
    if customer["currency"] is None:
        customer["currency"] = cost["currency"]
    body["discounts"] = redeem(
        state,
        params.get("discounts") or [],
        start=now,
        customer_id=customer["id"],
        invoice_item_id=body["id"],
    )
    if invoice is not None:
        append_invoice_item(state, invoice, body)
    return body


def _draft_of(state: AccountState, params: Mapping[str, Any], customer: Body) -> Body | None:
    if "invoice" not in params:
        return None
    invoice = state.store.get("invoice", params["invoice"])
    if invoice is None or invoice["customer"] != customer["id"]:
        raise no_such("invoice", params["invoice"], param="invoice")
    if invoice["status"] != "draft":
        raise invalid("The invoice is no longer editable.", "invoice", "invoice_not_editable")
    return invoice


def _subscription_of(state: AccountState, params: Mapping[str, Any], customer: Body) -> Body | None:
    if "subscription" not in params:
        return None
    subscription = state.store.get("subscription", params["subscription"])
    if subscription is None or subscription["customer"] != customer["id"]:
        raise no_such("subscription", params["subscription"], param="subscription")
    if subscription["status"] == "canceled":
        raise invalid("The subscription is canceled.", "subscription")
    return subscription


def checked_period(params: Mapping[str, Any], now: int, *, path: str = "") -> tuple[int, int]:
    """Start and end of the period asked for, or the present instant twice."""
    period = params.get("period")
    if not period:
        return now, now
    if period["end"] < period["start"]:
        where = f"{path}[period][end]" if path else "period[end]"
        raise invalid("`period[end]` must not be before `period[start]`.", where)
    return period["start"], period["end"]


def line_cost(state: AccountState, params: Mapping[str, Any], *, path: str) -> dict[str, Any]:
    """Amount, currency, price and quantity of an invoice item or an added line; rounded once per line."""

    def at(name: str) -> str:
        return f"{path}[{name}]" if path else name

    sources = [name for name in ("amount", "pricing", "price_data", "unit_amount_decimal") if name in params]
    if not sources:
        raise missing(at("amount"))
    if len(sources) > 1:
        raise invalid(f"You may only specify one of these parameters: {', '.join(sources)}.", at(sources[0]))
    currency = str(params.get("currency", "")).lower() or None
    if "amount" in params:
        if currency is None:
            raise missing(at("currency"))
        for name in ("quantity", "quantity_decimal"):
            if name in params:
                raise invalid(f"You may only specify one of these parameters: amount, {name}.", at(name))
        return {"amount": params["amount"], "currency": currency, "price": None}
    quantity, shown = _quantity(params, at)
    if "unit_amount_decimal" in params:
        if currency is None:
            raise missing(at("currency"))
        exact = Fraction(params["unit_amount_decimal"]) * quantity
        price: Body | None = None
        unit = str(params["unit_amount_decimal"])
    else:
        entry = params["pricing"] if "pricing" in params else {"price_data": params["price_data"]}
        where = at("pricing") if "pricing" in params else path or "price_data"
        price = read_price(state, entry, where, one_time=True)
        if currency not in (None, price["currency"]):
            raise invalid(
                f"The price specified only supports `{price['currency']}`. This doesn't match the expected "
                f"currency: `{currency}`.",
                at("currency"),
            )
        unit, currency = price["unit_amount_decimal"], price["currency"]
        exact = cost(price, quantity)
    return {
        "amount": round_line(exact, ties_up=state.assumptions.ordinary_line_ties_round_up),
        "currency": currency,
        "price": price,
        "unit_amount_decimal": unit,
        "quantity": int(quantity),
        "quantity_decimal": shown,
    }


def _quantity(params: Mapping[str, Any], at: Any) -> tuple[Fraction, str]:
    if "quantity" in params and "quantity_decimal" in params:
        raise invalid(
            "You may only specify one of these parameters: quantity, quantity_decimal.", at("quantity")
        )
    if "quantity_decimal" in params:
        value = params["quantity_decimal"]
        exponent = value.normalize().as_tuple().exponent
        if value < 0 or -exponent > _DECIMALS_MAX:
            raise invalid("Invalid non-negative decimal", at("quantity_decimal"))
        return Fraction(value), f"{value.normalize():f}"
    quantity = params.get("quantity", 1)
    if quantity < 0:
        raise invalid("Invalid non-negative integer", at("quantity"), "parameter_invalid_integer")
    return Fraction(quantity), str(quantity)


def retrieve(call: Call) -> Body:
    """`GET /v1/invoiceitems/{id}`."""
    return path_object(call, "invoiceitem", "invoiceitem")


def _editable(call: Call) -> Body:
    body = retrieve(call)
    if body["invoice"] is not None:
        raise invalid("This invoice item is on an invoice and can no longer be changed.")
    return body


def update(call: Call) -> Body:
    """`POST /v1/invoiceitems/{id}` while it is pending."""
    only(call.params, _UPDATE)
    body = _editable(call)
    if "tax_rates" in call.params:
        body["tax_rates"] = read_tax_rates(call.state, call.params["tax_rates"], path="tax_rates")
    if "amount" in call.params:
        body["amount"] = call.params["amount"]
    for name in ("description", "discountable"):
        if name in call.params:
            body[name] = cleared(call.params[name])
    if {"amount", "discountable"} & set(call.params):
        body["net_amount"] = None if body["discountable"] else body["amount"]
    _set_discounts(call, body)
    if "period" in call.params:
        start, end = checked_period(call.params, body["date"])
        body["period"] = {"start": start, "end": end}
    update_metadata(body, call.params)
    return body


def _set_discounts(call: Call, body: Body) -> None:
    if "discounts" not in call.params:
        return
    state, entries = call.state, call.params["discounts"] or []
    at, owner = state.time_of(body["customer"]), body["customer"]
    check_discounts(state, entries, param="discounts", at=at, currency=body["currency"], customer_id=owner)
    body["discounts"] = redeem(state, entries, start=at, customer_id=owner, invoice_item_id=body["id"])


def delete(call: Call) -> Body:
    """`DELETE /v1/invoiceitems/{id}` while it is pending."""
    body = _editable(call)
    call.state.store.remove(body)
    call.state.emit("invoiceitem.deleted", body)
    return {"id": body["id"], "object": "invoiceitem", "deleted": True}


def list_all(call: Call) -> Body:
    """`GET /v1/invoiceitems`."""
    params = call.params
    data = [
        body
        for body in candidates(call, "invoiceitem", params.get("customer"))
        if all(body[name] == params[name] for name in ("customer", "invoice") if name in params)
        and ("pending" not in params or (body["invoice"] is None) == params["pending"])
    ]
    return list_answer(data, "/v1/invoiceitems")
