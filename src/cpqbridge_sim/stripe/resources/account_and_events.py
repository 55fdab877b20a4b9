"""The account object and the event log."""

import json
from typing import Any

from cpqbridge_sim.stripe.errors import invalid, no_such
from cpqbridge_sim.stripe.resources.call import Call, list_answer, path_object
from cpqbridge_sim.stripe.state import EVENT_SECONDS
from cpqbridge_sim.stripe.store import Body

_TYPES_MAX = 20


def account(call: Call) -> Body:
    """`GET /v1/account`."""
    state = call.state
    return {
        "id": state.account_id,
        "object": "account",
        "business_profile": {"name": state.display_name},
        "business_type": "company",
        "charges_enabled": True,
        "country": state.country,
        "default_currency": state.default_currency,
        "details_submitted": True,
        "email": "owner@example.com",
        "metadata": {},
        "payouts_enabled": True,
        "settings": {"dashboard": {"display_name": state.display_name, "timezone": "Etc/UTC"}},
        "type": "standard",
    }


def retrieve_event(call: Call) -> Body:
    """`GET /v1/events/{id}`."""
    event = path_object(call, "event", "event")
    if event["created"] < call.state.now - EVENT_SECONDS:
        raise no_such("event", event["id"], param="id", status=404)
    return shown(event)


def list_events(call: Call) -> Body:
    """`GET /v1/events`: the last 30 days."""
    params: Any = call.params
    if "type" in params and "types" in params:
        raise invalid("You may only specify one of these parameters: type, types.", "type")
    if len(params.get("types", [])) > _TYPES_MAX:
        raise invalid(f"You may name at most {_TYPES_MAX} types.", "types")
    kinds = set(params.get("types", []))
    if "type" in params:
        kinds.add(params["type"])
    oldest = call.state.now - EVENT_SECONDS
    data = [
        event
        for event in call.state.store.all("event")
        if event["created"] >= oldest and (not kinds or _matches(event["type"], kinds))
    ]
    if "delivery_success" in params:
        delivered: bool = params["delivery_success"]
        data = [event for event in data if (event["pending_webhooks"] == 0) == delivered]
    return list_answer(data, "/v1/events")


def _matches(kind: str, wanted: set[str]) -> bool:
    return any(kind == word or (word.endswith("*") and kind.startswith(word[:-1])) for word in wanted)


def shown(event: Body) -> Body:
    """An event as the API shows it: objects are kept as text until someone reads them."""
    if not isinstance(event["data"], str):
        return event
    data: Body = {"object": json.loads(event["data"])}
    if "before" in event:
        data["previous_attributes"] = _replaced(json.loads(event["before"]), data["object"])
    told = {name: value for name, value in event.items() if name != "before"}
    return {**told, "data": data}


def _replaced(before: Body, now: Body) -> Body:
    """What was there before, by name: inside objects only what differs, lists as a whole, new names as null.

    Source: "Events with the previous_attributes field now render the complete affected sub-array",
    docs.stripe.com/changelog/2017-05-25, read 20 Nov 2026.
    """
    result: Body = {}
    for name in [*before, *(name for name in now if name not in before)]:
        was, value = before.get(name), now.get(name)
        if isinstance(was, dict) and isinstance(value, dict):
            inner = _replaced(was, value)
            if inner:
                result[name] = inner
        elif was != value or (name in before) != (name in now):
            result[name] = was
    return result
