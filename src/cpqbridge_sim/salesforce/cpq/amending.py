"""The quote lines that Amend and Renew put on a new quote for the lines of a contract."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal

from cpqbridge_sim.salesforce.cpq.model import (
    Change,
    Changes,
    Contract,
    CpqError,
    Line,
    OrderLine,
    PricedLine,
)
from cpqbridge_sim.salesforce.cpq.pricing import PackageSettings, price_difference


def amendment_lines(
    contract: Contract,
    changes: Changes,
    start: date,
    *,
    settings: PackageSettings,
    next_id: Callable[[], str],
) -> list[PricedLine]:
    """Return one quote line per lineage of the contract that still runs, with the difference in quantity.

    Raises:
        CpqError: a change names a line of another contract, goes below zero, or reduces an asset that the
            product does not allow to be refunded.
    """
    wanted = _wanted(contract, changes)
    lines: list[PricedLine] = []
    for lineage in contract.lineages():
        by = wanted.get(lineage, Decimal(0))
        recurring = lineage.priced.line.product.is_recurring
        ended = lineage.priced.end is not None and lineage.priced.end < start
        if not by and (ended or not recurring or not contract.quantity(lineage)):
            continue
        lines.append(_difference(contract, lineage, by, start, settings=settings, next_id=next_id))
    return lines


def termination_changes(contract: Contract, at: date, *, refund_assets: bool) -> list[Change]:
    """Return the changes that bring everything still running on a date to zero."""
    return [
        Change(line=lineage, by=-contract.quantity(lineage))
        for lineage in contract.lineages()
        if contract.quantity(lineage)
        and (lineage.priced.end is None or lineage.priced.end >= at)
        and (lineage.priced.line.product.is_recurring or refund_assets)
    ]


def renewal_lines(contract: Contract) -> list[Line]:
    """Return the full quantities of what runs to the end of the contract, at the price it has there.

    Raises:
        CpqError: the contract is evergreen, so there is nothing to renew.
    """
    if contract.end is None:
        raise CpqError("An evergreen contract has no end and is not renewed.")
    return [
        replace(
            lineage.priced.line,
            quantity=contract.quantity(lineage),
            start=None,
            end=None,
            term=None,
            segment=None,
            required_by=None,
            coupons=(),
        )
        for lineage in contract.lineages()
        if contract.quantity(lineage)
        and lineage.priced.line.product.is_recurring
        and lineage.priced.end == contract.end
    ]


def _wanted(contract: Contract, changes: Changes) -> dict[OrderLine, Decimal]:
    wanted: dict[OrderLine, Decimal] = {}
    for change in changes:
        if isinstance(change, Change):
            lineage = change.line.lineage
            if lineage not in contract.lines:
                raise CpqError(
                    f"Order product {change.line.record_id} is not on contract {contract.record_id}."
                )
            wanted[lineage] = wanted.get(lineage, Decimal(0)) + Decimal(change.by)
    return wanted


def _difference(
    contract: Contract,
    lineage: OrderLine,
    by: Decimal,
    start: date,
    *,
    settings: PackageSettings,
    next_id: Callable[[], str],
) -> PricedLine:
    root = lineage.priced
    product = root.line.product
    prior = contract.quantity(lineage)
    if root.quantity >= 0 and prior + by < 0:
        raise CpqError(f"{product.name} has {prior} left and cannot be changed by {by}.")
    if by < 0 and not product.is_recurring and not product.refundable:
        raise CpqError(f"{product.name} is an asset whose Amendment Behavior does not allow a refund.")
    begin, multiplier, unit_price, total = price_difference(
        root, by, start, currency=contract.quote.currency, settings=settings
    )
    revises = lineage
    if settings.revised_line == "latest":
        revises = [line for line in contract.lines if line.lineage is lineage][-1]
    return PricedLine(
        line=replace(root.line, coupons=(), required_by=None),
        quote_line_id=next_id(),
        start=begin,
        end=root.end,
        # CPQ leaves the typed term of the first order off the difference line of a termed subscription.
        term=root.term if root.end is None else None,
        quantity=by,
        list_price=root.list_price,
        net_price=root.net_price,
        multiplier=multiplier,
        unit_price=unit_price,
        total=total,
        prior_quantity=prior,
        action="Quantity Increase" if by > 0 else "Quantity Decrease" if by < 0 else "No Change",
        revises=revises,
        terminated_on=begin if by and not prior + by else None,
    )


def new_lines(changes: Sequence[Change | Line]) -> list[Line]:
    """Return the lines an amendment adds, which are related to no old one."""
    return [change for change in changes if isinstance(change, Line)]
