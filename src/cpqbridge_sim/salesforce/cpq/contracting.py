"""Contracting: contracts, subscriptions, and the look-ups CPQ fills in on order products afterwards."""

from collections.abc import Sequence
from datetime import date, datetime

from cpqbridge_sim.salesforce.cpq import shapes
from cpqbridge_sim.salesforce.cpq.model import Contract, CpqError, Order, OrderLine
from cpqbridge_sim.salesforce.cpq.table import RecordTable

FIRST_CONTRACT_NUMBER = 100_001
"""Far from the numbers of orders, so that a number that somebody types names one thing."""


class Contracting:
    """Makes contracts from activated orders, several where the method follows the lines' end dates."""

    def __init__(self, table: RecordTable, *, count: int) -> None:
        self._table = table
        self._count = count

    def contract(self, order: Order, at: datetime | None) -> list[Contract]:
        """Return the contracts an order now belongs to; none for an order without subscriptions.

        Raises:
            CpqError: the order is not activated, or is contracted already.
        """
        if not order.is_activated:
            raise CpqError(f"Order {order.number} is not activated, so it cannot be contracted.")
        if self._table.get("Order", order.record_id).get("SBQQ__Contracted__c"):
            raise CpqError(f"Order {order.number} is contracted already.")
        if order.quote.kind == "Amendment" and order.quote.contract is not None:
            groups = self._amended(order, order.quote.contract)
        else:
            groups = self._new_contracts(order, order.lines)
        for contract, lines in groups:
            contract.orders.append(order)
            order.contracts.append(contract)
            for line in lines:
                self._add_line(contract, line, at)
            self._extend(contract)
        self._table.edit("Order", order.record_id, {"SBQQ__Contracted__c": True}, at=at)
        if order.quote.opportunity_id is not None:
            self._table.edit("Opportunity", order.quote.opportunity_id, {"SBQQ__Contracted__c": True}, at=at)
        return [contract for contract, _ in groups]

    def _amended(self, order: Order, contract: Contract) -> list[tuple[Contract, list[OrderLine]]]:
        """Put the lines of an amendment on its contract; what cannot be on it gets contracts of its own.

        Evergreen and other subscriptions are not allowed on one contract (Salesforce Help, Guidelines for
        Evergreen Subscriptions, read 21 Nov 2026). That such a contract names the amendment's quote is an
        assumption.
        """
        others = [
            line
            for line in order.lines
            if line.priced.revises is None
            and line.priced.line.product.is_recurring
            and line.priced.line.product.is_evergreen is not contract.is_evergreen
        ]
        own = [line for line in order.lines if line not in others]
        return [(contract, own), *(self._new_contracts(order, others) if others else [])]

    def _new_contracts(
        self, order: Order, lines: Sequence[OrderLine]
    ) -> list[tuple[Contract, list[OrderLine]]]:
        """Group by kind and, unless a single contract is asked for, by end date, the latest first."""
        by_key: dict[tuple[bool, date | None], list[OrderLine]] = {}
        by_end_date = order.quote.contracting_method != "Single Contract"
        assets: list[OrderLine] = []
        for line in lines:
            if not line.priced.line.product.is_recurring:
                assets.append(line)
                continue
            evergreen = line.priced.line.product.is_evergreen
            key = (evergreen, line.priced.end if by_end_date and not evergreen else None)
            by_key.setdefault(key, []).append(line)
        if len(by_key) == 1:
            only = next(iter(by_key.values()))
            only.extend(assets)
            only.sort(key=order.lines.index)
        groups = sorted(by_key.items(), key=lambda item: (item[0][0], -(item[0][1] or date.min).toordinal()))
        return [(self._new_contract(order, evergreen, group), group) for (evergreen, _), group in groups]

    def _new_contract(self, order: Order, evergreen: bool, lines: list[OrderLine]) -> Contract:
        self._count += 1
        contract = Contract(
            record_id=self._table.next_id("Contract"),
            quote=order.quote,
            is_evergreen=evergreen,
            start=min(line.priced.start for line in lines),
            end=_latest_end(lines),
            lines=[],
            orders=[],
        )
        record = shapes.contract_record(contract, order, f"{self._count:08d}")
        self._table.add("Contract", record, record_id=contract.record_id, currency=order.quote.currency)
        return contract

    def _add_line(self, contract: Contract, line: OrderLine, at: datetime | None) -> None:
        contract.lines.append(line)
        fields: dict[str, object] = {"SBQQ__Contract__c": contract.record_id}
        if line.priced.line.product.is_recurring:
            line.subscription_id = self._table.add(
                "SBQQ__Subscription__c",
                shapes.subscription_record(line, contract),
                currency=contract.quote.currency,
            )
            fields["SBQQ__Subscription__c"] = line.subscription_id
        self._table.edit("OrderItem", line.record_id, fields, at=at)
        revised = line.priced.revises
        if revised is not None and line.priced.terminated_on is not None and revised.subscription_id:
            ended = {"SBQQ__TerminatedDate__c": line.priced.terminated_on}
            self._table.edit("SBQQ__Subscription__c", revised.subscription_id, ended, at=at)

    def _extend(self, contract: Contract) -> None:
        end = _latest_end(contract.lines)
        if end is not None and contract.end is not None and end > contract.end:
            contract.end = end
            self._table.edit("Contract", contract.record_id, {"EndDate": end})


def _latest_end(lines: list[OrderLine]) -> date | None:
    return max((line.priced.end for line in lines if line.priced.end is not None), default=None)
