"""Subscriptions and their items: reading and listing."""

from cpqbridge_sim.stripe.billing.lifecycle import ENDED
from cpqbridge_sim.stripe.errors import StripeApiError
from cpqbridge_sim.stripe.resources.call import Call, list_answer, path_object
from cpqbridge_sim.stripe.resources.invoices import candidates
from cpqbridge_sim.stripe.store import Body


def retrieve(call: Call) -> Body:
    """`GET /v1/subscriptions/{id}`."""
    return path_object(call, "subscription", "subscription")


def list_all(call: Call) -> Body:
    """`GET /v1/subscriptions`: canceled ones only when `status` asks for them.

    Those on a test clock show only when their clock or their customer is named.
    """
    params = call.params
    status = params.get("status")
    data = [
        body
        for body in candidates(call, "subscription", params.get("customer"))
        if body["customer"] == params.get("customer", body["customer"])
        and body["collection_method"] == params.get("collection_method", body["collection_method"])
        and _has_status(body, status)
        and ("price" not in params or any(i["price"]["id"] == params["price"] for i in body["items"]["data"]))
        and ("customer" in params or body["test_clock"] == params.get("test_clock"))
        and body["test_clock"] == params.get("test_clock", body["test_clock"])
    ]
    return list_answer(data, "/v1/subscriptions")


def _has_status(body: Body, status: str | None) -> bool:
    if status is None:
        return body["status"] not in ENDED
    if status == "all":
        return True
    if status == "ended":
        return body["status"] in ENDED
    return bool(body["status"] == status)


def list_items(call: Call) -> Body:
    """`GET /v1/subscription_items`."""
    subscription = path_object(call, "subscription", "subscription", call.params["subscription"])
    return list_answer(list(subscription["items"]["data"]), "/v1/subscription_items")


def retrieve_item(call: Call) -> Body:
    """`GET /v1/subscription_items/{id}`."""
    return owner_of_item(call)[1]


def owner_of_item(call: Call) -> tuple[Body, Body]:
    """The subscription of the item named in the path, and the item."""
    for subscription in call.state.store.all("subscription"):
        for item in call.state.subscription_items(subscription):
            if item["id"] == call.id:
                return subscription, item
    raise StripeApiError(f"Invalid subscription_item id: {call.id}", status=404)
