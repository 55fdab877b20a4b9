"""Billing meters, the events they count, and what those amount to.

Source: docs.stripe.com/api/billing/meter, docs.stripe.com/billing/subscriptions/usage-based/meters/configure,
21 Nov 2026. Of a meter nothing but its display name can change.
"""

from collections.abc import Sequence

from cpqbridge_sim.stripe.errors import invalid
from cpqbridge_sim.stripe.metering import UsageEvent, aggregated, by_window
from cpqbridge_sim.stripe.resources.call import Call, customer_of, list_answer, path_object
from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body

_EVENT_NAME_MAX = 100
_DISPLAY_NAME_MAX = 250
_ALIGNED_TO_SECONDS = {None: 60, "hour": 3600, "day": 86_400}


def create(call: Call) -> Body:
    """`POST /v1/billing/meters`."""
    state, params = call.state, call.params
    _check_length(params["display_name"], "display_name", _DISPLAY_NAME_MAX)
    _check_length(params["event_name"], "event_name", _EVENT_NAME_MAX)
    _check_unused(state, params["event_name"])
    mapping = params.get("customer_mapping") or {"event_payload_key": "stripe_customer_id", "type": "by_id"}
    meter = state.store.add(
        {
            "id": state.identifiers.new("mtr"),
            "object": "billing.meter",
            "created": state.now,
            "customer_mapping": dict(mapping),
            "default_aggregation": dict(params["default_aggregation"]),
            "display_name": params["display_name"],
            "event_name": params["event_name"],
            "event_time_window": params.get("event_time_window"),
            "livemode": state.livemode,
            "status": "active",
            "status_transitions": {"deactivated_at": None},
            "updated": state.now,
            "value_settings": dict(params.get("value_settings") or {"event_payload_key": "value"}),
        }
    )
    state.emit("billing.meter.created", meter)
    return meter


def _check_length(text: str, param: str, limit: int) -> None:
    if len(text) > limit:
        raise invalid(f"Invalid string: must be at most {limit} characters", param)


def _check_unused(state: AccountState, event_name: str) -> None:
    if active_meter(state, event_name) is not None:
        raise invalid(
            f"An active meter with the event name `{event_name}` already exists.",
            "event_name",
            "resource_already_exists",
        )


def active_meter(state: AccountState, event_name: str) -> Body | None:
    """The active meter that counts events of this name; there is one at most."""
    for meter in state.store.all("billing.meter"):
        if meter["event_name"] == event_name and meter["status"] == "active":
            return meter
    return None


def retrieve(call: Call) -> Body:
    """`GET /v1/billing/meters/{id}`."""
    return path_object(call, "billing.meter", "meter")


def update(call: Call) -> Body:
    """`POST /v1/billing/meters/{id}`."""
    meter = retrieve(call)
    if "display_name" in call.params:
        _check_length(call.params["display_name"], "display_name", _DISPLAY_NAME_MAX)
        meter["display_name"] = call.params["display_name"]
    return _changed(call, meter, "billing.meter.updated")


def deactivate(call: Call) -> Body:
    """`POST /v1/billing/meters/{id}/deactivate`: no events are accepted and no price can take it any more."""
    meter = retrieve(call)
    if meter["status"] != "active":
        raise invalid("This meter is already inactive.")
    meter["status"] = "inactive"
    meter["status_transitions"]["deactivated_at"] = call.state.now
    return _changed(call, meter, "billing.meter.deactivated")


def reactivate(call: Call) -> Body:
    """`POST /v1/billing/meters/{id}/reactivate`."""
    meter = retrieve(call)
    if meter["status"] == "active":
        raise invalid("This meter is already active.")
    _check_unused(call.state, meter["event_name"])
    meter["status"] = "active"
    meter["status_transitions"]["deactivated_at"] = None
    return _changed(call, meter, "billing.meter.reactivated")


def _changed(call: Call, meter: Body, event: str) -> Body:
    meter["updated"] = call.state.now
    call.state.emit(event, meter)
    return meter


def list_all(call: Call) -> Body:
    """`GET /v1/billing/meters`."""
    status = call.params.get("status")
    meters = [
        meter
        for meter in call.state.store.all("billing.meter")
        if meter["status"] == (status or meter["status"])
    ]
    return list_answer(meters, "/v1/billing/meters")


def list_summaries(call: Call) -> Body:
    """`GET /v1/billing/meters/{id}/event_summaries`: one in all, or one for each window in use."""
    state, params = call.state, call.params
    meter = retrieve(call)
    customer = customer_of(state, params["customer"])
    start, end, window = params["start_time"], params["end_time"], params.get("value_grouping_window")
    for name in ("start_time", "end_time"):
        if params[name] % _ALIGNED_TO_SECONDS[window]:
            raise invalid(f"`{name}` must be aligned with {window or 'minute'} boundaries.", name)
    if end <= start:
        raise invalid("`end_time` must be after `start_time`.", "end_time")
    events = state.usage.between(customer["id"], meter["id"], start, end)
    url = f"/v1/billing/meters/{meter['id']}/event_summaries"
    if window is None:
        return list_answer([_summary(state, meter, events, start=start, end=end)], url)
    length = _ALIGNED_TO_SECONDS[window]
    return list_answer(
        [
            _summary(state, meter, found, start=begin, end=begin + length)
            for begin, found in by_window(window, events).items()
        ],
        url,
    )


def _summary(state: AccountState, meter: Body, events: Sequence[UsageEvent], *, start: int, end: int) -> Body:
    value = aggregated(meter, events)
    return {
        "id": f"mtrusum_{meter['id']}_{start}_{end}",
        "object": "billing.meter_event_summary",
        # The vendor shows a plain number here; invoices are counted from the exact one.
        "aggregated_value": int(value) if value.denominator == 1 else float(value),
        "end_time": end,
        "livemode": state.livemode,
        "meter": meter["id"],
        "start_time": start,
    }
