"""Which orders belong to one contract (B1.4), as SOQL conditions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from cpqbridge.mapping.raw import RawRecord
from cpqbridge.salesforce.notices import (
    AMENDED_CONTRACT,
    AMENDED_ROOT,
    AMENDMENT_TYPE,
    MASTER_CONTRACT,
    MASTER_ROOT,
    QUOTE_TYPE,
    distinct,
    text_at,
)
from cpqbridge.salesforce.schema import OrgSchema
from cpqbridge.salesforce.soql import any_of, one_of, quoted, select

LINE_CONTRACT = "SBQQ__Contract__c"
_LINE_CONTRACT_RELATION = "SBQQ__Contract__r"
_REVISED_ORDER = "SBQQ__RevisedOrderProduct__r.Order"
_AMENDMENT = f"{QUOTE_TYPE} = {quoted(AMENDMENT_TYPE)}"


class Family:
    """Writes the conditions that find a contract's orders, their lines and their further records.

    The original quote is the key: the initial orders are those of that quote, the amendments those whose
    contract was made from it, or by one of these amendments. Orgs without the Contract object (an export may
    lack it) are asked by the contract's id instead, which the lines carry. Conditions on fields that the org
    lacks are left out.
    """

    def __init__(self, schema: OrgSchema) -> None:
        """Remember what the org has."""
        self._schema = schema
        self.is_known_by_quote = schema.has("Contract", "SBQQ__Quote__c")

    def of_root(self, root_quote_id: str, *, prefix: str) -> str:
        """Return the condition for the orders of a root quote; `prefix` is the path to the order."""
        quote = quoted(root_quote_id)
        conditions = [f"{prefix}SBQQ__Quote__c = {quote}"]
        if self._schema.has("Order", AMENDED_ROOT):
            conditions.append(f"{prefix}{AMENDED_ROOT} = {quote}")
        if self._schema.has("Order", MASTER_ROOT):
            conditions.append(f"({prefix}{MASTER_ROOT} = {quote} AND {self._told_by_quote(prefix)})")
        return any_of(conditions)

    def of_contracts(self, contract_ids: Sequence[str], *, prefix: str) -> str | None:
        """Return the condition for the amendments of contracts named by id, None when the org cannot tell."""
        conditions = []
        if self._schema.has("Order", AMENDED_CONTRACT):
            conditions.append(one_of(f"{prefix}{AMENDED_CONTRACT}", contract_ids))
        if self._schema.has("Order", MASTER_CONTRACT):
            master = one_of(prefix + MASTER_CONTRACT, contract_ids)
            conditions.append(f"({master} AND {self._told_by_quote(prefix)})")
        return any_of(conditions) if conditions and contract_ids else None

    def revisions_query(self, root_quote_id: str) -> str | None:
        """Return the query for the lines that revise a line of the root quote's orders."""
        told = self._told()
        if not told or not self._schema.has("OrderItem", f"{_REVISED_ORDER}.SBQQ__Quote__c"):
            return None
        where = f"{_REVISED_ORDER}.SBQQ__Quote__c = {quoted(root_quote_id)}"
        return select(["Id", *told], "OrderItem", where=where, order_by="Id")

    def root_queries(self, contract_ids: Sequence[str]) -> tuple[str, ...]:
        """Return the queries whose rows tell the original quote of contracts that are known by id only."""
        queries = []
        has = self._schema.has
        if has("OrderItem", LINE_CONTRACT):
            fields = ["Id", LINE_CONTRACT, "Order.SBQQ__Quote__c", *self._told()]
            where = one_of(LINE_CONTRACT, contract_ids)
            queries.append(select(fields, "OrderItem", where=where, order_by="Id"))
        of_contracts = self.of_contracts(contract_ids, prefix="Order.")
        if of_contracts and has("OrderItem", f"{_REVISED_ORDER}.{QUOTE_TYPE}"):
            paths = ("SBQQ__Quote__c", QUOTE_TYPE, AMENDED_CONTRACT, MASTER_CONTRACT)
            revised = [f"{_REVISED_ORDER}.{path}" for path in paths if has("Order", path)]
            where = f"{of_contracts} AND SBQQ__RevisedOrderProduct__c != null"
            queries.append(select(["Id", *self._told(), *revised], "OrderItem", where=where, order_by="Id"))
        return tuple(queries)

    @staticmethod
    def quotes_of_contracts(*, orders: Iterable[RawRecord], items: Iterable[RawRecord]) -> frozenset[str]:
        """Return the quotes of the family that contracts of its lines were made from.

        Beside the root these are amendment quotes: what an amendment adds may get a contract of its own, and
        its amendments name that one. A contract of a quote outside of the family says nothing.
        """
        made_from = {text_at(item, f"{_LINE_CONTRACT_RELATION}.SBQQ__Quote__c") for item in items}
        return frozenset(distinct(text_at(order, "SBQQ__Quote__c") for order in orders)) & made_from

    @staticmethod
    def roots_from(rows: Iterable[RawRecord]) -> dict[str, str]:
        """Return the original quote by contract id, as far as the rows of `root_queries` tell it."""
        roots: dict[str, str] = {}
        for row in rows:
            revised = _mapping_at(row, _REVISED_ORDER)
            order = revised if revised is not None else _mapping_at(row, "Order")
            amended = _contract_amended_by(_mapping_at(row, "Order") or {})
            contract_id = text_at(row, LINE_CONTRACT) if revised is None else amended
            quote_id = text_at(order or {}, "SBQQ__Quote__c")
            if contract_id and quote_id and not _is_amendment(order or {}):
                roots.setdefault(contract_id, quote_id)
        return roots

    @staticmethod
    def parents_from(rows: Iterable[RawRecord]) -> dict[str, str]:
        """Return the amended contract by id of the one an amendment made, from the rows of `root_queries`."""
        parents: dict[str, str] = {}
        for row in rows:
            revised, order = _mapping_at(row, _REVISED_ORDER), _mapping_at(row, "Order") or {}
            made = text_at(row, LINE_CONTRACT) if revised is None else _contract_amended_by(order)
            amended = _contract_amended_by(order if revised is None else revised)
            if made and amended and made != amended:
                parents.setdefault(made, amended)
        return parents

    @staticmethod
    def contract_ids_of(
        *, orders: Iterable[RawRecord], items: Iterable[RawRecord], revisions: Iterable[RawRecord]
    ) -> tuple[str, ...]:
        """Return the ids of the contracts that orders amend, lines belong to and revisions belong to."""
        amended = (_contract_amended_by(order) for order in orders)
        revised = (_contract_amended_by(_mapping_at(row, "Order") or {}) for row in revisions)
        return distinct((*amended, *(text_at(item, LINE_CONTRACT) for item in items), *revised))

    def _told_by_quote(self, prefix: str) -> str:
        """Return the condition for amendments whose opportunity names no contract; one that does goes first.

        Else an order whose opportunity and quote name different contracts would be billed with both.
        """
        condition = f"{prefix}{_AMENDMENT}"
        if self._schema.has("Order", AMENDED_CONTRACT):
            condition += f" AND {prefix}{AMENDED_CONTRACT} = null"
        return condition

    def _told(self) -> list[str]:
        """Return the paths from a line to what says which contract its order amends."""
        paths = (AMENDED_CONTRACT, MASTER_CONTRACT, QUOTE_TYPE)
        return [f"Order.{path}" for path in paths if self._schema.has("Order", path)]


def _is_amendment(order: RawRecord) -> bool:
    is_type = (text_at(order, QUOTE_TYPE) or "").casefold() == AMENDMENT_TYPE.casefold()
    return is_type or text_at(order, AMENDED_CONTRACT) is not None


def _contract_amended_by(order: RawRecord) -> str | None:
    master = text_at(order, MASTER_CONTRACT) if _is_amendment(order) else None
    return text_at(order, AMENDED_CONTRACT) or master


def _mapping_at(row: RawRecord, path: str) -> RawRecord | None:
    value: object = row
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else None
