"""Invoices: reading, listing and the steps from draft to paid."""

from cpqbridge_sim.stripe.resources.call import Call, list_answer, path_object
from cpqbridge_sim.stripe.store import Body


def retrieve(call: Call) -> Body:
    """`GET /v1/invoices/{id}`."""
    return path_object(call, "invoice", "invoice")


def list_all(call: Call) -> Body:
    """`GET /v1/invoices`."""
    params = call.params
    subscription = params.get("subscription")
    simple = ("customer", "status", "collection_method")
    owner = params.get("customer")
    if subscription is not None and owner is None:
        owner = (call.state.store.get("subscription", subscription) or {}).get("customer", "")
    data = [
        body
        for body in candidates(call, "invoice", owner)
        if all(body[name] == params[name] for name in simple if name in params)
        and (subscription is None or subscription_id(body) == subscription)
    ]
    return list_answer(data, "/v1/invoices")


def candidates(call: Call, kind: str, owner: str | None) -> list[Body]:
    """The objects a list has to look at: one customer's, or all."""
    store = call.state.store
    return list(store.all(kind)) if owner is None else store.of_customer(kind, owner)


def subscription_id(invoice: Body) -> str | None:
    """The subscription of an invoice."""
    details = (invoice["parent"] or {}).get("subscription_details") or {}
    found: str | None = details.get("subscription")
    return found


def list_lines(call: Call) -> Body:
    """`GET /v1/invoices/{id}/lines`, in the order of the invoice."""
    invoice = retrieve(call)
    return list_answer(list(invoice["lines"]["data"]), f"/v1/invoices/{invoice['id']}/lines")
