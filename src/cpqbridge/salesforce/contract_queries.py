"""The queries that read one contract, and their rows put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from cpqbridge.mapping.needs import PRODUCT_RATE_OBJECT, FieldNeeds, ObjectNeeds
from cpqbridge.salesforce.family import Family
from cpqbridge.salesforce.qualification import FurtherFilter
from cpqbridge.salesforce.schema import OrgSchema
from cpqbridge.salesforce.selection import selected_fields
from cpqbridge.salesforce.soql import one_of, quoted, select

ORDERS = "orders"
ITEMS = "items"
CONTRACTS = "contracts"
QUALIFYING = "qualifying"
REVISIONS = "revisions"
_PRODUCT = "Product2"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractQuery:
    """One query. `kind` says where its rows go: a name above, a filter's setting, or a further object.

    `children` are the lists inside each row, and inside the rows of such lists, that go to further objects:
    list name -> object name.
    """

    kind: str
    soql: str
    children: Mapping[str, str] = field(default_factory=dict)


class ContractQueries:
    """Writes the queries for one org, one set of needs, one qualifying condition and further filters."""

    def __init__(
        self,
        schema: OrgSchema,
        needs: FieldNeeds,
        qualifying_conditions: Sequence[str],
        further: Sequence[FurtherFilter] = (),
    ) -> None:
        """Settle what is asked for; without `qualifying_conditions` nobody is asked which orders qualify.

        Raises:
            ConfigurationError: The org lacks or hides something that is required.
        """
        self._schema = schema
        self._family = Family(schema)
        self._qualifying = list(qualifying_conditions)
        self._further = tuple(further)
        self._present = [
            need for need in needs.extra if schema.has_object(need.object_name) or not need.optional_object
        ]
        self._extra_fields = {need.object_name: selected_fields(schema, need) for need in self._present}
        rates = needs.objects.get(PRODUCT_RATE_OBJECT)
        self._rate_fields = (
            selected_fields(schema, rates)
            if rates is not None and schema.has_object(PRODUCT_RATE_OBJECT)
            else None
        )
        self._orders = self._select(needs.of("Order"))
        self._items = self._select(needs.of("OrderItem"))
        contract = needs.of("Contract")
        self._contract_fields = selected_fields(schema, contract) if schema.has_object("Contract") else None

    @property
    def extra_names(self) -> tuple[str, ...]:
        """Return the further objects that are read, by name."""
        return (*self._extra_fields, *([PRODUCT_RATE_OBJECT] if self._rate_fields else []))

    def of_product_rates(self, schedule_ids: Sequence[str]) -> tuple[ContractQuery, ...]:
        """Return the query for the tiers of products' consumption schedules, none where there is nothing."""
        if not schedule_ids or self._rate_fields is None:
            return ()
        where = one_of("ConsumptionScheduleId", schedule_ids)
        soql = select(self._rate_fields, PRODUCT_RATE_OBJECT, where=where, order_by="Id")
        return (ContractQuery(kind=PRODUCT_RATE_OBJECT, soql=soql),)

    def of_order(self, order_id: str) -> tuple[ContractQuery, ...]:
        """Return the queries for one order that belongs to no quote."""
        return self._queries(lambda prefix: f"{prefix}Id = {quoted(order_id)}")

    def of_root(self, root_quote_id: str) -> tuple[ContractQuery, ...]:
        """Return the queries for the contract that was made from a quote."""
        queries = self._queries(lambda prefix: self._family.of_root(root_quote_id, prefix=prefix))
        if self._contract_fields is None:
            revisions = self._family.revisions_query(root_quote_id)
            return (*queries, ContractQuery(kind=REVISIONS, soql=revisions)) if revisions else queries
        where = f"SBQQ__Quote__c = {quoted(root_quote_id)}"
        soql = select(self._contract_fields, "Contract", where=where, order_by="Id")
        return (*queries, ContractQuery(kind=CONTRACTS, soql=soql))

    def of_contracts(self, contract_ids: Sequence[str]) -> tuple[ContractQuery, ...]:
        """Return the queries for the amendments of contracts that are known by id only."""
        if self._family.of_contracts(contract_ids, prefix="") is None:
            return ()
        return self._queries(lambda prefix: self._family.of_contracts(contract_ids, prefix=prefix) or "")

    def _queries(self, condition: Callable[[str], str]) -> tuple[ContractQuery, ...]:
        """Return the queries for the orders that meet `condition`, a function of the path to the order."""
        orders, items = condition(""), condition("Order.")
        queries = [
            ContractQuery(
                kind=ORDERS,
                soql=select(
                    self._orders.fields,
                    "Order",
                    where=orders,
                    order_by="EffectiveDate, ActivatedDate, Id",
                ),
                children=self._orders.children,
            ),
            ContractQuery(
                kind=ITEMS,
                soql=select(self._items.fields, "OrderItem", where=items, order_by="OrderId, Id"),
                children=self._items.children,
            ),
            *(
                ContractQuery(
                    kind=need.object_name,
                    soql=select(
                        self._extra_fields[need.object_name],
                        need.object_name,
                        where=self._reached(need, condition),
                        order_by="Id",
                    ),
                )
                for need in self._present
                if need.object_name not in {*self._orders.children.values(), *self._items.children.values()}
            ),
        ]
        if self._qualifying:
            soql = select(["Id"], "Order", where=" AND ".join([orders, *self._qualifying]), order_by="Id")
            queries.append(ContractQuery(kind=QUALIFYING, soql=soql))
        queries += [
            ContractQuery(
                kind=each.setting,
                soql=select(
                    ["Id"],
                    each.object_name,
                    where=f"{orders if each.object_name == 'Order' else items} AND {each.condition}",
                    order_by="Id",
                ),
            )
            for each in self._further
        ]
        return tuple(queries)

    def _select(self, need: ObjectNeeds) -> _Select:
        """Return the select part of a query on Order or OrderItem, further objects riding along as lists."""
        return self._with_lists(need.object_name, selected_fields(self._schema, need))

    def _with_lists(self, object_name: str, fields: Sequence[str]) -> _Select:
        lists: dict[str, str] = {}
        parts = list(fields)
        for extra in self._present:
            name = self._schema.child_list(object_name, extra.object_name, extra.parent or "")
            if name is not None:
                inner = self._with_lists(extra.object_name, self._extra_fields[extra.object_name])
                lists |= {name: extra.object_name, **inner.children}
                parts.append(f"({select(inner.fields, name)})")
        return _Select(fields=tuple(parts), children=lists)

    def _reached(self, need: ObjectNeeds, condition: Callable[[str], str]) -> str:
        """Return the condition for the records of a further object whose parent belongs to the contract."""
        way = self._way_to_order(need)
        if way is None:
            return f"{need.parent} IN ({select(['Product2Id'], 'OrderItem', where=condition('Order.'))})"
        return condition(way)

    def _way_to_order(self, need: ObjectNeeds) -> str | None:
        """Return the path from a further object to the order, None for what belongs to products."""
        entry = self._schema.field(need.object_name, need.parent or "")
        if entry is None or entry.relationship is None or _PRODUCT in entry.targets:
            return None
        if "Order" in entry.targets:
            return f"{entry.relationship}."
        for other in self._present:
            if other.object_name in entry.targets and other.object_name != need.object_name:
                further = self._way_to_order(other)
                return None if further is None else f"{entry.relationship}.{further}"
        return f"{entry.relationship}.Order."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Select:
    fields: tuple[str, ...]
    children: Mapping[str, str]
