"""The sales desk: each verb writes to the org, all or nothing, what CPQ itself would write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, get_args

from cpqbridge_sim.salesforce.cpq.amending import product_changes
from cpqbridge_sim.salesforce.cpq.engine import Cpq
from cpqbridge_sim.salesforce.cpq.model import Change, CpqError, Frequency, Line
from cpqbridge_sim.salesforce.desk.coupons import QUOTE_COUPON, coupon_of
from cpqbridge_sim.salesforce.desk.handles import Handles, is_activated
from cpqbridge_sim.salesforce.desk.lookups import one_record, record_at, records_where
from cpqbridge_sim.salesforce.desk.opening import existing_org, inferred_precision
from cpqbridge_sim.salesforce.desk.org_table import OrgTable, org_currency
from cpqbridge_sim.salesforce.errors import LoadError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from cpqbridge_sim.salesforce.cpq.model import Account, Contract, Coupon, Order, OrderLine, Product
    from cpqbridge_sim.salesforce.cpq.quoting import QuoteOptions
    from cpqbridge_sim.salesforce.desk.requests import (
        ActivateRequest,
        AmendRequest,
        NewLine,
        QuoteRequest,
        RenewRequest,
        TerminateRequest,
    )
    from cpqbridge_sim.salesforce.org import Org
    from cpqbridge_sim.salesforce.values import Record

NEEDED_OBJECTS: Final = ("Account", "Product2", "PricebookEntry", "Opportunity", "SBQQ__Quote__c", "Contract")
DEFAULT_TERM_MONTHS: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The order a verb made or activated; `contract_ids` are the contracts it belongs to by now."""

    order_id: str
    contract_ids: tuple[str, ...]


class SalesDesk:
    """One visit to the desk: makes handles of what the org holds now, and is used for one verb."""

    def __init__(self, org: Org) -> None:
        """Look around.

        Raises:
            CpqError: the org lacks an object that CPQ writes.
        """
        lacking = [name for name in NEEDED_OBJECTS if org.metadata.find(name) is None]
        if lacking:
            raise CpqError(
                f"This org has no {', '.join(lacking)}. Start it with an export that has these objects."
            )
        self._org = org
        self._table = OrgTable(org)
        self._currency = org_currency(org)
        self._cpq = Cpq(
            org=existing_org(org, self._table),
            precision=org.prorate_precision or inferred_precision(org),
            multi_currency=org.metadata.multi_currency,
            currency=self._currency,
        )
        self._handles = Handles(org, self._cpq.settings)

    def quote(self, request: QuoteRequest) -> Outcome:
        """Quote new business and order it.

        Raises:
            CpqError: CPQ, the price book or the org would not let a user do this; nothing was written.
        """
        start = request.start or self._today()
        options: QuoteOptions = {
            "payment_term": request.payment_term or "Net 30",
            "coupons": self._coupons(request.coupons),
        }
        if request.currency:
            options["currency"] = self._known_currency(request.currency)
        if request.end:
            options["end"] = request.end
        else:
            options["term"] = request.term or DEFAULT_TERM_MONTHS
        lines = [self._line(each, end=None) for each in request.lines]
        quote = self._cpq.quote(self._account(request), start=start, lines=lines, **options)
        return self._finish(self._cpq.order(quote), activate=request.activate)

    def amend(self, request: AmendRequest) -> Outcome:
        """Change quantities of a contract and add lines to it; see `quote` for errors."""
        contract = self._contract(request.contract)
        start = request.start or max(self._today(), contract.start)
        changes: list[Change | Line] = [
            Change(line=self._line_of(contract, line_id), by=by) for line_id, by in request.by_line
        ]
        for product, by in request.by_product:
            changes += product_changes(contract, self._product(product).record_id, by, start)
        changes += [self._line(each, end=request.end) for each in request.add]
        order = self._cpq.amend(contract, start=start, changes=changes)
        return self._finish(order, activate=request.activate)

    def terminate(self, request: TerminateRequest) -> Outcome:
        """End everything on a contract; see `quote` for errors."""
        contract = self._contract(request.contract)
        start = request.start or max(self._today(), contract.start)
        if contract.end is not None and start > contract.end:
            raise CpqError(f"The contract ends on {contract.end}; there is nothing to end on {start}.")
        order = self._cpq.terminate(contract, at=start, refund_assets=request.refund_assets)
        return self._finish(order, activate=request.activate)

    def renew(self, request: RenewRequest) -> Outcome:
        """Order another term of a contract; see `quote` for errors."""
        contract = self._contract(request.contract)
        order = self._cpq.renew(contract, term=request.term, start=request.start)
        return self._finish(order, activate=request.activate)

    def activate(self, request: ActivateRequest) -> Outcome:
        """Activate a draft order and contract it; see `quote` for errors."""
        record = one_record(self._org, "Order", request.order, ("OrderNumber",))
        order = self._handles.order(record)
        if not order.lines:
            raise CpqError(f"Order {order.number} has no order product.")
        return self._finish(order, activate=True)

    def _finish(self, order: Order, *, activate: bool) -> Outcome:
        if activate:
            _require_units(order)
            self._cpq.activate(order, at=self._table.next_instant())
            self._cpq.contracts(order, at=self._table.next_instant())
        try:
            self._table.save()
        except LoadError as error:
            raise CpqError(f"The org cannot hold this: {error}") from None
        amended = order.quote.contract
        contracts = order.contracts or ([amended] if amended else [])
        return Outcome(order_id=order.record_id, contract_ids=tuple(each.record_id for each in contracts))

    def _today(self) -> date:
        return self._org.now.date()

    def _account(self, request: QuoteRequest) -> Account:
        if request.email is not None:
            return self._cpq.account(request.account, email=request.email)
        try:
            record = one_record(self._org, "Account", request.account, ("Name",))
        except CpqError as error:
            raise CpqError(f"{error} With an email it is sold to as a new customer.") from None
        return self._handles.account(record)

    def _known_currency(self, currency: str) -> str:
        wanted = currency.upper()
        if not self._org.metadata.multi_currency and wanted != self._currency:
            raise CpqError(f"This org has one currency only, so nothing can be quoted in {wanted}.")
        return wanted

    def _product(self, text: str) -> Product:
        return self._handles.product(one_record(self._org, "Product2", text, ("ProductCode", "Name")))

    def _coupons(self, names: Sequence[str]) -> tuple[Coupon, ...]:
        return tuple(coupon_of(one_record(self._org, QUOTE_COUPON, name, ("Name",))) for name in names)

    def _line(self, new: NewLine, *, end: date | None) -> Line:
        frequencies = get_args(Frequency)
        frequency = new.frequency
        if frequency is not None and frequency not in frequencies:
            raise CpqError(f"frequency is {frequency!r}; known are {', '.join(frequencies)}.")
        product = self._product(new.product)
        if product.charge_type == "Usage" and new.quantity != 1:
            raise CpqError(f"{product.name} is billed by usage, so its quantity on a quote is 1.")
        return Line(
            product=product,
            quantity=new.quantity,
            start=new.start,
            end=(new.end or end) if product.is_recurring else None,
            price=new.price,
            discount=new.discount,
            frequency=frequency,
            coupons=self._coupons(new.coupons),
        )

    def _contract(self, text: str) -> Contract:
        """The contract that an id or number names, its own or one of an order on it.

        An activated order that nobody contracted yet is contracted first.
        """
        contracts = {
            str(record["Id"]): self._handles.contract(record)
            for record in found_by(self._org, "Contract", "ContractNumber", text)
        }
        for order in found_by(self._org, "Order", "OrderNumber", text):
            contracts |= self._contracts_of(order)
        if not contracts:
            raise CpqError(
                f"The org has neither a contract nor an order {text!r}. Give the id or number of one of them."
            )
        if len(contracts) > 1:
            raise CpqError(f"{text!r} names several contracts: {', '.join(contracts)}. Give the id of one.")
        return next(iter(contracts.values()))

    def _contracts_of(self, order: Record) -> dict[str, Contract]:
        named = (record_at(self._org, "Contract", each) for each in contract_ids_of(self._org, order))
        contracts = [self._handles.contract(record) for record in named if record is not None]
        if not contracts and is_activated(order):
            contracts = self._cpq.contracts(self._handles.order(order), at=self._table.next_instant())
        if not contracts:
            reason = "it has no subscription" if is_activated(order) else "it is not activated"
            raise CpqError(f"Order {order.get('OrderNumber')} belongs to no contract: {reason}.")
        return {contract.record_id: contract for contract in contracts}

    def _line_of(self, contract: Contract, line_id: str) -> OrderLine:
        item = one_record(self._org, "OrderItem", line_id, ("OrderItemNumber",))
        line = self._handles.line(item)
        if line not in contract.lines:
            raise CpqError(f"Order product {line_id} is not on contract {contract.record_id}.")
        return line


def found_by(org: Org, sobject: str, field: str, text: str) -> list[Record]:
    """The records of an object that an id names, or else a field's value."""
    by_id = record_at(org, sobject, text)
    return [by_id] if by_id is not None else records_where(org, sobject, field, text)


def contract_ids_of(org: Org, order: Record) -> tuple[str, ...]:
    """The contracts of an order: those its lines name, else the one it amends."""
    items = records_where(org, "OrderItem", "OrderId", str(order["Id"]))
    named = dict.fromkeys(str(item["SBQQ__Contract__c"]) for item in items if item.get("SBQQ__Contract__c"))
    if named:
        return tuple(named)
    opportunity = record_at(org, "Opportunity", order.get("OpportunityId")) or {}
    amended = opportunity.get("SBQQ__AmendedContract__c")
    return (str(amended),) if amended else ()


def _require_units(order: Order) -> None:
    """Refuse an amendment that takes more than is left, as other amendments may have been activated since."""
    contract = order.quote.contract
    if contract is None:
        return
    lineages = {line.lineage for line in order.lines if line.priced.quantity < 0 and line.priced.revises}
    for lineage in lineages:
        taken = sum(line.priced.quantity for line in order.lines if line.lineage is lineage)
        left = contract.quantity(lineage)
        if left + taken < 0:
            name = lineage.priced.line.product.name
            raise CpqError(f"{name} has {left} left by now and cannot be changed by {taken}: amend it anew.")
