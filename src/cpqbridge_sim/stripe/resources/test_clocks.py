"""Test clocks, which run independently of the account's clock."""

from cpqbridge_sim.stripe.billing.lifecycle import run_until
from cpqbridge_sim.stripe.errors import invalid
from cpqbridge_sim.stripe.periods import Interval, add_months
from cpqbridge_sim.stripe.resources.call import Call, customer_of, list_answer, path_object
from cpqbridge_sim.stripe.store import Body

KIND = "test_helpers.test_clock"
_MONTHS_WITHOUT_SUBSCRIPTION = 24
_DELETED_AFTER_SECONDS = 30 * 86_400


def create(call: Call) -> Body:
    """`POST /v1/test_helpers/test_clocks`."""
    state, params = call.state, call.params
    if state.livemode:
        raise invalid("Test clocks exist in test mode only.")
    customer = customer_of(state, params["customer"]) if "customer" in params else None
    clock = state.store.add(
        {
            "id": state.identifiers.new("clock"),
            "object": KIND,
            "created": state.now,
            "customer": None if customer is None else customer["id"],
            "deletes_after": state.now + _DELETED_AFTER_SECONDS,
            "frozen_time": params["frozen_time"],
            "livemode": state.livemode,
            "name": params.get("name"),
            "status": "ready",
            "status_details": {},
        }
    )
    if customer is not None:
        if customer["test_clock"] is not None or customer["currency"] is not None:
            raise invalid("Only a customer without billing can be put on a test clock.", "customer")
        customer["test_clock"] = clock["id"]
    state.emit("test_helpers.test_clock.created", clock)
    return clock


def retrieve(call: Call) -> Body:
    """`GET /v1/test_helpers/test_clocks/{id}`."""
    return path_object(call, KIND, "test clock")


def advance(call: Call) -> Body:
    """`POST /v1/test_helpers/test_clocks/{id}/advance`: forward, at most two of the shortest intervals.

    The work is done at once, so the clock is `ready` again in the answer.
    """
    clock = retrieve(call)
    target = call.params["frozen_time"]
    if target <= clock["frozen_time"]:
        raise invalid("A test clock can only advance to a time after its current one.", "frozen_time")
    latest = _latest(call, clock)
    if target > latest:
        raise invalid(
            "A test clock can advance at most two intervals of its shortest subscription "
            f"(to {latest}) at once.",
            "frozen_time",
        )
    call.state.emit("test_helpers.test_clock.advancing", clock)
    run_until(call.state, clock["id"], target)
    call.state.emit("test_helpers.test_clock.ready", clock)
    return clock


def _latest(call: Call, clock: Body) -> int:
    at = clock["frozen_time"]
    intervals = [
        Interval.of_price(item["price"])
        for subscription in call.state.store.all("subscription")
        if subscription["test_clock"] == clock["id"] and subscription["status"] != "canceled"
        for item in call.state.subscription_items(subscription)
    ]
    if not intervals:
        return add_months(at, _MONTHS_WITHOUT_SUBSCRIPTION)
    shortest = min(intervals, key=lambda interval: interval.sort_key)
    return at + 2 * shortest.seconds if shortest.seconds else add_months(at, 2 * shortest.months)


def delete(call: Call) -> Body:
    """`DELETE /v1/test_helpers/test_clocks/{id}`: its customers and all they own go with it."""
    clock = retrieve(call)
    store = call.state.store
    customers = {body["id"] for body in store.all("customer") if body["test_clock"] == clock["id"]}
    for bodies in list(store.by_type.values()):
        for body in list(bodies.values()):
            if body["id"] in customers or body.get("customer") in customers:
                store.remove(body)
    store.remove(clock)
    call.state.wakes.pop(clock["id"], None)
    call.state.emit("test_helpers.test_clock.deleted", clock)
    return {"id": clock["id"], "object": KIND, "deleted": True}


def list_all(call: Call) -> Body:
    """`GET /v1/test_helpers/test_clocks`."""
    return list_answer(list(call.state.store.all(KIND)), "/v1/test_helpers/test_clocks")
