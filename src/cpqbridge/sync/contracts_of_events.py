"""Which contracts Stripe's events are about; what is stored is asked for once for many events."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from sqlalchemy import Connection as Transaction

from cpqbridge.store import event_contracts
from cpqbridge.store.events import StripeEvent
from cpqbridge.sync.event_names import CATALOGUE_EVENTS


class ContractsOfEvents:
    """Answers for these events of one connection, within one transaction."""

    def __init__(
        self, transaction: Transaction, events: Sequence[StripeEvent], *, connection_id: int
    ) -> None:
        """Look up what the events name."""
        self._transaction = transaction
        self._connection_id = connection_id
        ids = {each for event in events if event.type not in CATALOGUE_EVENTS for each in event.stripe_ids}
        self._linked = event_contracts.linked(transaction, connection_id=connection_id, stripe_ids=ids)
        self._customers = event_contracts.customers(transaction, connection_id=connection_id, stripe_ids=ids)
        self._known: dict[str, bool] = {}

    def of(self, event: StripeEvent) -> frozenset[str]:
        """Return the contracts: by metadata of ours, or by the ids of what is linked.

        A product, price or coupon is about those of which Stripe refused a call that named it: nothing that
        runs depends on it any more. A customer is about all that it was billed for.
        """
        if event.type in CATALOGUE_EVENTS:
            return frozenset(
                root_id
                for root_id, said in self._refused_calls
                if any(f'"{each}"' in said for each in event.stripe_ids)
            )
        found = {root for each in event.stripe_ids for root in self._linked.get(each, ())}
        if event.root_id is not None:
            found.add(event.root_id)
        contracts = frozenset(filter(self._is_known, found))
        customers = self._customers.intersection(event.stripe_ids)
        if contracts or not customers:
            return contracts
        return event_contracts.of_customers(
            self._transaction, connection_id=self._connection_id, customer_ids=customers
        )

    @cached_property
    def _refused_calls(self) -> tuple[tuple[str, str], ...]:
        return event_contracts.refused_calls(self._transaction, connection_id=self._connection_id)

    def _is_known(self, root_id: str) -> bool:
        if root_id not in self._known:
            self._known[root_id] = event_contracts.known(
                self._transaction, connection_id=self._connection_id, root_id=root_id
            )
        return self._known[root_id]
