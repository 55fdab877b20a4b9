"""Which contract bills what a customer uses, and when, so that no other one bills the same usage again."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection as Transaction
from sqlalchemy import delete, insert, select

from cpqbridge.domain.usage import UsageSpan
from cpqbridge.store.tables import usage_spans


def elsewhere(
    transaction: Transaction, *, connection_id: int, account_id: str, root_id: str
) -> tuple[UsageSpan, ...]:
    """Return the spans of the customer's other contracts, in the order of their keys."""
    rows = transaction.execute(
        select(usage_spans)
        .where(
            usage_spans.c.connection_id == connection_id,
            usage_spans.c.account_id == account_id,
            usage_spans.c.root_id != root_id,
        )
        .order_by(usage_spans.c.root_id, usage_spans.c.meter, usage_spans.c.starts_at)
    )
    return tuple(
        UsageSpan(
            meter=row.meter, contract_key=row.contract_key, starts_at=row.starts_at, ends_at=row.ends_at
        )
        for row in rows
    )


def replace(
    transaction: Transaction, *, connection_id: int, account_id: str, root_id: str, spans: Iterable[UsageSpan]
) -> None:
    """Store the spans of a contract in place of those it had."""
    transaction.execute(
        delete(usage_spans).where(
            usage_spans.c.connection_id == connection_id, usage_spans.c.root_id == root_id
        )
    )
    place = {"connection_id": connection_id, "root_id": root_id, "account_id": account_id}
    for span in spans:
        transaction.execute(
            insert(usage_spans).values(
                **place,
                meter=span.meter,
                contract_key=span.contract_key,
                starts_at=span.starts_at,
                ends_at=span.ends_at,
            )
        )
