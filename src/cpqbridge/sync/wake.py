"""What begins a sync of a contract that nobody changed in Salesforce: its timer, or an event of Stripe.

Both only name a contract that was synced before; the sync reads everything fresh and does what is due, once,
however often it is begun.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection as Transaction

from cpqbridge.mapping.raw import OrderNotice
from cpqbridge.store import links, plans
from cpqbridge.store.plans import OrderStanding

HEARD = frozenset({"subscription_schedule.updated", "customer.subscription.updated", "invoice.created"})
"""The types of Stripe's events that begin a sync."""

_CONTRACT_PREFIX = "800"


def contract_notice(
    transaction: Transaction, *, connection_id: int, root_id: str, order_id: str | None = None
) -> OrderNotice | None:
    """Return a notice that names a contract, by `order_id` or any of its orders; None when it is not known.

    It says nothing of the order's present state, which a sync reads itself.
    """
    known = plans.standings(transaction, connection_id=connection_id, root_id=root_id)
    if not known:
        return None
    standing = next((each for each in known if each.order_id == order_id), known[0])
    return _notice(standing)


def contract_of_event(
    transaction: Transaction, event: Mapping[str, Any], *, connection_id: int
) -> str | None:
    """Return the root id of the known contract that an event of Stripe is about, None for any other event.

    The contract is named by metadata of ours, or by the id of something that is linked.
    """
    if event.get("type") not in HEARD:
        return None
    subject = _part(event, "data", "object")
    named = _part(subject, "metadata").get("salesforce_root_id") or _part(
        subject, "parent", "subscription_details", "metadata"
    ).get("salesforce_root_id")
    for root_id in (named, *_linked_roots(transaction, subject, connection_id=connection_id)):
        if isinstance(root_id, str) and plans.standings(
            transaction, connection_id=connection_id, root_id=root_id
        ):
            return root_id
    return None


def _linked_roots(
    transaction: Transaction, subject: Mapping[str, Any], *, connection_id: int
) -> Iterator[str]:
    ids = {value for value in (subject.get("id"), subject.get("schedule")) if isinstance(value, str)}
    for link in links.of_stripe_ids(transaction, connection_id=connection_id, stripe_ids=ids):
        kind, _, rest = link.key.partition(":")
        if kind in links.CONTRACT_KINDS:
            yield rest.partition(":")[0]


def _part(whole: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    """Return the object at the end of the path, an empty one where something else is on the way."""
    found: Any = whole
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _notice(standing: OrderStanding) -> OrderNotice:
    key = standing.contract_key
    return OrderNotice(
        order_id=standing.order_id,
        order_number=standing.order_number,
        quote_id=None,
        root_quote_id=None if standing.root_id == standing.order_id else standing.root_id,
        contract_id=key if key.startswith(_CONTRACT_PREFIX) else None,
        status_code="",
        activated_at=None,
        modified_at="",
    )
