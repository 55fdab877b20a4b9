"""Finding the order that a person named."""

from __future__ import annotations

from cpqbridge.errors import ConfigurationError
from cpqbridge.mapping.raw import OrderNotice
from cpqbridge.sync.ports import OpenConnection


def found_order(opened: OpenConnection, order: str) -> OrderNotice:
    """Return the order of this id or number.

    Raises:
        ConfigurationError: there is none.
    """
    notice = opened.salesforce.find_order(order)
    if notice is None:
        raise ConfigurationError(
            f"There is no order {order!r} in {opened.connection.facts.org_name}.",
            code="order_unknown",
            field="order",
            fix="Give the order's id (801…, 15 or 18 characters) or its order number.",
        )
    return notice
