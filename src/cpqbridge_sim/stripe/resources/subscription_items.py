"""`/v1/subscription_items`: one item of a subscription at a time.

Source: docs.stripe.com/api/subscription_items, read 20 Nov 2026. Each call is the update of its subscription
that names this one item.
"""

from collections.abc import Mapping
from typing import Any

from cpqbridge_sim.stripe.errors import StripeApiError, invalid, missing, no_such
from cpqbridge_sim.stripe.resources import subscription_update
from cpqbridge_sim.stripe.resources.call import Call, only
from cpqbridge_sim.stripe.resources.subscriptions import owner_of_item
from cpqbridge_sim.stripe.store import Body

# What concerns the whole update; everything else is about the item.
_OF_UPDATE = ("off_session", "payment_behavior", "proration_behavior", "proration_date")
_OF_ITEM = frozenset({"discounts", "metadata", "price", "price_data", "quantity", "tax_rates"})


def create(call: Call) -> Body:
    """`POST /v1/subscription_items`."""
    params, state = call.params, call.state
    only(params, {"subscription", *_OF_UPDATE, *_OF_ITEM})
    subscription = state.store.get("subscription", params["subscription"])
    if subscription is None:
        raise no_such("subscription", params["subscription"], param="subscription")
    if "price" not in params and "price_data" not in params:
        raise missing("price")
    known = {item["id"] for item in state.subscription_items(subscription)}
    _update(call, subscription, {name: params[name] for name in _OF_ITEM & set(params)})
    return next(item for item in state.subscription_items(subscription) if item["id"] not in known)


def update(call: Call) -> Body:
    """`POST /v1/subscription_items/{id}`."""
    only(call.params, {*_OF_UPDATE, *_OF_ITEM})
    subscription, item = owner_of_item(call)
    changes = {name: call.params[name] for name in _OF_ITEM & set(call.params)}
    _update(call, subscription, {"id": item["id"], **changes})
    return next(other for other in call.state.subscription_items(subscription) if other["id"] == item["id"])


def delete(call: Call) -> Body:
    """`DELETE /v1/subscription_items/{id}`; the last item only goes with its subscription."""
    only(call.params, {"clear_usage", *_OF_UPDATE})
    subscription, item = owner_of_item(call)
    entry: dict[str, Any] = {"id": item["id"], "deleted": True}
    if "clear_usage" in call.params:
        entry["clear_usage"] = call.params["clear_usage"]
    _update(call, subscription, entry)
    return {"id": item["id"], "object": "subscription_item", "deleted": True}


def _update(call: Call, subscription: Body, entry: Mapping[str, Any]) -> None:
    params = {name: call.params[name] for name in _OF_UPDATE if name in call.params}
    inner = Call(state=call.state, path_ids=(subscription["id"],), params={**params, "items": [dict(entry)]})
    try:
        subscription_update.update(inner)
    except StripeApiError as error:
        prefix = "items[0]["
        if error.param is None or not error.param.startswith(prefix):
            raise
        first, _, rest = error.param.removeprefix(prefix).partition("]")
        raise invalid(error.message, first + rest, error.code) from error
