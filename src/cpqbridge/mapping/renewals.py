"""The contract that a renewal renews: which units of it are served until when (B6.12)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from cpqbridge.domain.dates import day_before
from cpqbridge.domain.order import (
    LineKind,
    Order,
    OrderHistory,
    OrderKind,
    OrderLine,
    RenewedContract,
    RenewedLine,
)
from cpqbridge.mapping.orders import QUOTE, order_kind
from cpqbridge.mapping.original_quotes import original_quote
from cpqbridge.mapping.qualifying import FILTERED_OUT
from cpqbridge.mapping.raw import RawContract, RawRecord
from cpqbridge.mapping.records import record_id_at
from cpqbridge.mapping.values import UnreadableValueError, as_date

_RENEWED = "Opportunity.SBQQ__RenewedContract"
_MASTER = f"{QUOTE}.SBQQ__MasterContract"
_LEFT_OUT = FILTERED_OUT | {"before_start_date"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Units:
    """Units of a positive line that are served until, including, `ends_on`."""

    line: OrderLine
    quantity: Decimal
    ends_on: date


def renewed_ids(order: RawRecord) -> tuple[str, str | None] | None:
    """Return the contract that a renewal order renews and, where told, its original quote; None without."""
    if order_kind(order) is not OrderKind.RENEWAL:
        return None
    for path in (_RENEWED, _MASTER):
        contract_id = record_id_at(order, f"{path}__c")
        if contract_id is not None:
            return contract_id, original_quote(order, f"{path}__r")
    return None


def first_renewal(orders: Iterable[RawRecord]) -> tuple[str, str | None] | None:
    """Return what `renewed_ids` says of the first order that renews anything."""
    return next((found for order in orders if (found := renewed_ids(order)) is not None), None)


def renewed_contract(contract_id: str, raw: RawContract | None, old: OrderHistory | None) -> RenewedContract:
    """Return the renewed contract from its records and what they mean; both are None where it is not seen.

    Its orders count when they are activated, also those that another connection or nobody bills: what the
    customer pays twice is the same. A family may have several contracts; only lines of this one count.
    """
    if raw is None or old is None:
        return RenewedContract(contract_id=contract_id, root_id=None, ends_on=None, lines=())
    left_out = {refusal.order_id for refusal in old.refusals if refusal.code in _LEFT_OUT}
    orders = [order for order in old.orders if order.activated or order.order_id in left_out]
    contracts = {record_id_at(item, "Id"): record_id_at(item, "SBQQ__Contract__c") for item in raw.items}
    lines = tuple(
        _sold(units)
        for units in _served(orders)
        if contracts.get(units.line.order_item_id) in {None, contract_id}
    )
    return RenewedContract(
        contract_id=contract_id,
        root_id=raw.root_id,
        ends_on=max((line.ends_on for line in lines), default=_end_of(raw.contract)),
        lines=tuple(sorted(lines, key=lambda line: (line.order_item_id, line.ends_on))),
    )


def _end_of(contract: RawRecord | None) -> date | None:
    try:
        return as_date(contract.get("EndDate")) if contract is not None else None
    except UnreadableValueError:
        return None


def _sold(units: _Units) -> RenewedLine:
    line = units.line
    days = Decimal((units.ends_on - line.starts_on).days + 1)
    whole = Decimal(((line.ends_on or units.ends_on) - line.starts_on).days + 1)
    share = units.quantity / line.quantity * days / whole
    return RenewedLine(
        order_item_id=line.order_item_id,
        product_id=line.product_id,
        product_name=line.product_name,
        quantity=units.quantity,
        starts_on=line.starts_on,
        ends_on=units.ends_on,
        total=line.total_price * share,
    )


def _served(orders: Sequence[Order]) -> Iterator[_Units]:
    """Yield the units of all recurring lines with an end; `orders` are in effective order.

    A reduction takes from its lineage as billing does (B6.1): the newest line first, of those with its own
    end first.
    """
    lines = [line for order in orders for line in order.lines]
    roots = _roots(lines)
    left: list[_Units] = []
    for line in sorted(lines, key=lambda line: line.starts_on):
        if line.kind is LineKind.ONE_TIME or line.ends_on is None or line.quantity == 0:
            continue
        if line.quantity > 0:
            left.append(_Units(line=line, quantity=line.quantity, ends_on=line.ends_on))
    for reduction in sorted(lines, key=lambda line: line.starts_on):
        if reduction.quantity < 0 and reduction.kind is not LineKind.ONE_TIME:
            left = list(_reduced(left, reduction, roots))
    yield from left


def _reduced(left: Sequence[_Units], reduction: OrderLine, roots: Mapping[str, str]) -> Iterator[_Units]:
    """Yield the units there are once a reduction has ended as many of its lineage as it says."""
    root = roots[reduction.order_item_id]
    wanted = -reduction.quantity
    same = [units for units in left if roots[units.line.order_item_id] == root]
    # Units that an earlier reduction ends before this one begins cannot be ended again.
    open_units = [units for units in reversed(same) if units.ends_on >= reduction.starts_on]
    open_units.sort(
        key=lambda units: (units.ends_on == reduction.ends_on, units.line.starts_on), reverse=True
    )
    taken: dict[int, Decimal] = {}
    for units in open_units:
        taken[id(units)] = min(units.quantity, wanted)
        wanted -= taken[id(units)]
    for units in left:
        gone = taken.get(id(units), Decimal(0))
        if units.quantity > gone:
            yield replace(units, quantity=units.quantity - gone)
        if gone and reduction.starts_on > units.line.starts_on:
            yield replace(units, quantity=gone, ends_on=day_before(reduction.starts_on))


def _roots(lines: Sequence[OrderLine]) -> dict[str, str]:
    """Return the first line of each line's lineage (B2.6), as far back as the lines are known."""
    revised = {line.order_item_id: line.revises for line in lines}
    roots = {}
    for line in lines:
        root = line.order_item_id
        while (before := revised.get(root)) is not None:
            root = before
        roots[line.order_item_id] = root
    return roots
