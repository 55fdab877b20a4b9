"""Which Stripe price each run has, duplicates in slots of their own; a line keeps its price (B3.6)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cpqbridge.domain.billing import BillingObject, BillingState, Step
from cpqbridge.domain.order import OrderHistory
from cpqbridge.planning import steps
from cpqbridge.planning.contract import Contract
from cpqbridge.planning.runs import Run


def give_prices(contract: Contract) -> None:
    """Give a price key to every run that has full cycles to be billed by an item and none yet."""
    slots: dict[str, int] = {}
    shared: dict[tuple[str, str], str] = {}
    for run in contract.runs.values():
        if run.price_key is not None:
            first, _, slot = run.price_key.rpartition(":")
            slots[first] = max(slots.get(first, 0), int(slot))
            shared.setdefault((contract.lineages.root(run.line), first), run.price_key)
    for run in contract.runs.values():
        if run.price_key is not None or not _needs_price(run):
            continue
        first = _wanted(run, contract.rules.currency).first_key
        lineage = (contract.lineages.root(run.line), first)
        if _is_one_item(run) and lineage in shared:
            run.price_key = shared[lineage]
            continue
        slots[first] = slots.get(first, 0) + 1
        run.price_key = f"{first}:{slots[first]}"
        shared.setdefault(lineage, run.price_key)


def _is_one_item(run: Run) -> bool:
    """Return whether the lines of its lineage are one item, because tiers count them together."""
    return run.pieces.price.tiers is not None and not run.line.metered


def _needs_price(run: Run) -> bool:
    if run.carried or run.line.metered:
        return True
    return any(piece.kind == "cycle" and run.units_billed(piece) for piece in run.to_come())


def _wanted(run: Run, currency: str) -> steps.PriceWanted:
    return steps.PriceWanted(
        price=run.pieces.price,
        product_id=run.line.product_id,
        currency=currency,
        interval_count=run.pieces.cycle.months,
        slot=int((run.price_key or ":1").rpartition(":")[2]),
        metered=run.line.metered,
        parameters=run.line.price_parameters,
    )


def price_steps(
    contract: Contract,
    history: OrderHistory,
    state: BillingState,
    changed: Mapping[str, BillingObject],
) -> Iterator[Step | tuple[str, str]]:
    """Yield the calls for prices that the changed schedules need and that do not exist.

    A price that a Salesforce record shows and that is exactly the wanted one is used as it is: then its key
    and Stripe id are yielded instead.
    """
    used = {
        item.price_key
        for wanted in changed.values()
        for phase in wanted.phases
        for item in phase.items
        if item.price_key is not None
    }
    # A duplicate names its original, which is made for it where no phase needs it.
    originals = {f"{key.rpartition(':')[0]}:1" for key in used if key not in state.links}
    used |= originals
    resolved: dict[str, str] = {}
    for run in sorted(contract.runs.values(), key=lambda run: run.price_key not in originals):
        if run.price_key not in used or run.price_key is None or run.price_key in state.links:
            continue
        price = _wanted(run, contract.rules.currency)
        shown = run.line.displayed_price_id
        if shown and steps.matches_verified(price, state, shown):
            resolved[run.price_key] = shown
            yield run.price_key, shown
        else:
            yield from steps.meter_steps(history, price, state)
            yield steps.price_step(history, price, resolved)
