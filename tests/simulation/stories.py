"""One contract's life as the tests are told it: its orders, configuration, and when the connector runs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Literal

from cpqbridge.domain.order import LineKind, Order, OrderHistory, OrderLine
from cpqbridge.mapping.configuration import Configuration

Sync = tuple[datetime, frozenset[str]]
Payer = Literal["nobody", "card", "transfer"]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Story:
    """One contract's life: what was sold, under which configuration, and when the connector runs.

    `history` has every order, all activated. Each of `syncs` is an instant (aware UTC) and the orders that
    are activated by then; the last one has all. `drafts` are orders that can be seen as drafts before their
    activation. `planted` is the code of the refusal or hold that the story must lead to, None for a story
    that must go through. `payer` is how the customer pays: not at all, by card as Stripe asks, or by transfer
    before each run of the connector. `cutover` is the first day we bill, None where nobody billed before us.
    `until` is the day up to which lines without end are looked at, None where all end.
    """

    history: OrderHistory
    configuration: Configuration
    syncs: tuple[Sync, ...]
    drafts: frozenset[str] = frozenset()
    planted: str | None = None
    payer: Payer = "nobody"
    cutover: date | None = None
    until: date | None = None

    @property
    def kinds(self) -> frozenset[str]:
        """Return what is sold in the story besides lines that recur every month to the contract's end."""
        orders = self.history.orders
        recurring = [line for order in orders for line in order.lines if line.kind is LineKind.RECURRING]
        amended = {line.segment for order in orders[1:] for line in order.lines if line.segment}
        found = {
            "evergreen": any(line.evergreen for line in recurring),
            "evergreen beside termed": len({line.evergreen for line in recurring}) > 1,
            "evergreen reduced": any(line.evergreen and line.quantity < 0 for line in recurring),
            "ramp": any(line.segment for line in recurring),
            "ramp amended": bool(amended),
            "custom price": any(line.custom_price is not None for line in recurring),
            "tiers": any(line.tiers for line in recurring),
            "tiers changed": any(line.tiers for order in orders[1:] for line in order.lines if line.revises),
            "trial": any(order.trial_ends_on for order in orders),
            "frequencies mixed": len({line.frequency_months for line in recurring}) > 1,
        }
        return frozenset(kind for kind, is_so in found.items() if is_so)

    def __repr__(self) -> str:
        return f"Story:\n{self.describe()}"

    def describe(self) -> str:
        """Return the story for a human, a line for each thing that happens."""
        policy = self.configuration.policy
        told = [
            f"{policy.prorate_precision}, items {policy.items}, proration {policy.proration}",
            f"credits {policy.credits} to {policy.credit_target}, paid by {self.payer}",
            f"rounding {policy.rounding}, frequencies {policy.frequencies}, planted: {self.planted or 'nothing'}",
        ]
        if self.until is not None:
            told.append(f"looked at until {self.until}, evergreen credits {policy.evergreen_credits}")
        if self.cutover is not None:
            told.append(f"billed elsewhere before {self.cutover}")
        if self.history.renewed is not None:
            told.append(f"renews a contract that ends on {self.history.renewed.ends_on}")
        for order in self.history.orders:
            seen = ", seen as a draft before" if order.order_id in self.drafts else ""
            skips = ", skips past invoices" if order.skip_past_initial_invoices else ""
            trial = f", free until {order.trial_ends_on}" if order.trial_ends_on else ""
            told.append(
                f"{order.order_id} {order.kind} effective {order.effective_on}, "
                f"activated {order.activated_at:%Y-%m-%d %H:%M:%S}{seen}{skips}{trial}{_coupons_text(order)}"
            )
            told += [f"  {_line_text(line, order.currency)}" for line in order.lines]
        told += [f"sync {at:%Y-%m-%d %H:%M:%S} knows {', '.join(sorted(ids))}" for at, ids in self.syncs]
        return "\n".join(told)


def _line_text(line: OrderLine, currency: str) -> str:
    revises = f", revises {line.revises}" if line.revises else ""
    every = f" every {line.frequency_months} months" if line.frequency_months else " once"
    custom = f", custom price {line.custom_price}" if line.custom_price is not None else ""
    tiers = f", {line.tiers}" if line.tiers is not None else ""
    segment = f", segment {line.segment.index}" if line.segment is not None else ""
    last = "no end" if line.evergreen else line.ends_on
    return (
        f"{line.order_item_id} {line.product_name}: {line.quantity} x {line.unit_price} = {line.total_price} "
        f"{currency}, {line.starts_on} to {last}{every}, listed {line.entry_unit_price} for "
        f"{line.default_term_months} months, multiplier {line.prorate_multiplier}{custom}{tiers}{segment}{revises}"
        f"{_coupons_text(line)}"
    )


def _coupons_text(owner: Order | OrderLine) -> str:
    told = []
    for each in owner.coupons:
        off = f"{each.amount_off}" if each.percent_off is None else f"{each.percent_off} %"
        told.append(f", {off} off {each.duration} {each.duration_in_months or ''}".rstrip())
    return "".join(told)


def known(story: Story, order_ids: Collection[str]) -> OrderHistory:
    """Return the history as it is read while only these orders are activated.

    The others are not there yet, but for those the story shows as drafts.
    """
    orders = []
    for order in story.history.orders:
        if order.order_id in order_ids:
            orders.append(order)
        elif order.order_id in story.drafts:
            orders.append(replace(order, activated=False, activated_at=None))
    # A draft has no activation yet, so it stands after the activated orders of its day.
    orders.sort(key=lambda order: (order.effective_on, not order.activated))
    return replace(story.history, orders=tuple(orders))
