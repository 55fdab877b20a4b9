"""The records of one contract, collected from several queries."""

from __future__ import annotations

from collections.abc import Iterable

from cpqbridge.mapping.policies import DEFAULT_ACTIVATED_CONDITION
from cpqbridge.mapping.raw import RawContract, RawRecord
from cpqbridge.salesforce.contract_queries import CONTRACTS, ITEMS, ORDERS, QUALIFYING
from cpqbridge.salesforce.notices import text_at

_ACTIVATED = "Activated"


class ContractRows:
    """Collects records by kind; a record that several queries return counts once."""

    def __init__(
        self,
        extra_names: Iterable[str],
        *,
        org_url: str,
        condition: str | None,
        is_filtered: bool,
        filters: Iterable[str] = (),
    ) -> None:
        """Start empty.

        Args:
            extra_names: The further objects that are read, also when they have no record.
            org_url: The org's address, for links to records.
            condition: The qualifying condition, None when it was not asked.
            is_filtered: Whether Salesforce was asked which orders qualify.
            filters: The settings of further filters that Salesforce was asked about.
        """
        self._rows: dict[str, dict[str, RawRecord]] = {name: {} for name in extra_names}
        self._extra_names = tuple(self._rows)
        self._org_url = org_url
        self._condition = condition
        self._is_filtered = is_filtered
        self._filters = tuple(filters)

    def add(self, kind: str, record: RawRecord) -> None:
        """Keep a record; one without an id is kept out."""
        record_id = text_at(record, "Id")
        if record_id is not None:
            self._rows.setdefault(kind, {}).setdefault(record_id, record)

    def of(self, kind: str) -> tuple[RawRecord, ...]:
        """Return the records of a kind in the order they were read."""
        return tuple(self._rows.get(kind, {}).values())

    def contract(self, *, root_id: str, contract_id: str | None = None) -> RawContract:
        """Return everything as one value.

        Args:
            root_id: The original quote, or the order's own id.
            contract_id: Which of several contracts is meant; without it the one with the smallest id.
        """
        contracts = [record for record in self.of(CONTRACTS) if contract_id in {None, text_at(record, "Id")}]
        return RawContract(
            root_id=root_id,
            org_url=self._org_url,
            contract=next(iter(contracts), None),
            orders=self.of(ORDERS),
            items=self.of(ITEMS),
            extra={name: self.of(name) for name in self._extra_names},
            qualifying_order_ids=self._qualifying(),
            passing={setting: frozenset(self._rows.get(setting, {})) for setting in self._filters},
        )

    def _qualifying(self) -> frozenset[str] | None:
        if self._is_filtered:
            return frozenset(self._rows.get(QUALIFYING, {}))
        condition = self._condition
        if condition is None:
            return None
        return frozenset(
            order_id
            for order_id, order in self._rows.get(ORDERS, {}).items()
            if not condition.strip() or text_at(order, "StatusCode") == _ACTIVATED
        )


def is_answered_by_rows(condition: str | None) -> bool:
    """Return whether the orders' own fields tell if they meet the condition, without asking Salesforce."""
    return condition is None or condition.strip() in {"", DEFAULT_ACTIVATED_CONDITION}
