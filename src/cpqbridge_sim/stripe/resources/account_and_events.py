"""The account object and the event log."""

import json
from typing import Any

from cpqbridge_sim.stripe.errors import invalid
from cpqbridge_sim.stripe.resources.call import Call, list_answer, path_object
from cpqbridge_sim.stripe.state import EVENT_SECONDS
from cpqbridge_sim.stripe.store import Body


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
    return shown(path_object(call, "event", "event"))


def list_events(call: Call) -> Body:
    """`GET /v1/events`: the last 30 days."""
    params: Any = call.params
    if "type" in params and "types" in params:
        raise invalid("You may only specify one of these parameters: type, types.", "type")
    kinds = set(params.get("types", []))
    if "type" in params:
        kinds.add(params["type"])
    oldest = call.state.now - EVENT_SECONDS
    data = [
        event
        for event in call.state.store.all("event")
        if event["created"] >= oldest and (not kinds or _matches(event["type"], kinds))
    ]
    return list_answer(data, "/v1/events")


def _matches(kind: str, wanted: set[str]) -> bool:
    return any(kind == word or (word.endswith("*") and kind.startswith(word[:-1])) for word in wanted)


def shown(event: Body) -> Body:
    """An event as the API shows it: the object is kept as text until someone reads it."""
    if isinstance(event["data"], str):
        return {**event, "data": {"object": json.loads(event["data"])}}
    return event
