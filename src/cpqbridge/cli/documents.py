"""Connections and orders as the JSON that list commands print."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cpqbridge.store.views import Connection, OrderStanding


def connection_document(connection: Connection) -> dict[str, Any]:
    """Return a connection without its secrets."""
    facts = connection.facts
    return {
        "name": connection.name,
        "org_id": facts.org_id,
        "org_name": facts.org_name,
        "salesforce_url": facts.salesforce_url,
        "stripe_account_id": facts.stripe_account_id,
        "stripe_account_name": facts.stripe_account_name,
        "stripe_api_base": facts.stripe_api_base,
        "mode": "live" if facts.live_mode else "test",
        "simulated": facts.simulated,
        "multi_currency": facts.multi_currency,
        "access_lost": connection.access_lost,
    }


def standing_document(standing: OrderStanding) -> dict[str, Any]:
    """Return where one order stands."""
    return {
        "order_id": standing.order_id,
        "order_number": standing.order_number,
        "contract": standing.contract_key,
        "state": standing.state.value,
        "code": standing.code or None,
        "message": standing.message or None,
        "record": standing.record_id or None,
        "field": standing.field or None,
        "fix": standing.fix or None,
        "request_link": standing.request_link,
    }
