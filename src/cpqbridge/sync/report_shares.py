"""How much of an invoice line, a credit note or a credit on the balance belongs to which order line.

What we make names its order lines in metadata. An item or line has `salesforce_order_item_id`, ids separated
by commas, and beside it, for several lines, `salesforce_units` with the units of each. A credit has
`salesforce_credits` (and, where one value does not hold all, `salesforce_credits_2` and so on) with
`order line:minor units`, negative for what is credited and positive for a charge of the same order that was
netted with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

from cpqbridge.domain.billing import TakenAmount
from cpqbridge.domain.money import round_half_up
from cpqbridge.domain.pricing import TieredPrice

ORDER_ITEM_KEY = "salesforce_order_item_id"
UNITS_KEY = "salesforce_units"
CREDITS_KEY = "salesforce_credits"

Shares = tuple[tuple[str, int], ...]
StripeObject = Mapping[str, Any]


def order_items(record: StripeObject) -> tuple[str, ...]:
    """Return the ids of the order lines that a Stripe object names, in its order."""
    return tuple(part.strip() for part in _named(record, ORDER_ITEM_KEY).split(",") if part.strip())


def line_shares(amount_minor: int, record: StripeObject) -> Shares:
    """Return the amount shared out by the units the record names, else evenly.

    What does not divide goes to the first lines, one minor unit each.
    """
    owners = order_items(record)
    if not owners:
        return ()
    units = _numbers(record, UNITS_KEY, len(owners))
    if not units or min(units) < 0 or not any(units):
        units = [1] * len(owners)
    weights = {owner: weight for owner, weight in zip(owners, units, strict=True) if weight}
    parts = {owner: amount_minor * weight // sum(weights.values()) for owner, weight in weights.items()}
    rest = amount_minor - sum(parts.values())
    return tuple((owner, parts[owner] + (1 if place < rest else 0)) for place, owner in enumerate(parts))


def tiered_shares(
    amounts_minor: Sequence[int], record: StripeObject, price: TieredPrice
) -> tuple[Shares, ...]:
    """Return the shares of the lines that one tiered item has on an invoice, one line for each tier.

    Tiers count one order line's units after the other's: each order line has what its units add (B3.5). Where
    a coupon lowers the lines, each share is lowered with them.
    """
    owners, total = order_items(record), sum(amounts_minor)
    below, added = 0, []
    for units in _numbers(record, UNITS_KEY, len(owners)) or [1] * len(owners):
        added.append(price.charge_minor(below + units) - price.charge_minor(below))
        below += units
    whole = sum(added)
    if whole not in (0, total):
        bounds = [
            round_half_up(Fraction(total * sum(added[:place]), whole)) for place in range(len(added) + 1)
        ]
        added = [upper - lower for lower, upper in pairwise(bounds)]
    if len(amounts_minor) == 1:
        return (tuple(zip(owners, added, strict=True)),)
    return tuple(_filled(amounts_minor, list(zip(owners, added, strict=True))))


def _filled(amounts_minor: Sequence[int], left: list[tuple[str, int]]) -> Iterator[Shares]:
    """Yield the shares of each line, filled in order from what is left of each owner's share."""
    for amount_minor in amounts_minor:
        shares: list[tuple[str, int]] = []
        missing = amount_minor
        while missing > 0 and left:
            owner, amount = left.pop(0)
            part = min(amount, missing)
            if part:
                shares.append((owner, part))
            missing -= part
            if part != amount:
                left.insert(0, (owner, amount - part))
        yield tuple(shares)


def credited_items(record: StripeObject) -> tuple[tuple[str, int], ...]:
    """Return the amounts in minor units (credits negative) that a credit states for each order line."""
    metadata = record.get("metadata") or {}
    keys = [key for key in metadata if key == CREDITS_KEY or key.startswith(f"{CREDITS_KEY}_")]
    found = []
    for key in sorted(keys, key=lambda key: (len(key), key)):
        for part in str(metadata[key]).split(","):
            owner, _, amount = part.strip().partition(":")
            if owner and amount.removeprefix("-").isdecimal():
                found.append((owner, int(amount)))
    return tuple(found)


def credit_shares(amounts_minor: Sequence[int], record: StripeObject) -> tuple[Shares, ...]:
    """Return the shares of each line of a credit (minor units, negative) by what the credit itself states.

    Where its stated amounts do not come to its total, nothing is shared out, so that the proof of its order
    lines fails instead of guessing.
    """
    stated = credited_items(record)
    if sum(amount for _, amount in stated) != sum(amounts_minor):
        return ((),) * len(amounts_minor)
    return tuple(_allotted(amounts_minor, list(stated)))


def with_taken(billed: Mapping[str, int], taken: Iterable[TakenAmount]) -> Counter[str]:
    """Return what was billed per order line as the proof counts it (minor units by order item id).

    A line that is reduced later counts as if nothing followed; the reducing line counts with minus what it
    takes away (B12.3). Their sum is what the invoices come to.
    """
    counted = Counter(dict(billed))
    for amount in taken:
        counted[amount.reduced_id] += amount.amount_minor
        counted[amount.reducing_id] -= amount.amount_minor
    return counted


def _allotted(amounts_minor: Sequence[int], stated: list[tuple[str, int]]) -> Iterator[Shares]:
    """Yield the shares of each line: charges lie on the first one, credits fill the lines in order."""
    charges = [(owner, amount) for owner, amount in stated if amount > 0]
    credits_left = [(owner, amount) for owner, amount in stated if amount < 0]
    for amount_minor in amounts_minor:
        shares, charges = list(charges), []
        missing = amount_minor - sum(amount for _, amount in shares)
        while missing < 0 and credits_left:
            owner, amount = credits_left.pop(0)
            part = max(amount, missing)
            shares.append((owner, part))
            missing -= part
            if part != amount:
                credits_left.insert(0, (owner, amount - part))
        yield tuple(shares)


def _numbers(record: StripeObject, key: str, count: int) -> list[int]:
    """Return the whole numbers a metadata value lists, nothing when they are not `count` of them."""
    try:
        found = [int(part) for part in _named(record, key).split(",")]
    except ValueError:
        return []
    return found if len(found) == count else []


def _named(record: StripeObject, key: str) -> str:
    return str((record.get("metadata") or {}).get(key) or "")
