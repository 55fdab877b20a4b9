"""Reading one org: who it is, which orders qualify, and a whole contract in as few calls as possible."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from cpqbridge.domain.ids import is_salesforce_id, salesforce_id
from cpqbridge.errors import CpqbridgeError, RecordError
from cpqbridge.mapping.needs import FieldNeeds
from cpqbridge.mapping.policies import Filters
from cpqbridge.mapping.raw import OrderNotice, RawContract, RawRecord
from cpqbridge.mapping.renewals import first_renewal
from cpqbridge.mapping.tiers import product_schedule_ids
from cpqbridge.salesforce.changes import IDS_PER_QUERY, Changes, Wanted
from cpqbridge.salesforce.client import SalesforceClient, checked_page
from cpqbridge.salesforce.contract_queries import ITEMS, ORDERS, REVISIONS, ContractQueries, ContractQuery
from cpqbridge.salesforce.contract_rows import ContractRows, is_answered_by_rows
from cpqbridge.salesforce.family import Family
from cpqbridge.salesforce.notices import distinct, notice_from, notice_query, text_at
from cpqbridge.salesforce.pages import all_rows, records_of
from cpqbridge.salesforce.qualification import Qualification, blamed
from cpqbridge.salesforce.roots import roots_of, with_roots
from cpqbridge.salesforce.schema import OrgSchema
from cpqbridge.salesforce.soql import any_of, one_of, quoted, select

_ORGANIZATION = ("Id", "Name", "IsSandbox", "TimeZoneSidKey")


@dataclass(frozen=True, slots=True, kw_only=True)
class Organization:
    """Who the org is. `time_zone` is its default, as an IANA name."""

    org_id: str
    name: str
    sandbox: bool
    time_zone: str
    multi_currency: bool


class SalesforceReader:
    """Reads an org through its schema; it changes nothing and may be shared by threads."""

    def __init__(self, client: SalesforceClient, schema: OrgSchema) -> None:
        """Read over `client` what `schema` says the org has."""
        self._client = client
        self._schema = schema
        self._family = Family(schema)
        self.changes = Changes(client, schema)

    def organization(self) -> Organization:
        """Return who the org is, one call."""
        (rows,) = all_rows(self._client, [select(_ORGANIZATION, "Organization")])
        org_id = text_at(rows[0], "Id") if rows else None
        if org_id is None:
            raise RecordError(
                "Salesforce does not say which org this is.",
                code="salesforce_unexpected",
                fix="Check that the address is an org's API.",
            )
        return Organization(
            org_id=org_id,
            name=text_at(rows[0], "Name") or "",
            sandbox=rows[0].get("IsSandbox") is True,
            time_zone=text_at(rows[0], "TimeZoneSidKey") or "UTC",
            multi_currency=self._schema.is_multi_currency,
        )

    def find_order(self, id_or_number: str) -> OrderNotice | None:
        """Return the order with this id (15 or 18 characters) or order number, drafts too; None without one.

        Raises:
            RecordError: Several orders have the number (code `order_ambiguous`).
        """
        text = id_or_number.strip()
        condition = f"OrderNumber = {quoted(text)}"
        if is_salesforce_id(text):
            condition = any_of([f"Id = {quoted(salesforce_id(text))}", condition])
        (rows,) = all_rows(self._client, [notice_query(self._schema, [condition], order_by="Id")])
        if len(rows) > 1:
            raise RecordError(
                f"{len(rows)} orders have the number {text!r}.",
                code="order_ambiguous",
                fix="Name the order by its id, like 801….",
            )
        found = with_roots(self._client, self._family, [notice_from(row) for row in rows])
        return next(iter(found), None)

    def qualifying_orders(
        self,
        condition: str,
        *,
        filter: str | None,  # noqa: A002 - the configuration file's own word
        since: datetime | None,
        activated_since: datetime | None,
    ) -> Iterator[OrderNotice]:
        """Yield the orders that meet the condition and the filter, page by page.

        Args:
            condition: The qualifying condition in SOQL; an empty text means that every order qualifies.
            filter: The admin's further condition, if any.
            since: Only orders saved at or after this instant; they come in the order they were saved. Without
                it they come in the order they were activated, drafts last.
            activated_since: Only orders activated at or after this instant.

        Raises:
            ConfigurationError: Salesforce cannot read the condition or the filter (code `filter_refused`).
        """
        wanted = Wanted(
            qualification=Qualification(condition=condition, filter=filter),
            since=since,
            activated_since=activated_since,
        )
        page = self.changes.first(wanted)
        while True:
            yield from page.notices
            if page.next_page is None:
                return
            page = self.changes.next(page.next_page)

    def read_contract(
        self,
        notice: OrderNotice,
        needs: FieldNeeds,
        *,
        condition: str | None = None,
        filter: str | None = None,  # noqa: A002 - the configuration file's own word
        further: Filters | None = None,
    ) -> RawContract:
        """Return everything of the contract that the order belongs to.

        One call; another one where an order renews a contract, for that contract; another one where a line is
        priced by its product's consumption schedule, for the tiers, or where an amendment made a contract of
        its own, for the amendments of that one; one more where filters make more than five queries, and one
        for each further page. In orgs that lack the Contract object, where amendments are found by the
        contract id on the lines, each takes one or two more. Every family member is found from the original
        quote, so any order of the contract gives the same answer.

        Args:
            notice: Any order of the contract.
            needs: What to read.
            condition: The qualifying condition (empty: every order); None leaves `qualifying_order_ids` None.
            filter: The admin's further condition, if any.
            further: The admin's conditions on accounts, products and price book entries, if any.

        Raises:
            ConfigurationError: The org lacks or hides something that is needed, or cannot read the filter.
        """
        qualification = Qualification(condition=condition or "", filter=filter, further=further)
        is_filtered = not (is_answered_by_rows(condition) and not (filter or "").strip())
        asked = qualification.conditions() if is_filtered else []
        filters = qualification.further_filters()
        queries = ContractQueries(self._schema, needs, asked, filters)
        collect = partial(
            ContractRows,
            org_url=self._client.base_url,
            condition=condition,
            is_filtered=is_filtered,
            filters=[each.setting for each in filters],
        )
        rows = collect(queries.extra_names)
        root_id = notice.root_quote_id or notice.quote_id
        if root_id:
            self._read_root(root_id, rows, queries, also=notice.contract_id, blame=qualification)
        else:
            self._read(queries.of_order(notice.order_id), rows, qualification)
        raw = rows.contract(root_id=root_id or notice.order_id)
        rates = queries.of_product_rates(product_schedule_ids(raw))
        if rates:
            self._read(rates, rows, qualification)
            raw = rows.contract(root_id=root_id or notice.order_id)
        renewed_id, old_root_id = self._renewed(raw)
        if old_root_id is None or old_root_id == raw.root_id:
            return raw
        rows, queries = collect(()), ContractQueries(self._schema, needs.bare, asked, filters)
        self._read_root(old_root_id, rows, queries, also=renewed_id, blame=qualification)
        return replace(raw, renewed=rows.contract(root_id=old_root_id, contract_id=renewed_id))

    def read_stamps(self, order_ids: Iterable[str]) -> dict[str, str]:
        """Return when each order was last saved (REST's text) by order id; a vanished order has no entry."""
        ids = sorted(set(order_ids))
        chunks = [ids[offset : offset + IDS_PER_QUERY] for offset in range(0, len(ids), IDS_PER_QUERY)]
        soqls = [select(["Id", "SystemModstamp"], "Order", where=one_of("Id", chunk)) for chunk in chunks]
        rows = [row for answered in all_rows(self._client, soqls) for row in answered]
        return {text_at(row, "Id") or "": text_at(row, "SystemModstamp") or "" for row in rows}

    def _renewed(self, raw: RawContract) -> tuple[str | None, str | None]:
        """Return the contract that an order renews, and its original quote; None for what is not told."""
        contract_id, root_id = first_renewal(raw.orders) or (None, None)
        if contract_id is None or root_id is not None or self._family.is_known_by_quote:
            return contract_id, root_id
        return contract_id, roots_of(self._client, self._family, [contract_id]).get(contract_id)

    def _read_root(
        self,
        root_id: str,
        rows: ContractRows,
        queries: ContractQueries,
        *,
        also: str | None,
        blame: Qualification,
    ) -> None:
        """Read the family of a root quote; `also` is a contract of it whose id is known beforehand."""
        family = self._family
        if family.is_known_by_quote:
            wanted, read = frozenset({root_id}), set[str]()
            while further := sorted(wanted - read):
                for quote_id in further:
                    self._read(queries.of_root(quote_id), rows, blame)
                read.update(further)
                wanted = family.quotes_of_contracts(orders=rows.of(ORDERS), items=rows.of(ITEMS))
            return
        self._read(queries.of_root(root_id), rows, blame)
        known: set[str] = set()
        while True:
            found = family.contract_ids_of(
                orders=rows.of(ORDERS), items=rows.of(ITEMS), revisions=rows.of(REVISIONS)
            )
            new = [contract_id for contract_id in distinct((*found, also)) if contract_id not in known]
            if not new:
                return
            self._read(queries.of_contracts(new), rows, blame)
            known.update(new)

    def _read(
        self, queries: Sequence[ContractQuery], rows: ContractRows, qualification: Qualification
    ) -> None:
        """Run the queries and keep their rows, further objects taken out of the lists they ride in."""
        try:
            answered = all_rows(self._client, [query.soql for query in queries])
        except CpqbridgeError as error:
            raise blamed(error, qualification) from error
        for query, records in zip(queries, answered, strict=True):
            for record in records:
                self._keep(query.kind, record, query.children, rows)

    def _keep(self, kind: str, record: RawRecord, children: Mapping[str, str], rows: ContractRows) -> None:
        """Keep one row, and the rows of the lists inside it, at any depth, under their own objects."""
        rows.add(kind, {key: record[key] for key in record if key not in children})
        for list_name, object_name in children.items():
            if record.get(list_name) is None:
                continue
            for child in records_of(self._client, checked_page(record[list_name])):
                self._keep(object_name, child, children, rows)
