"""Invoice payments: what was asked for and what came in on an invoice."""

from cpqbridge_sim.stripe.resources.call import Call, list_answer, path_object
from cpqbridge_sim.stripe.store import Body


def retrieve(call: Call) -> Body:
    """`GET /v1/invoice_payments/{id}`."""
    return path_object(call, "invoice_payment", "invoice payment")


def list_all(call: Call) -> Body:
    """`GET /v1/invoice_payments`, by invoice, status and payment intent."""
    params = call.params
    data = [
        body
        for body in call.state.store.all("invoice_payment")
        if all(body[name] == params[name] for name in ("invoice", "status") if name in params)
        and all(body["payment"][name] == value for name, value in params.get("payment", {}).items())
    ]
    return list_answer(data, "/v1/invoice_payments")
