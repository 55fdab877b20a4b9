"""All objects of the account by type, in creation order."""

from collections.abc import Iterator
from typing import Any

Body = dict[str, Any]

_LINES_SHOWN = 10
# Shown only to who asks for them by `expand`.
_PRICE_EXTRAS = frozenset({"tiers", "currency_options"})


def copied(value: Any) -> Any:
    """A deep copy of JSON-like data; much quicker than `copy.deepcopy` and enough for bodies."""
    if isinstance(value, dict):
        return {name: copied(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [copied(entry) for entry in value]
    return value


def answered(value: Any, *, inner: bool = False) -> Any:
    """A copy as answers show it: of the lines of an invoice or credit note the first ten only, no tiers.

    Source: docs.stripe.com/api/invoices/line_item, read 20 Nov 2026; the list of all lines is an address of
    its own.
    """
    if isinstance(value, dict):
        kind = value.get("object")
        if inner and kind == "list" and value["url"].endswith("/lines"):
            lines = value["data"]
            more = len(lines) > _LINES_SHOWN
            return {**value, "data": copied(lines[:_LINES_SHOWN]), "has_more": more}
        if kind == "price":
            return {name: copied(entry) for name, entry in value.items() if name not in _PRICE_EXTRAS}
        return {name: answered(entry, inner=True) for name, entry in value.items()}
    if isinstance(value, list):
        return [answered(entry, inner=True) for entry in value]
    return value


class Store:
    """Objects by type and id. Bodies are live: the engine changes them in place, answers carry copies."""

    def __init__(self) -> None:
        self.by_type: dict[str, dict[str, Body]] = {}
        self._type_by_id: dict[str, str] = {}
        self._by_customer: dict[tuple[str, str], dict[str, Body]] = {}
        self._journal: list[tuple[str, str]] = []

    def add(self, body: Body) -> Body:
        """Keep a new object under its own `object` and `id`."""
        self.by_type.setdefault(body["object"], {})[body["id"]] = body
        owner = body.get("customer")
        if isinstance(owner, str):
            self._by_customer.setdefault((body["object"], owner), {})[body["id"]] = body
        # Products and coupons may have any id; an older object keeps its own.
        self._type_by_id.setdefault(body["id"], body["object"])
        self._journal.append((body["object"], body["id"]))
        return body

    def get(self, kind: str, identifier: Any) -> Body | None:
        """The object of this type and id."""
        return self.by_type.get(kind, {}).get(identifier)

    def find(self, identifier: str) -> Body | None:
        """The object of this id whatever its type."""
        kind = self._type_by_id.get(identifier)
        return None if kind is None else self.get(kind, identifier)

    def all(self, kind: str) -> Iterator[Body]:
        """Objects of a type, oldest first."""
        return iter(self.by_type.get(kind, {}).values())

    def of_customer(self, kind: str, customer_id: str) -> list[Body]:
        """A customer's objects of a type, oldest first."""
        return list(self._by_customer.get((kind, customer_id), {}).values())

    def move_to_customer(self, body: Body, customer_id: str | None) -> None:
        """Make an object another customer's, or nobody's."""
        self._by_customer.get((body["object"], str(body["customer"])), {}).pop(body["id"], None)
        body["customer"] = customer_id
        if customer_id is not None:
            self._by_customer.setdefault((body["object"], customer_id), {})[body["id"]] = body

    def remove(self, body: Body) -> None:
        """Forget an object."""
        self.by_type[body["object"]].pop(body["id"], None)
        self._by_customer.get((body["object"], body.get("customer", "")), {}).pop(body["id"], None)
        if self._type_by_id.get(body["id"]) == body["object"]:
            del self._type_by_id[body["id"]]

    def begin(self) -> None:
        """Start a request: from here `undo` can go back."""
        self._journal.clear()

    def undo(self) -> None:
        """Remove everything added since `begin`, so that a refused request leaves nothing behind."""
        for kind, identifier in self._journal:
            body = self.get(kind, identifier)
            if body is not None:
                self.remove(body)
        self._journal.clear()
