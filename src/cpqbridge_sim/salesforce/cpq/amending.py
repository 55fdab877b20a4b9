"""The quote lines that Amend and Renew put on a new quote for the lines of a contract."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Edit:
    """What is typed on one line of the amendment quote: `prior` units become `by` more or fewer."""

    line: OrderLine
    prior: Decimal
    by: Decimal
    revised: OrderLine


def amendment_lines(
    contract: Contract,
    changes: Changes,
    start: date,
    *,
    settings: PackageSettings,
    next_id: Callable[[], str],
) -> list[PricedLine]:
    """Return a quote line for each subscription that still runs, or lineage, with its difference in quantity.

    Raises:
        CpqError: a change names a line of another contract, goes below zero, or reduces an asset that the
            product does not allow to be refunded.
    """
    wanted = _wanted(contract, changes, settings)
    currency = contract.quote.currency
    lines: list[PricedLine] = []
    for line, prior in _shown(contract, settings).items():
        by = wanted.get(line, Decimal(0))
        recurring = line.priced.line.product.is_recurring
        ended = line.priced.end is not None and line.priced.end < start
        if by or (prior and recurring and not ended):
            edit = _Edit(line=line, prior=prior, by=by, revised=_revised(contract, line, by, settings))
            priced = _difference(edit, start, currency=currency, settings=settings)
            lines.append(replace(priced, quote_line_id=next_id()))
    return lines


def product_changes(contract: Contract, product_id: str, by: Decimal, start: date) -> list[Change]:
    """Return the changes that sell `by` more units of a product, or take them off, newest line first.

    More units go to the newest line that runs on `start` or later.

    Raises:
        CpqError: the contract has no such product then, or not so many units of it.
    """
    running = [
        (line, left)
        for line, left in contract.remaining().items()
        if left > 0
        and line.priced.line.product.record_id == product_id
        and (line.priced.end is None or line.priced.end >= start)
    ]
    if not running:
        raise CpqError(f"The contract has nothing left of product {product_id} from {start} on.")
    if by > 0:
        return [Change(line=running[-1][0], by=by)]
    changes = []
    taken = -by
    for line, left in reversed(running):
        units = min(left, taken)
        taken -= units
        if units:
            changes.append(Change(line=line, by=-units))
    if taken:
        name, total = running[0][0].priced.line.product.name, sum(left for _, left in running)
        raise CpqError(f"{name} has {total} left from {start} on and cannot be changed by {by}.")
    return changes


def termination_changes(contract: Contract, at: date, *, refund_assets: bool) -> list[Change]:
    """Return the changes that bring everything still running on a date to zero."""
    return [
        Change(line=line, by=-left)
        for line, left in contract.remaining().items()
        if left
        and (line.priced.end is None or line.priced.end >= at)
        and (line.priced.line.product.is_recurring or refund_assets)
    ]


def renewal_lines(contract: Contract) -> list[Line]:
    """Return the full quantities of what runs to the end of the contract, at the price it has there.

    Raises:
        CpqError: the contract is evergreen, or nothing of it is left, so there is nothing to renew.
    """
    if contract.end is None:
        raise CpqError("An evergreen contract has no end and is not renewed.")
    lines = [
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
    if not lines:
        raise CpqError(f"Nothing runs to the end of the contract on {contract.end}, so nothing is renewed.")
    return lines


def new_lines(changes: Sequence[Change | Line]) -> list[Line]:
    """Return the lines an amendment adds, which are related to no old one."""
    return [change for change in changes if isinstance(change, Line)]


def _shown(contract: Contract, settings: PackageSettings) -> dict[OrderLine, Decimal]:
    """Return what the quote shows, with its quantity: subscriptions by order, newest first, or lineages."""
    if settings.amendment_shows == "lineage":
        return {lineage: contract.quantity(lineage) for lineage in contract.lineages()}
    left = contract.remaining()
    # Two orders of one quote have an age each; lines of one order stay as the quote had them.
    ages = {order_id: age for age, order_id in enumerate(dict.fromkeys(line.order_id for line in left))}
    return {line: left[line] for line in sorted(left, key=lambda each: -ages[each.order_id])}


def _wanted(contract: Contract, changes: Changes, settings: PackageSettings) -> dict[OrderLine, Decimal]:
    wanted: dict[OrderLine, Decimal] = {}
    for change in changes:
        if isinstance(change, Change):
            if change.line not in contract.lines:
                raise CpqError(
                    f"Order product {change.line.record_id} is not on contract {contract.record_id}."
                )
            line = change.line.lineage if settings.amendment_shows == "lineage" else change.line.reduces
            wanted[line] = wanted.get(line, Decimal(0)) + Decimal(change.by)
    return wanted


def _revised(contract: Contract, line: OrderLine, by: Decimal, settings: PackageSettings) -> OrderLine:
    """Return the line a difference names: one that takes units away from a subscription names its line."""
    if settings.amendment_shows == "subscription" and by <= 0:
        return line
    if settings.revised_line == "latest":
        return [other for other in contract.lines if other.lineage is line.lineage][-1]
    return line.lineage


def _difference(edit: _Edit, start: date, *, currency: str, settings: PackageSettings) -> PricedLine:
    old, by, left = edit.line.priced, edit.by, edit.prior + edit.by
    product = old.line.product
    if old.quantity >= 0 and left < 0:
        raise CpqError(
            f"{product.name} has {edit.prior} left on order product {edit.line.record_id} and cannot be "
            f"changed by {by}."
        )
    if by < 0 and not product.is_recurring and not product.refundable:
        raise CpqError(f"{product.name} is an asset whose Amendment Behavior does not allow a refund.")
    begin, multiplier, unit_price, total = price_difference(
        old, by, start, currency=currency, settings=settings
    )
    ended = product.is_recurring and by and not left
    return PricedLine(
        line=replace(old.line, coupons=(), required_by=None),
        quote_line_id="",
        start=begin,
        end=old.end,
        # CPQ leaves the typed term of the first order off the difference line of a termed subscription.
        term=old.term if old.end is None else None,
        quantity=by,
        list_price=old.list_price,
        net_price=old.net_price,
        multiplier=multiplier,
        unit_price=unit_price,
        total=total,
        prior_quantity=edit.prior,
        action="Quantity Increase" if by > 0 else "Quantity Decrease" if by < 0 else "No Change",
        revises=edit.revised,
        terminated_on=begin if ended else None,
        entry_id=old.entry_id,
    )
