"""The objects a contract should have in Stripe, each beside what was sent of it last (B6.2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from cpqbridge.domain.billing import (
    BilledOrderLine,
    BillingObject,
    ExecutedOrder,
    ForecastInvoice,
    Phase,
    TakenUnits,
    Touched,
)
from cpqbridge.domain.dates import midnight
from cpqbridge.domain.order import Order
from cpqbridge.mapping.policies import CreditsPolicy, Policy
from cpqbridge.planning.billing_steps import facts_fingerprint
from cpqbridge.planning.contract import Contract
from cpqbridge.planning.discounts import Discounts
from cpqbridge.planning.forecast import billed_by_line, first_invoice, settled_by
from cpqbridge.planning.items import ItemRules
from cpqbridge.planning.placing import Document, Identity, Placed
from cpqbridge.planning.timetable import Timetable, goes_on_the_same, loaded_phases
from cpqbridge.planning.tracks import Track

Change = Literal["none", "create", "update", "cancel", "restart"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An object as it should stand, and what has to be done for it."""

    wanted: BillingObject
    change: Change


@dataclass(frozen=True, slots=True, kw_only=True)
class Designer:
    """Turns tracks and documents into objects."""

    contract: Contract
    policy: Policy
    product_names: Mapping[str, str]
    discounts: Discounts
    _facts: dict[str, str] = field(default_factory=dict)

    def entry(self, order: Order, track: Track | None = None) -> ExecutedOrder:
        """Return how the order counts as executed; what was kept of it stays."""
        sent = self.contract.sent
        known = sent.entries.get((track.key, order.order_id)) if track is not None else None
        return known or ExecutedOrder(
            order_id=order.order_id,
            executed_at=self.contract.executed_at(order, track),
            fingerprint=self._facts_of(order),
            drops_credits=self.drops_credits(order),
            cutover=self.contract.cutover,
        )

    def _facts_of(self, order: Order) -> str:
        """Return the hash of what was sold, computed once although every track asks for it."""
        if order.order_id not in self._facts:
            self._facts[order.order_id] = facts_fingerprint(order, order.lines)
        return self._facts[order.order_id]

    def drops_credits(self, order: Order) -> bool:
        """Return whether credits of the order are dropped, by the policy in force when it was executed."""
        known = self.contract.sent.orders.get(order.order_id)
        return known.drops_credits if known is not None else self.policy.credits == CreditsPolicy.NONE

    def schedule(self, track: Track, placed: Placed) -> Wanted | None:
        """Return the schedule of a track and what is to be done; None where none is needed."""
        now, sent = self.contract.as_of, track.sent
        if sent is not None and not track.is_usable(now):
            return Wanted(wanted=sent, change="none")
        if not track.runs:
            return Wanted(wanted=sent, change="none") if sent is not None else None
        over = track.ends_at <= max(now, midnight(track.starts_on))
        if sent is None:
            return None if over else self._created(track, placed)
        touched = self.contract.state.touched.get(track.key)
        if over:
            settled = settled_by(sent, now, product_names=self.product_names)
            ended = replace(self._kept(track, placed, sent, settled), ended_at=now)
            if touched is not None and touched.is_over:
                ended = self._as_ended(ended, sent, touched)
            return Wanted(wanted=ended, change="cancel")
        updated = self._updated(track, placed, sent)
        if updated.change == "none" and self._is_put_back(track.key, touched):
            updated = Wanted(wanted=self._changed(track, placed, sent), change="update")
        if updated.change == "update" and touched is not None and touched.is_over:
            return Wanted(wanted=self._as_ended(updated.wanted, sent, touched), change="restart")
        return updated

    def _timetable(self, track: Track, placed: Placed) -> Timetable:
        return Timetable(
            track=track,
            rules=ItemRules(
                merged=self.policy.items == "merged",
                lineages=self.contract.lineages,
                discounts=self.discounts,
            ),
            first=tuple(placed.first.get(track.key, ())),
            riders=placed.riders.get(track.key, {}),
            now=self.contract.as_of,
        )

    def _created(self, track: Track, placed: Placed) -> Wanted:
        now = self.contract.as_of
        days = self._days_until_due(track)
        phases = self._timetable(track, placed).created()
        wanted = BillingObject(
            key=track.key,
            kind="schedule",
            currency=self.contract.rules.currency,
            phases=phases,
            end_behavior=self._end_behavior(track),
            collection_method=collection_method(days),
            days_until_due=days,
            anchor_at=midnight(track.starts_on),
            orders=self._entries(track, placed, ()),
            lines=_lines(track),
            taken=_taken(track),
            made_at=now,
            sent_at=now,
            loaded=loaded_phases(phases, None, now),
        )
        settled = first_invoice(wanted, now, product_names=self.product_names)
        return Wanted(wanted=replace(wanted, settled=settled), change="create")

    def _updated(self, track: Track, placed: Placed, sent: BillingObject) -> Wanted:
        now = self.contract.as_of
        phases = self._timetable(track, placed).updated(sent)
        entries = self._entries(track, placed, sent.orders)
        same = entries == sent.orders and goes_on_the_same(sent.phases, phases, now)
        # Phases that end with the horizon say nothing of whether it goes on after them.
        same = same and (track.horizon is None or self._end_behavior(track) == sent.end_behavior)
        if same and loaded_phases(sent.phases, sent, now) == sent.loaded:
            return Wanted(wanted=sent, change="none")
        return Wanted(wanted=self._changed(track, placed, sent), change="update")

    def _changed(self, track: Track, placed: Placed, sent: BillingObject) -> BillingObject:
        now = self.contract.as_of
        phases = self._timetable(track, placed).updated(sent)
        settled = settled_by(sent, now, product_names=self.product_names)
        return replace(
            self._kept(track, placed, sent, settled),
            phases=phases,
            loaded=loaded_phases(phases, None, now),
            end_behavior=self._end_behavior(track),
        )

    def _is_put_back(self, key: str, touched: Touched | None) -> bool:
        """Return whether a schedule is written as it was sold, because a person asked for it (B6.13).

        Not while its subscription goes on without it: a second one would bill the same again.
        """
        return key in self.contract.restores and touched is not None and touched.goes_on is None

    def _days_until_due(self, track: Track) -> int | None:
        """Return when invoices are due; an evergreen subscription has terms of its own (B8.1)."""
        if track.horizon is not None:
            return track.runs[0].order.subscription_days_until_due
        return self.contract.orders[0].days_until_due

    def _end_behavior(self, track: Track) -> str:
        """Return what happens after the last phase: an evergreen subscription goes on until it is ended."""
        if track.horizon is not None:
            return "release" if track.goes_on else "cancel"
        return self.contract.orders[0].end_behavior

    def _as_ended(self, wanted: BillingObject, sent: BillingObject, touched: Touched) -> BillingObject:
        """Return a schedule with what fell due after somebody ended it in Stripe as lost, not as invoiced.

        It was not billed; it is named, never made up for.
        """
        ended_at = touched.ended_at or self.contract.as_of
        lost = Counter(dict(sent.lost))
        lost.update(billed_by_line(invoice for invoice in wanted.settled if invoice.at > ended_at))
        settled = tuple(invoice for invoice in wanted.settled if invoice.at <= ended_at)
        return replace(wanted, settled=settled, lost=tuple(sorted(lost.items())))

    def _kept(
        self, track: Track, placed: Placed, sent: BillingObject, settled: tuple[ForecastInvoice, ...]
    ) -> BillingObject:
        return replace(
            sent,
            orders=self._entries(track, placed, sent.orders),
            lines=_lines(track),
            taken=_taken(track),
            settled=settled,
            past=sent.lived_until(self.contract.as_of),
            sent_at=self.contract.as_of,
        )

    def _entries(
        self, track: Track, placed: Placed, known: tuple[ExecutedOrder, ...]
    ) -> tuple[ExecutedOrder, ...]:
        """Return the orders that shaped a schedule: those known before, then new ones as they come."""
        touching = {run.order.order_id for run in track.runs}
        touching |= {take.order.order_id for run in track.runs for take in run.takes}
        riders = placed.riders.get(track.key, {}).values()
        touching |= {item.order_id for items in riders for item in items}
        touching |= {item.order_id for item in placed.first.get(track.key, ())}
        seen = {entry.order_id for entry in known}
        new = [
            self.entry(order, track)
            for order in self.contract.orders
            if order.order_id in touching and order.order_id not in seen
        ]
        return (*known, *new)

    def document(self, document: Document, kind: Literal["invoice", "credit"]) -> BillingObject:
        """Return an own invoice or credit, made when it falls due, at the earliest now."""
        contract = self.contract
        order = next(each for each in contract.orders if each.order_id == document.order_id)
        billed = {item.order_id for item in document.items}
        orders = [each for each in contract.orders if each.order_id in billed]
        phase = Phase(
            starts_at=midnight(min(item.period_start for item in document.items)),
            ends_at=midnight(max(item.period_end for item in document.items)),
            proration_behavior="none",
            items=(),
            one_time_items=document.items,
            order_ids=tuple(each.order_id for each in orders),
        )
        return BillingObject(
            key=document_key(kind, contract.history.root_id, order.order_id, document.at),
            kind=kind,
            currency=order.currency,
            phases=(phase,),
            end_behavior="none",
            collection_method=collection_method(contract.orders[0].days_until_due),
            days_until_due=contract.orders[0].days_until_due,
            anchor_at=max(document.at, contract.as_of),
            orders=tuple(map(self.entry, orders)),
            target=self.policy.credit_target.value,
        )


def document_key(kind: str, root_id: str, order_id: str, at: datetime) -> str:
    """Return the key of an own invoice or credit: by order and the instant it falls due."""
    is_midnight = at == midnight(at.date())
    return f"{kind}:{root_id}:{order_id}:{at:%Y-%m-%d}" + ("" if is_midnight else f"T{at:%H%M%S}")


def collection_method(days_until_due: int | None) -> str:
    """Return how Stripe collects what is due after so many days, None for at once."""
    return "charge_automatically" if days_until_due is None else "send_invoice"


def _lines(track: Track) -> tuple[BilledOrderLine, ...]:
    return tuple(
        BilledOrderLine(
            order_item_id=run.line.order_item_id,
            unit_amount_decimal=run.pieces.price.text,
            price_key=run.price_key,
            tiers=run.pieces.price.tiers,
            carried=run.carried,
            leads=run.leads,
            billed_from=run.billed_from,
        )
        for run in track.runs
    )


def _taken(track: Track) -> tuple[TakenUnits, ...]:
    return tuple(
        TakenUnits(reducing_id=take.line.order_item_id, reduced_id=run.line.order_item_id, units=take.units)
        for run in track.runs
        for take in run.takes
    )


def placed_identities(
    objects: Iterable[BillingObject], at: datetime, *, product_names: Mapping[str, str]
) -> frozenset[Identity]:
    """Return the identities of charges and credits that are on their way or made already.

    A phase that has begun by `at` has sent what rode on it; an own invoice or credit counts from its first
    call on.
    """
    found: set[Identity] = set()
    for each in objects:
        if each.kind != "schedule":
            found |= {item.identity for item in each.phases[0].one_time_items}
            continue
        for invoice in settled_by(each, at, product_names=product_names):
            for line in invoice.lines:
                if line.kind != "cycle" or line.amount_minor or line.off:
                    found |= {
                        (order_item_id, line.kind, line.period_start) for order_item_id, _ in line.shares
                    }
    return frozenset(found)
