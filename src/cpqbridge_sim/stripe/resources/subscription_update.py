"""`POST /v1/subscriptions/{id}` and `DELETE`: changes of a subscription without going through a schedule.

Source: docs.stripe.com/api/subscriptions/update, read 20 Nov 2026.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cpqbridge_sim.stripe.billing.churn import check_churn
from cpqbridge_sim.stripe.billing.collection_pause import keeps_drafts, pause_collection
from cpqbridge_sim.stripe.billing.discounts import check_discounts, redeem
from cpqbridge_sim.stripe.billing.finalization import finalize
from cpqbridge_sim.stripe.billing.invoicing import subscription_invoice
from cpqbridge_sim.stripe.billing.items import ItemChange, ItemTerms, announced_usage, apply_changes
from cpqbridge_sim.stripe.billing.lifecycle import ENDED, cancel_now, cancel_schedule_of, expire, renew
from cpqbridge_sim.stripe.billing.lines import LineDraft
from cpqbridge_sim.stripe.billing.pending_interval import set_pending_interval
from cpqbridge_sim.stripe.billing.phases import bill_phase_items, move_anchor
from cpqbridge_sim.stripe.billing.prebilling import all_lines_ahead
from cpqbridge_sim.stripe.billing.taxes import read_tax_rates
from cpqbridge_sim.stripe.billing.trial_changes import change_trial, settle_free_invoice
from cpqbridge_sim.stripe.billing.trials import invoices_now
from cpqbridge_sim.stripe.billing.waking import sleep_until_next
from cpqbridge_sim.stripe.errors import (
    StripeApiError,
    interval_mismatch,
    invalid,
    no_such,
    not_simulated,
)
from cpqbridge_sim.stripe.periods import Interval, compatible
from cpqbridge_sim.stripe.resources.billing_schedules import (
    check_prebilled_discounts,
    read_billing_schedules,
)
from cpqbridge_sim.stripe.resources.call import Call, customer_of, only, update_metadata
from cpqbridge_sim.stripe.resources.phase_split import split_running_phase
from cpqbridge_sim.stripe.resources.schedule_phases import (
    ITEMS_MAX,
    PhaseReader,
    checked_quantity,
    discount_entries,
    read_price,
    refuse_unsupported,
)
from cpqbridge_sim.stripe.resources.subscription_create import (
    check_direct_collection,
    read_pending_interval,
    set_plain,
)
from cpqbridge_sim.stripe.resources.subscription_ends import CANCEL_WORDS, check_end, set_end
from cpqbridge_sim.stripe.resources.subscriptions import retrieve
from cpqbridge_sim.stripe.resources.trial_params import (
    TRIAL_PARAMS,
    set_trial_settings,
    updated_trial_end,
)
from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body

_UPDATE = frozenset(
    {
        "add_invoice_items",
        "automatic_tax",
        "billing_cycle_anchor",
        "billing_schedules",
        "cancel_at",
        "cancel_at_period_end",
        "collection_method",
        "days_until_due",
        "default_payment_method",
        "default_tax_rates",
        "description",
        "discounts",
        "invoice_settings",
        "items",
        "metadata",
        "off_session",
        "pause_collection",
        "payment_behavior",
        "payment_settings",
        "pending_invoice_item_interval",
        "proration_behavior",
        "proration_date",
        *(TRIAL_PARAMS - {"trial_period_days"}),
    }
)
_ITEM = frozenset(
    {"clear_usage", "deleted", "discounts", "id", "metadata", "price", "price_data", "quantity", "tax_rates"}
)
_PAID_ONLY = frozenset({"error_if_incomplete", "pending_if_incomplete"})
_WHILE_INCOMPLETE = frozenset({"default_payment_method", "expand", "metadata"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """What an update asks for, checked before anything changes."""

    at: int
    trial_end: int | None
    interval: Body | None
    ahead: list[Body]
    changes: list[ItemChange]
    one_time: list[Body]


def update(call: Call) -> Body:
    """Change a running subscription; prorations follow `proration_behavior` (default `create_prorations`)."""
    state, params = call.state, call.params
    refuse_unsupported(params, "")
    only(params, _UPDATE)
    subscription = retrieve(call)
    _check_changeable(subscription, params)
    now = state.time_of(subscription["customer"])
    check_churn(state, subscription, params, at=now)
    _check_payable(call, subscription)
    wanted = _read(state, subscription, params, now=now)
    _set_plain(state, subscription, params, wanted, now=now)
    prorate = params.get("proration_behavior", "create_prorations") != "none"
    made = set_end(state, subscription, params, prorate=prorate, now=now)
    moved = (params.get("billing_cycle_anchor") or {}).get("type") == "now"
    moved = moved or _classic_moves_anchor(subscription, wanted.changes)
    if moved:
        move_anchor(state, subscription, at=now, prorate=prorate)
    if wanted.trial_end is not None:
        moved = change_trial(state, subscription, wanted.trial_end, at=now, prorate=prorate) or moved
    made += apply_changes(
        state,
        subscription,
        wanted.changes,
        at=wanted.at,
        prorate=prorate,
        renewal_due=moved,
        between=lambda: _new_discounts(state, subscription, params, now=now),
    )
    bounds: Body = {"start_date": now, "end_date": None}
    made += bill_phase_items(state, subscription, bounds, wanted.one_time)
    _invoice(state, subscription, made, wanted.changes, moved=moved, params=params, now=now)
    split_running_phase(state, subscription, params, at=now)
    state.emit("customer.subscription.updated", subscription)
    sleep_until_next(state, subscription)
    return subscription


def _read(state: AccountState, subscription: Body, params: Mapping[str, Any], *, now: int) -> _Wanted:
    check_discounts(
        state,
        params.get("discounts") or [],
        param="discounts",
        at=now,
        currency=subscription["currency"],
        customer_id=subscription["customer"],
    )
    if "collection_method" in params or "days_until_due" in params:
        check_direct_collection({"collection_method": subscription["collection_method"], **params})
    check_end(params, now=now)
    ahead = read_billing_schedules(state, subscription, params, at=now)
    if ahead:
        check_prebilled_discounts(state, params)
    return _Wanted(
        at=_proration_date(subscription, params, now),
        trial_end=updated_trial_end(subscription, params, now=now),
        interval=read_pending_interval(params),
        ahead=ahead,
        changes=_read_changes(state, subscription, params.get("items") or []),
        one_time=_read_one_time(state, subscription, params, now=now),
    )


def _set_plain(
    state: AccountState, subscription: Body, params: Mapping[str, Any], wanted: _Wanted, *, now: int
) -> None:
    """Settings that need no arithmetic."""
    set_plain(state, subscription, params)
    set_trial_settings(subscription, params)
    if "pending_invoice_item_interval" in params:
        set_pending_interval(state, subscription, wanted.interval, at=now)
    if "pause_collection" in params:
        pause_collection(state, subscription, params["pause_collection"])
    subscription["billing_schedules"] = wanted.ahead
    update_metadata(subscription, params)
    if params.get("collection_method") == "charge_automatically":
        subscription["days_until_due"] = None


def _check_payable(call: Call, subscription: Body) -> None:
    """Try an update on a copy that shall only happen when it can be paid."""
    behavior = call.params.get("payment_behavior")
    if behavior not in _PAID_ONLY:
        return
    copy = call.state.fork(subscription["customer"])
    known = set(copy.store.by_type.get("invoice", {}))
    update(
        Call(
            state=copy, path_ids=call.path_ids, params={**call.params, "payment_behavior": "allow_incomplete"}
        )
    )
    made = [body for body in copy.store.all("invoice") if body["id"] not in known]
    if not any(body["status"] == "open" and body["attempted"] for body in made):
        return
    if behavior == "pending_if_incomplete":
        raise not_simulated("An update that waits for its payment", "payment_behavior")
    raise StripeApiError("Your card was declined.", status=402, kind="card_error", code="card_declined")


def _classic_moves_anchor(subscription: Body, changes: list[ItemChange]) -> bool:
    """Classic mode starts a new cycle when an item's interval changes; flexible mode never does."""
    if subscription["billing_mode"]["type"] != "classic":
        return False
    return any(
        Interval.of_price(change.item["price"]) != Interval.of_price(change.terms.price)
        for change in changes
        if change.item is not None and change.terms is not None
    )


def _new_discounts(state: AccountState, subscription: Body, params: Mapping[str, Any], *, now: int) -> None:
    if "discounts" in params:
        subscription["discounts"] = redeem(
            state,
            params["discounts"] or [],
            start=now,
            customer_id=subscription["customer"],
            subscription_id=subscription["id"],
        )


def _invoice(
    state: AccountState,
    subscription: Body,
    made: list[Body],
    changes: list[ItemChange],
    *,
    moved: bool,
    params: Mapping[str, Any],
    now: int,
) -> None:
    behavior = params.get("proration_behavior", "create_prorations")
    shown: list[LineDraft] = []
    if behavior == "always_invoice" and not moved:
        shown = announced_usage(state, subscription, changes, at=now)
        if "billing_schedules" in params:
            shown += all_lines_ahead(state, subscription)
    invoice = None
    if moved:
        invoice = renew(state, subscription, at=now, reason="subscription_update", period=(now, now))
    elif (made or shown) and invoices_now(state, subscription, behavior=behavior, at=now):
        swept = None if state.assumptions.always_invoice_sweeps_pending else made
        invoice = subscription_invoice(
            state, subscription, shown, at=now, reason="subscription_update", only_pending=swept
        )
    settle_free_invoice(state, subscription, invoice, at=now)
    charged = invoice is not None and invoice["collection_method"] == "charge_automatically"
    if invoice is None or not charged or invoice["status"] != "draft" or keeps_drafts(subscription):
        return
    waits = params.get("payment_behavior") == "default_incomplete"
    if waits:
        invoice["auto_advance"] = False
    finalize(state, invoice, at=now)
    if waits and invoice["status"] == "open" and subscription["status"] == "active":
        subscription["status"] = "past_due"


def _check_changeable(subscription: Body, params: Mapping[str, Any]) -> None:
    if subscription["status"] in ENDED:
        if "items" in params:
            raise StripeApiError(
                f"No such subscription: '{subscription['id']}'",
                status=404,
                code="resource_missing",
                param="subscription",
            )
        for name in params:
            if name not in ("metadata", "expand"):
                raise invalid("A canceled subscription can only update its metadata.", name)
    for name in params if subscription["status"] == "incomplete" else ():
        if name not in _WHILE_INCOMPLETE:
            raise invalid("An incomplete subscription can only update its metadata.", name)
    if subscription["status"] == "paused" and "billing_cycle_anchor" in params:
        raise invalid("The anchor of a paused subscription is set when it resumes.", "billing_cycle_anchor")
    schedule = subscription["schedule"]
    if schedule is None:
        return
    if CANCEL_WORDS & set(params):
        raise invalid(
            f"The subscription is managed by the subscription schedule `{schedule}`, and updating any "
            "cancelation behavior directly is not allowed. Please update the schedule instead."
        )


def _proration_date(subscription: Body, params: Mapping[str, Any], now: int) -> int:
    at = int(params.get("proration_date", now))
    if "proration_date" not in params:
        return at
    for item in subscription["items"]["data"]:
        if not item["current_period_start"] <= at < item["current_period_end"]:
            raise invalid("`proration_date` must lie in the current period.", "proration_date")
    return at


def _read_changes(state: AccountState, subscription: Body, entries: list[dict[str, Any]]) -> list[ItemChange]:
    items = {item["id"]: item for item in state.subscription_items(subscription)}
    prices = {item["id"]: item["price"] for item in items.values()}
    changes: list[ItemChange] = []
    for index, entry in enumerate(entries):
        path = f"items[{index}]"
        refuse_unsupported(entry, path)
        only(entry, _ITEM, path=path)
        item = _named_item(items, entry, path)
        if item is not None and entry.get("deleted"):
            del prices[item["id"]]
            changes.append(ItemChange(item=item, terms=None))
            continue
        terms = _terms(state, subscription, item, entry=entry, path=path)
        _check_unused(prices, terms.price, item, path)
        prices[item["id"] if item is not None else path] = terms.price
        if item is None or (item["price"]["id"], item["quantity"]) != (terms.price["id"], terms.quantity):
            changes.append(ItemChange(item=item, terms=terms))
        else:
            changes.append(ItemChange(item=item, terms=terms, money=False))
    _check_items(subscription, prices)
    return changes


def _check_items(subscription: Body, prices: Mapping[str, Body]) -> None:
    if not prices:
        raise invalid("A subscription must have at least one active item.", "items")
    if len(prices) > ITEMS_MAX:
        raise invalid(
            f"Customer {subscription['customer']} already has the maximum {ITEMS_MAX} items per "
            "subscription.",
            "items",
        )
    flexible = subscription["billing_mode"]["type"] == "flexible"
    if not compatible([Interval.of_price(price) for price in prices.values()], mixed=flexible):
        raise interval_mismatch("items", mixed=flexible)


def _named_item(items: Mapping[str, Body], entry: Mapping[str, Any], path: str) -> Body | None:
    if "id" not in entry:
        return None
    item = items.get(entry["id"])
    if item is None:
        raise no_such("subscription item", entry["id"], param=f"{path}[id]")
    return item


def _check_unused(prices: Mapping[str, Body], price: Body, item: Body | None, path: str) -> None:
    for holder, other in prices.items():
        if other["id"] == price["id"] and (item is None or holder != item["id"]):
            raise invalid(
                f"A new item with Price {price['id']} can't be added to this Subscription because an "
                f"existing Subscription Item {holder} is already using that Price.",
                f"{path}[price]",
            )


def _terms(
    state: AccountState, subscription: Body, item: Body | None, *, entry: Mapping[str, Any], path: str
) -> ItemTerms:
    repriced = "price" in entry or "price_data" in entry
    if item is None or repriced:
        known = frozenset() if item is None else frozenset({item["price"]["id"]})
        price = read_price(state, entry, path, one_time=False, known=known)
    else:
        price = item["price"]
    if price["currency"] != subscription["currency"]:
        raise invalid(
            f"The price specified only supports `{price['currency']}`. This doesn't match the expected "
            f"currency: `{subscription['currency']}`.",
            f"{path}[price]",
        )
    # Changing the price of an item resets its quantity to 1 unless one is sent.
    same_price = item is not None and price["id"] == item["price"]["id"]
    if "quantity" in entry or item is None or not same_price:
        quantity = checked_quantity(entry, path, price)
    else:
        quantity = item["quantity"]
    now = state.time_of(subscription["customer"])
    check_discounts(
        state,
        entry.get("discounts") or [],
        param=f"{path}[discounts]",
        at=now,
        currency=subscription["currency"],
        customer_id=subscription["customer"],
    )
    discounts = discount_entries(entry["discounts"]) if "discounts" in entry else None
    metadata = entry.get("metadata") or {}
    tax_rates = None
    if "tax_rates" in entry:
        owned = frozenset() if item is None else frozenset(rate["id"] for rate in item["tax_rates"])
        tax_rates = read_tax_rates(state, entry["tax_rates"], path=f"{path}[tax_rates]", known=owned)
    return ItemTerms(
        price=price, quantity=quantity, metadata=dict(metadata), discounts=discounts, tax_rates=tax_rates
    )


def _read_one_time(
    state: AccountState, subscription: Body, params: Mapping[str, Any], *, now: int
) -> list[Body]:
    reader = PhaseReader(
        state=state,
        customer=customer_of(state, subscription["customer"]),
        now=now,
        flexible=subscription["billing_mode"]["type"] == "flexible",
        defaults={"collection_method": "charge_automatically", "invoice_settings": {}},
        anchor=now,
        currency=subscription["currency"],
    )
    return reader.one_time_items(params, "")


def cancel(call: Call) -> Body:
    """`DELETE /v1/subscriptions/{id}`; neither `invoice_now` nor `prorate` unless asked for."""
    state = call.state
    only(call.params, {"invoice_now", "prorate", "cancellation_details"})
    subscription = retrieve(call)
    if subscription["status"] in ENDED:
        raise no_such("subscription", subscription["id"], param="id", status=404)
    at = state.time_of(subscription["customer"])
    if subscription["status"] == "incomplete":
        expire(state, subscription, at=at)
        return subscription
    cancel_schedule_of(state, subscription, at=at)
    cancel_now(
        state,
        subscription,
        at=at,
        invoice_now=call.params.get("invoice_now", False),
        prorate=call.params.get("prorate", False),
    )
    return subscription
