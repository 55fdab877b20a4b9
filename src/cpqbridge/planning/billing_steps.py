"""The calls that bill: a subscription schedule with all its phases, or an invoice of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from cpqbridge.domain.billing import (
    BillingObject,
    BillingState,
    Link,
    OneTimeItem,
    Phase,
    PhaseItem,
    Ref,
    RunningDiscount,
    Step,
    StepAction,
)
from cpqbridge.domain.dates import Cycle, midnight, timestamp
from cpqbridge.domain.order import Order, OrderHistory, OrderKind, OrderLine, Parameters
from cpqbridge.domain.parameters import fingerprint, merged, nested
from cpqbridge.domain.pricing import DiscountTerms
from cpqbridge.planning.discounts import coupon_key
from cpqbridge.planning.steps import record_metadata
from cpqbridge.planning.tracks import aligned_start, is_evergreen

METADATA_VALUE_LIMIT = 500
"""Characters of one metadata value (Stripe API reference, "Metadata", read 20 Nov 2026)."""

_METADATA = "metadata."
PARTIAL_KINDS = frozenset({"head", "tail", "cut", "catch_up", "credit"})


def facts_fingerprint(order: Order, lines: Iterable[OrderLine]) -> str:
    """Return the hash of what was sold, without what may change around it (list prices, names, mappings)."""
    further: dict[str, object] = {}
    if order.trial_ends_on is not None:
        further["trial_ends_on"] = order.trial_ends_on.isoformat()
    if order.coupons:
        further["coupons"] = [coupon_key(coupon) for coupon in order.coupons]
    return fingerprint(
        {
            **further,
            "currency": order.currency,
            "days_until_due": order.days_until_due,
            "lines": [
                {
                    "id": line.order_item_id,
                    "kind": line.kind.value,
                    "product": line.product_id,
                    "quantity": f"{line.quantity.normalize():f}",
                    "unit_price": f"{line.unit_price.normalize():f}",
                    "total_price": f"{line.total_price.normalize():f}",
                    "starts_on": line.starts_on.isoformat(),
                    "ends_on": line.ends_on.isoformat() if line.ends_on else None,
                    "frequency_months": line.frequency_months,
                    # Said only where it applies, so that what was sent by earlier releases stays the same.
                    **_further_facts(line),
                }
                for line in sorted(lines, key=lambda line: line.order_item_id)
            ],
        }
    )


def _further_facts(line: OrderLine) -> dict[str, object]:
    """Return what sets a line apart from a plain one."""
    facts: dict[str, object] = {}
    if line.evergreen:
        facts["evergreen"] = True
    if line.metered:
        facts["metered"] = True
    if line.coupons:
        facts["coupons"] = [coupon_key(coupon) for coupon in line.coupons]
    if line.custom_price is not None:
        facts["custom_price"] = f"{line.custom_price.normalize():f}"
    return facts


def counted(number: int, word: str) -> str:
    """Return `1 phase` or `2 phases`."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _one_time_period(item: OneTimeItem) -> tuple[int, int]:
    return timestamp(midnight(item.period_start)), timestamp(midnight(item.period_end))


def _one_time_metadata(item: OneTimeItem) -> dict[str, str]:
    """Return the identity of a one-time charge: order line, kind, period start (B6.2)."""
    metadata = {
        "salesforce_order_item_id": item.order_item_id,
        "salesforce_order_id": item.order_id,
        "salesforce_kind": item.kind,
        "salesforce_period_start": item.period_start.isoformat(),
    }
    if item.kind in PARTIAL_KINDS:
        metadata["salesforce_proration"] = "true"
    return metadata


def joined(ids: Iterable[str]) -> str:
    """Return ids joined by commas, as many of the newest as fit into one metadata value."""
    kept: list[str] = []
    for each in reversed(tuple(ids)):
        if len(",".join([each, *kept])) > METADATA_VALUE_LIMIT:
            break
        kept.insert(0, each)
    return ",".join(kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleBody:
    """What the calls for a schedule need besides the schedule itself.

    `resolved` are the ids of prices that are used without being linked, by their keys; `orders` are the
    contract's, oldest first. `running` are the discounts that schedules have in Stripe, by object key, and
    `running_since` is when a running phase began there, where that is not as it was sent.
    """

    history: OrderHistory
    orders: Sequence[Order]
    resolved: Mapping[str, str]
    links: Mapping[str, Link]
    running: Mapping[str, Sequence[RunningDiscount]]
    running_since: Mapping[str, datetime]

    def created(self, wanted: BillingObject, *, first_invoice_minor: int | None) -> Step:
        """Return the one call that creates a subscription schedule with all its phases.

        `first_invoice_minor` is what its first invoice must sum to when one is made at once.
        """
        order = self.orders[0]
        phases = self._phases(wanted, wanted.phases, first=0)
        settings: dict[str, object] = {
            "billing_cycle_anchor": "automatic",
            "collection_method": wanted.collection_method,
        }
        if wanted.days_until_due is not None:
            settings["invoice_settings"] = {"days_until_due": wanted.days_until_due}
        body = merged(
            self._mapped(wanted, order),
            {
                "customer": Ref(key=f"customer:{self.history.account.account_id}"),
                "start_date": timestamp(wanted.phases[0].starts_at),
                "end_behavior": wanted.end_behavior,
                "billing_mode": {"type": wanted.billing_mode},
                "default_settings": settings,
                "metadata": contract_metadata(self.history, order, wanted.key),
                "phases": phases,
            },
        )
        return Step(
            key=wanted.key,
            action=StepAction.CREATE_SCHEDULE,
            parameters=body,
            fingerprint=fingerprint(body),
            summary=f"Create a subscription schedule with {counted(len(phases), 'phase')} "
            f"from {wanted.phases[0].starts_at:%Y-%m-%d} to {wanted.phases[-1].ends_at:%Y-%m-%d}",
            expected_total_minor=first_invoice_minor,
            object_key=wanted.key,
        )

    def _mapped(self, wanted: BillingObject, order: Order) -> dict[str, object]:
        """Return what the mapping says of a schedule, or of the subscription that an evergreen one makes."""
        if not is_evergreen(wanted.key):
            return nested(order.schedule_parameters)
        settings = {
            f"default_settings.{name}": value
            for name, value in self._evergreen_parameters(wanted).items()
            if not name.startswith(_METADATA)
        }
        return nested(settings)

    def _evergreen_parameters(self, wanted: BillingObject) -> Parameters:
        first = next(order for order in self.orders if order.order_id in wanted.order_ids)
        return first.subscription_parameters

    def updated(self, wanted: BillingObject, *, now: datetime, stripe_id: str) -> Step:
        """Return the one call that changes a schedule: the running phase with its start, then the new ones.

        Nothing prorates, and what rides on the running phase is not sent again. That phase keeps the start it
        has in Stripe: a direct change of the subscription splits it there.
        """
        current = next(place for place, phase in enumerate(wanted.phases) if phase.ends_at > now)
        started = wanted.phases[current].starts_at <= now
        phases = self._phases(wanted, wanted.phases, first=current)
        begins = wanted.phases[current].starts_at
        if started:
            begins = self.running_since.get(wanted.key, begins)
            phases[0].pop("add_invoice_items", None)
        phases[0]["start_date"] = timestamp(begins)
        body = {"phases": phases, "proration_behavior": "none", "end_behavior": wanted.end_behavior}
        return Step(
            key=wanted.key,
            action=StepAction.UPDATE_SCHEDULE,
            parameters=body,
            fingerprint=fingerprint({"body": body, "orders": list(wanted.order_ids)}),
            summary=f"Change the subscription schedule: {counted(len(phases), 'phase')} "
            f"from {max(now, wanted.phases[current].starts_at):%Y-%m-%d} "
            f"to {wanted.phases[-1].ends_at:%Y-%m-%d}",
            target=stripe_id,
            object_key=wanted.key,
        )

    def restarted(self, wanted: BillingObject, *, now: datetime) -> Step | None:
        """Return the call that goes on with a schedule somebody ended; None where no period is left.

        The new schedule bills from the next boundary on. Where that day of the month is not the anchor's own,
        it begins earlier with a zero-priced placeholder, so that its boundaries stay those of the contract.
        """
        coming = [item for phase in wanted.phases if phase.ends_at > now for item in phase.items]
        anchor, intervals = wanted.anchor_at.date(), [item.interval_count for item in coming]
        boundary = Cycle(anchor, min(intervals)).after(now.date())
        begins = midnight(boundary)
        left = [phase for phase in wanted.phases if phase.ends_at > begins]
        if not left:
            return None
        phases = [replace(left[0], starts_at=max(left[0].starts_at, begins)), *left[1:]]
        if phases[0].starts_at > left[0].starts_at:
            # What rode on a phase that has begun was billed by the schedule that ended.
            phases[0] = replace(phases[0], one_time_items=())
        start = midnight(aligned_start(Cycle(anchor, max(intervals)), boundary))
        if start < begins:
            first = phases[0].items[0]
            nothing = replace(
                first, order_item_ids=(), units=(), price_key=None, unit_amount_decimal="0", quantity=1
            )
            waiting = replace(phases[0], starts_at=start, ends_at=begins, items=(nothing,), one_time_items=())
            phases.insert(0, waiting)
        return self.created(replace(wanted, phases=tuple(phases), loaded=None), first_invoice_minor=None)

    def cancelled(self, wanted: BillingObject, *, stripe_id: str) -> Step:
        """Return the one call that cancels a schedule, with its subscription, without any invoice (B6.3)."""
        body = {"invoice_now": False, "prorate": False}
        return Step(
            key=wanted.key,
            action=StepAction.CANCEL_SCHEDULE,
            parameters=body,
            fingerprint=fingerprint({"body": body, "orders": list(wanted.order_ids)}),
            summary="Cancel the subscription schedule: nothing of it is left to serve",
            target=stripe_id,
            object_key=wanted.key,
        )

    def _phases(
        self, wanted: BillingObject, phases: Sequence[Phase], *, first: int
    ) -> list[dict[str, object]]:
        """Return the phases from `first` on that Stripe is given; the last of them runs to the end (B7.3)."""
        loaded = list(phases[first : wanted.loaded])
        if loaded[-1] is not phases[-1]:
            loaded[-1] = replace(loaded[-1], ends_at=phases[-1].ends_at)
        owners = {line.order_item_id: order.order_id for order in self.orders for line in order.lines}
        return [self._phase(phase, wanted, owners) for phase in loaded]

    def _phase(self, phase: Phase, wanted: BillingObject, owners: Mapping[str, str]) -> dict[str, object]:
        shaping = [order for order in self.orders if order.order_id in phase.order_ids]
        body: dict[str, object] = {
            "items": [self._item(item, phase, wanted, owners) for item in phase.items],
            "end_date": timestamp(phase.ends_at),
            "proration_behavior": phase.proration_behavior,
            "metadata": {
                "salesforce_order_ids": joined(phase.order_ids),
                "salesforce_root_id": self.history.root_id,
                **self._segments(phase, wanted),
            },
        }
        if phase.discounts:
            body["discounts"] = self._discounts(phase.discounts, phase, wanted.key, None)
        if phase.trial:
            body["trial"] = True
        if phase.one_time_items:
            body["add_invoice_items"] = [_rider(item, wanted.currency) for item in phase.one_time_items]
        mapped = dict(shaping[-1].phase_parameters if shaping else {})
        if is_evergreen(wanted.key):
            # Stripe copies what a phase has to the subscription.
            parameters = self._evergreen_parameters(wanted).items()
            mapped |= {name: value for name, value in parameters if name.startswith(_METADATA)}
        return merged(nested(mapped), body)

    def _segments(self, phase: Phase, wanted: BillingObject) -> dict[str, str]:
        """Return which segments of ramps a phase is made of (B7.1); empty texts end those of the one before.

        Stripe keeps what an earlier phase put on the subscription.
        """
        known = {
            line.order_item_id: line.segment for order in self.orders for line in order.lines if line.segment
        }
        lines = {line_id for each in wanted.phases for item in each.items for line_id in item.order_item_ids}
        if lines.isdisjoint(known):
            return {}
        shown = dict.fromkeys(
            known[line_id] for item in phase.items for line_id in item.order_item_ids if line_id in known
        )
        return {
            "salesforce_segment_index": joined(dict.fromkeys(str(segment.index) for segment in shown)),
            "salesforce_segment_label": joined(dict.fromkeys(each.label for each in shown if each.label)),
        }

    def _discounts(
        self, wanted: Sequence[DiscountTerms], phase: Phase, key: str, order_item_ids: str | None
    ) -> list[dict[str, object]]:
        """Return coupons as they stand on a phase or item: a discount that runs already, else a new one.

        Naming the coupon again would count its months anew (B11.3). One that ends inside the phase is that of
        an equal coupon which began earlier.
        """
        free = [
            each
            for each in self.running.get(key, ())
            if each.order_item_ids == order_item_ids
            and (each.ends_at is None or each.ends_at >= phase.ends_at)
        ]
        found: list[dict[str, object]] = []
        for terms in wanted:
            link = self.links.get(terms.key)
            running = next((each for each in free if link and each.coupon_id == link.stripe_id), None)
            if running is None:
                found.append({"coupon": Ref(key=terms.key)})
            else:
                free.remove(running)
                found.append({"discount": running.discount_id})
        return found

    def _item(
        self, item: PhaseItem, phase: Phase, wanted: BillingObject, owners: Mapping[str, str]
    ) -> dict[str, object]:
        """Return one item of a phase; `owners` are the orders of all lines, by line."""
        metadata: dict[str, object] = {}
        if item.order_item_ids:
            metadata["salesforce_order_item_id"] = joined(item.order_item_ids)
            metadata["salesforce_order_id"] = joined(
                dict.fromkeys(owners[line_id] for line_id in item.order_item_ids)
            )
            # Stripe keeps an item's metadata from phase to phase, so the units are said each time.
            metadata["salesforce_units"] = ",".join(map(str, item.units))
        else:
            metadata |= {"salesforce_order_id": self.orders[0].order_id, "salesforce_kind": "placeholder"}
        body: dict[str, object] = {} if item.metered else {"quantity": item.quantity}
        body["metadata"] = metadata
        if item.discounts:
            lines = joined(item.order_item_ids)
            body["discounts"] = self._discounts(item.discounts, phase, wanted.key, lines)
        if item.price_key is not None:
            body["price"] = self.resolved.get(item.price_key) or Ref(key=item.price_key)
        else:
            body["price_data"] = {
                "currency": wanted.currency,
                "product": Ref(key=f"product:{item.product_id}"),
                "unit_amount_decimal": item.unit_amount_decimal,
                "recurring": {"interval": item.interval, "interval_count": item.interval_count},
            }
        return merged(nested(item.parameters), body)


def discounts_of(wanted: BillingObject) -> Iterator[DiscountTerms]:
    """Yield every discount on the phases and items of an object."""
    for phase in wanted.phases:
        yield from phase.discounts
        for item in phase.items:
            yield from item.discounts


def contract_metadata(history: OrderHistory, order: Order, key: str) -> dict[str, str]:
    """Return the metadata of what is made for an order, with the key that finds it again."""
    return record_metadata(history, "order", order.order_id) | {
        "salesforce_order_number": order.order_number,
        "salesforce_contract_key": history.contract_key,
        "salesforce_root_id": history.root_id,
        "cpqbridge_key": key,
    }


def _rider(item: OneTimeItem, currency: str) -> dict[str, object]:
    start, end = _one_time_period(item)
    return {
        "price_data": {
            "currency": currency,
            "product": Ref(key=f"product:{item.product_id}"),
            "unit_amount": item.amount_minor,
        },
        "quantity": 1,
        "discountable": False,
        "period": {
            "start": {"type": "timestamp", "timestamp": start},
            "end": {"type": "timestamp", "timestamp": end},
        },
        "metadata": _one_time_metadata(item),
    }


def invoice_steps(
    history: OrderHistory, order: Order, wanted: BillingObject, state: BillingState
) -> Iterator[Step]:
    """Yield what an own invoice lacks: its draft, its lines, and its finalisation.

    The draft takes no pending items of the customer. It is finalised at once when it is compared; one that
    bills nothing but one-time lines of the contract's first order is left to Stripe, which finalises it an
    hour after it was made.
    """
    tail = wanted.key.partition(":")[2]
    items = wanted.phases[0].one_time_items
    at_once = any(item.kind != "one_time" for item in items) or order.kind is OrderKind.AMENDMENT
    draft: dict[str, object] = {
        "customer": Ref(key=f"customer:{history.account.account_id}"),
        "currency": wanted.currency,
        # A draft that advances by itself would be final before its lines are there, after a long stop.
        "auto_advance": not at_once,
        "collection_method": wanted.collection_method,
        "pending_invoice_items_behavior": "exclude",
        "metadata": contract_metadata(history, order, wanted.key),
    }
    if wanted.days_until_due is not None:
        draft["days_until_due"] = wanted.days_until_due
    if wanted.key not in state.links:
        body = merged(nested(order.invoice_parameters), draft)
        yield Step(
            key=wanted.key,
            action=StepAction.CREATE_INVOICE,
            parameters=body,
            fingerprint=fingerprint(body),
            summary="Create an invoice",
            object_key=wanted.key,
        )
    lines_key = f"invoice_lines:{tail}"
    total = sum(item.amount_minor for item in items)
    if lines_key not in state.links:
        lines = {"lines": [_line_body(item, wanted.currency) for item in items]}
        yield Step(
            key=lines_key,
            action=StepAction.ADD_INVOICE_LINES,
            parameters=lines,
            fingerprint=fingerprint(lines),
            summary=f"Add {counted(len(items), 'line')} to the invoice",
            target=Ref(key=wanted.key),
            expected_total_minor=total,
            object_key=wanted.key,
        )
    final_key = f"invoice_final:{tail}"
    if at_once and final_key not in state.links:
        yield Step(
            key=final_key,
            action=StepAction.FINALIZE_INVOICE,
            parameters={"auto_advance": True},
            fingerprint=fingerprint({"total": total}),
            summary="Finalise the invoice",
            target=Ref(key=wanted.key),
            expected_total_minor=total,
            object_key=wanted.key,
        )


def _line_body(item: OneTimeItem, currency: str) -> dict[str, object]:
    """Return a line of an own invoice. Only a plain amount may be negative, and it cannot name a product."""
    start, end = _one_time_period(item)
    body: dict[str, object] = {
        "description": item.description,
        "discountable": False,
        "period": {"start": start, "end": end},
        "metadata": _one_time_metadata(item),
    }
    if item.amount_minor < 0:
        return body | {"amount": item.amount_minor}
    price = {
        "currency": currency,
        "product": Ref(key=f"product:{item.product_id}"),
        "unit_amount": item.amount_minor,
    }
    return body | {"price_data": price, "quantity": 1}
