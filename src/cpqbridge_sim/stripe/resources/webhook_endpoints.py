"""Webhook endpoints (docs.stripe.com/api/webhook_endpoints, read 20 Nov 2026)."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from cpqbridge_sim.stripe.errors import invalid, not_simulated
from cpqbridge_sim.stripe.resources.call import (
    Call,
    cleared,
    list_answer,
    metadata_of,
    only,
    path_object,
    update_metadata,
)
from cpqbridge_sim.stripe.state import API_VERSION
from cpqbridge_sim.stripe.store import Body

KIND = "webhook_endpoint"
_ENDPOINTS_MAX = 16
_UPDATABLE = frozenset({"description", "disabled", "enabled_events", "metadata", "url"})


def create(call: Call) -> Body:
    """`POST /v1/webhook_endpoints`; only this answer shows the secret."""
    state, params = call.state, call.params
    only(params, {"api_version", "connect", "description", "enabled_events", "metadata", "url"})
    if params.get("connect"):
        raise not_simulated("`connect`", "connect")
    if params.get("api_version", API_VERSION) != API_VERSION:
        raise not_simulated(f"Another API version than {API_VERSION}", "api_version")
    if len(state.store.by_type.get(KIND, {})) >= _ENDPOINTS_MAX:
        raise invalid(f"You have reached the maximum of {_ENDPOINTS_MAX} test webhook endpoints.")
    endpoint = state.store.add(
        {
            "id": state.identifiers.new("we"),
            "object": KIND,
            "api_version": params.get("api_version"),
            "application": None,
            "created": state.now,
            "description": cleared(params.get("description")),
            "enabled_events": _enabled(params),
            "livemode": state.livemode,
            "metadata": metadata_of(params.get("metadata")),
            "status": "enabled",
            "url": _address(params["url"], live=state.livemode),
        }
    )
    secret = state.identifiers.new("whsec")
    state.outbox.secrets[endpoint["id"]] = [(secret, None)]
    return {**endpoint, "secret": secret}


def _enabled(params: Mapping[str, Any]) -> list[str]:
    enabled: list[str] = params.get("enabled_events", [])
    if not enabled:
        raise invalid("You must enable at least one event.", "enabled_events")
    if "*" in enabled and len(enabled) > 1:
        raise invalid("`*` enables all events and stands alone.", "enabled_events")
    return enabled


def _address(url: str, *, live: bool) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise invalid("Invalid URL: an explicit scheme (such as https) must be named.", "url", "url_invalid")
    if live and parts.scheme != "https":
        raise invalid("Invalid URL: live endpoints must begin with https.", "url", "url_invalid")
    return url


def retrieve(call: Call) -> Body:
    """`GET /v1/webhook_endpoints/{id}`."""
    return path_object(call, KIND, "webhook endpoint")


def update(call: Call) -> Body:
    """`POST /v1/webhook_endpoints/{id}`."""
    endpoint, params = retrieve(call), call.params
    only(params, _UPDATABLE)
    url = _address(params["url"], live=call.state.livemode) if "url" in params else endpoint["url"]
    enabled = _enabled(params) if "enabled_events" in params else endpoint["enabled_events"]
    endpoint["url"], endpoint["enabled_events"] = url, enabled
    if "description" in params:
        endpoint["description"] = cleared(params["description"])
    if "disabled" in params:
        endpoint["status"] = "disabled" if params["disabled"] else "enabled"
    update_metadata(endpoint, params)
    return endpoint


def delete(call: Call) -> Body:
    """`DELETE /v1/webhook_endpoints/{id}`: what waits for it is given up."""
    endpoint = retrieve(call)
    call.state.store.remove(endpoint)
    return {"id": endpoint["id"], "object": KIND, "deleted": True}


def list_all(call: Call) -> Body:
    """`GET /v1/webhook_endpoints`."""
    return list_answer(list(call.state.store.all(KIND)), "/v1/webhook_endpoints")
