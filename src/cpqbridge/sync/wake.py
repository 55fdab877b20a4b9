"""What begins a sync of a contract that nobody changed in Salesforce: its timer, or an event of Stripe.

Both only name a contract that was seen before; the sync reads everything fresh and does what is due, once,
however often it is begun.
"""

from __future__ import annotations

from sqlalchemy import Connection as Transaction

from cpqbridge.mapping.raw import OrderNotice
from cpqbridge.store import plans
from cpqbridge.store.plans import OrderStanding

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
