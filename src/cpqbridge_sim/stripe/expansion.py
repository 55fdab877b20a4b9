"""`expand[]`: ids in an answer replaced by their objects.

Source: docs.stripe.com/api/expanding_objects, read 20 Nov 2026.
"""

from collections.abc import Sequence
from typing import Any

from cpqbridge_sim.stripe.errors import invalid
from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body, answered, copied

_LEVELS_MAX = 4
# Ids that are shown as ids only, although they look like references.
_NOT_EXPANDABLE = frozenset({"id", "invoice_item"})


def expand(state: AccountState, answer: Body, paths: Sequence[str]) -> None:
    """Replace ids by objects in place along each path, at most four levels deep."""
    for path in paths:
        parts = path.split(".")
        levels = len(parts) - (1 if parts[0] == "data" else 0)
        if levels > _LEVELS_MAX:
            raise invalid(
                f"You cannot expand more than {_LEVELS_MAX} levels of a property. Property: {path}", "expand"
            )
        _walk(state, answer, parts, path)


def _walk(state: AccountState, node: Any, parts: Sequence[str], path: str) -> None:
    if isinstance(node, list):
        for entry in node:
            _walk(state, entry, parts, path)
        return
    if node is None or not parts:
        return
    if not isinstance(node, dict):
        raise invalid(f"This property cannot be expanded ({path}).", "expand")
    name, rest = parts[0], parts[1:]
    if name == "payments" and node.get("object") == "invoice":
        node[name] = _payments_of(state, node)
    elif name not in node and node.get("object") == "price":
        _show_extra(state, node, name)
    if name not in node:
        if name in _SOMETIMES_ABSENT:
            return
        raise invalid(f"This property cannot be expanded ({path}).", "expand")
    value = node[name]
    if isinstance(value, list):
        node[name] = value = [_object(state, entry, name, path) for entry in value]
    elif isinstance(value, str):
        node[name] = value = _object(state, value, name, path)
    _walk(state, value, rest, path)


_SOMETIMES_ABSENT = frozenset({"currency_options", "payments", "tiers"})


def _payments_of(state: AccountState, invoice: Body) -> Body:
    """The payments of an invoice, which it shows only when asked for them."""
    data = [body for body in state.store.all("invoice_payment") if body["invoice"] == invoice["id"]]
    return {
        "object": "list",
        "data": [answered(body) for body in data],
        "has_more": False,
        "url": f"/v1/invoice_payments?invoice={invoice['id']}",
    }


def _found(state: AccountState, value: str, name: str) -> Body | None:
    """The object of an id; a deleted coupon still shows in the discounts it was redeemed for."""
    if name == "coupon" and state.store.get("coupon", value) is None:
        return next((body for body in state.discount_coupons.values() if body["id"] == value), None)
    return state.store.find(value)


def _show_extra(state: AccountState, price: Body, name: str) -> None:
    """Tiers are part of a price, left out until they are asked for."""
    kept = state.store.get("price", price["id"]) or {}
    if name in kept:
        price[name] = copied(kept[name])


def _object(state: AccountState, value: Any, name: str, path: str) -> Any:
    if not isinstance(value, str):
        return value
    found = None if name in _NOT_EXPANDABLE else _found(state, value, name)
    if found is None:
        raise invalid(f"This property cannot be expanded ({path}).", "expand")
    return answered(found)
