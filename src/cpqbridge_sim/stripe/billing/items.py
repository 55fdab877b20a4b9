"""Subscription items: making them, billing their periods, and changing them inside a period."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from cpqbridge_sim.stripe.billing.discounts import redeem
from cpqbridge_sim.stripe.billing.lines import LineDraft, item_line, trial_line
from cpqbridge_sim.stripe.billing.proration import (
    credit_unused,
    debit_remaining,
    forget_future_debits,
    natural_period,
)
from cpqbridge_sim.stripe.billing.tiers import is_metered
from cpqbridge_sim.stripe.billing.trials import trial_after
from cpqbridge_sim.stripe.billing.usage import close_usage, count_from, leave_metered
from cpqbridge_sim.stripe.periods import Interval, boundary_after, boundary_at_or_before
from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemTerms:
    """What an item shall be; `discounts` or `tax_rates` None leaves those of a running item as they are."""

    price: Body
    quantity: int | None
    metadata: dict[str, str] = field(default_factory=dict)
    discounts: Sequence[Body] | None = ()
    tax_rates: Sequence[Body] | None = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemChange:
    """One step of a diff: `item` alone is removed, `terms` alone is added, both is a change.

    Without `money` only metadata and discounts change, which makes no proration.
    """

    item: Body | None
    terms: ItemTerms | None
    money: bool = True


def new_item(state: AccountState, subscription: Body, terms: ItemTerms, *, start: int) -> Body:
    """A new item at the end of the subscription's list; its period is empty until it is billed."""
    item_id = state.identifiers.new("si")
    item: Body = {
        "id": item_id,
        "object": "subscription_item",
        "billed_until": None,
        "billing_thresholds": None,
        "created": state.time_of(subscription["customer"]),
        "current_period_end": start,
        "current_period_start": start,
        "discounts": redeem(
            state,
            terms.discounts or (),
            start=start,
            customer_id=subscription["customer"],
            subscription_id=subscription["id"],
            item_id=item_id,
        ),
        "metadata": {key: value for key, value in terms.metadata.items() if value != ""},
        "price": terms.price,
        "quantity": terms.quantity,
        "subscription": subscription["id"],
        "tax_rates": list(terms.tax_rates or ()),
    }
    state.subscription_items(subscription).append(item)
    return item


def take_over(state: AccountState, subscription: Body, item: Body, terms: ItemTerms, *, at: int) -> None:
    """Metadata, tax rates and discounts of running item terms; none makes a proration by itself."""
    merge_metadata(item["metadata"], terms.metadata)
    if terms.tax_rates is not None:
        item["tax_rates"] = list(terms.tax_rates)
    if terms.discounts is None or (not terms.discounts and not item["discounts"]):
        return
    item["discounts"] = redeem(
        state,
        terms.discounts,
        start=at,
        customer_id=subscription["customer"],
        subscription_id=subscription["id"],
        item_id=item["id"],
    )


def merge_metadata(target: dict[str, str], changes: dict[str, str]) -> None:
    """Add or overwrite keys; a key with an empty value is unset, other keys stay."""
    for key, value in changes.items():
        if value == "":
            target.pop(key, None)
        else:
            target[key] = value


def subscription_end(state: AccountState, subscription: Body) -> int | None:
    """When the subscription ends for good, as far as it is known; periods are cut at it."""
    schedule = state.store.get("subscription_schedule", subscription["schedule"])
    if schedule is not None and schedule["status"] == "active":
        return int(schedule["phases"][-1]["end_date"]) if schedule["end_behavior"] == "cancel" else None
    end: int | None = subscription["cancel_at"]
    return end


def period_line(
    state: AccountState, subscription: Body, item: Body, *, start: int, whole: bool = False
) -> LineDraft:
    """The line for the period of an item that begins at `start`, cut at the end of the subscription.

    With `whole` the full price is billed even when the end cuts the period. The item's current period moves.
    """
    last = subscription_end(state, subscription)
    trial_end = trial_after(subscription, start)
    if trial_end is not None:
        end = trial_end if last is None else min(trial_end, last)
        item["current_period_start"], item["current_period_end"] = start, end
        return trial_line(state, subscription, item, start=start, end=end)
    natural_start, natural_end = natural_period(state, subscription, item, start)
    end = natural_end if last is None else min(natural_end, last)
    item["current_period_start"], item["current_period_end"] = start, end
    fraction = Fraction(end - start, natural_end - natural_start)
    return item_line(
        state,
        subscription,
        item,
        start=start,
        end=end,
        fraction=Fraction(1) if whole else fraction,
        truncated=end < natural_end,
    )


def next_lines(state: AccountState, subscription: Body, item: Body) -> list[LineDraft]:
    """Begin the next period of an item whose period ends; a metered one bills it when it is over."""
    line = period_line(state, subscription, item, start=item["current_period_end"])
    return [] if is_metered(item["price"]) else [line]


def first_lines(
    state: AccountState, subscription: Body, item: Body, *, start: int, now: int, behavior: str
) -> list[LineDraft]:
    """Lines from the start of an item to the end of the period that runs now.

    Flexible subscriptions bill one line per natural period; classic ones one line on an imagined period that
    begins at the start. `none` leaves the past, and a first part before a later anchor, free
    (docs.stripe.com/billing/subscriptions/backdating, 20 Nov 2026).
    """
    if is_metered(item["price"]):
        return _first_usage(state, subscription, item, start=start, now=now, free=behavior == "none")
    if trial_after(subscription, now) is not None:
        return [period_line(state, subscription, item, start=start)]
    aligned = natural_period(state, subscription, item, start)[0] == start
    free = behavior == "none" and (start < now or not aligned)
    if subscription["billing_mode"]["type"] == "classic" and not free:
        line = _classic_first_line(state, subscription, item, start=start, now=now)
        if line is not None:
            return [line]
    lines = [period_line(state, subscription, item, start=start, whole=behavior == "none")]
    while item["current_period_end"] <= now and item["current_period_end"] != subscription_end(
        state, subscription
    ):
        lines.append(period_line(state, subscription, item, start=item["current_period_end"]))
    return [] if free else lines


def _first_usage(
    state: AccountState, subscription: Body, item: Body, *, start: int, now: int, free: bool
) -> list[LineDraft]:
    """The first period of a metered item, which costs nothing yet, and the usage of periods that are over.

    Flexible subscriptions bill each of those on the first invoice; classic ones show a line of 0 and bill all
    usage since the start when the running period ends
    (docs.stripe.com/billing/subscriptions/usage-based/manage-billing-setup, 21 Nov 2026).
    """
    classic = subscription["billing_mode"]["type"] == "classic"
    line = period_line(state, subscription, item, start=start)
    while item["current_period_end"] <= now and item["current_period_end"] != subscription_end(
        state, subscription
    ):
        if not classic and not free:
            close_usage(state, subscription, item, at=item["current_period_end"])
        line = period_line(state, subscription, item, start=item["current_period_end"])
    if start < now and not free:
        if classic:
            state.usage.since[item["id"]] = start
        elif not state.assumptions.backdated_usage_waits_for_its_period:
            close_usage(state, subscription, item, at=now)
            count_from(state, item, at=now)
    return [line] if classic else []


def _classic_first_line(
    state: AccountState, subscription: Body, item: Body, *, start: int, now: int
) -> LineDraft | None:
    if start >= now and natural_period(state, subscription, item, start)[0] == start:
        return None
    interval = Interval.of_price(item["price"])
    end = boundary_after(subscription["billing_cycle_anchor"], interval, max(start, now))
    last = subscription_end(state, subscription)
    end = end if last is None else min(end, last)
    item["current_period_start"] = max(
        start, boundary_at_or_before(subscription["billing_cycle_anchor"], interval, now)
    )
    item["current_period_end"] = end
    periods, at = Fraction(0), start
    while at < end:
        following = boundary_after(start, interval, at)
        periods += Fraction(min(following, end) - at, following - at)
        at = following
    return item_line(state, subscription, item, start=start, end=end, fraction=periods)


def announced_usage(
    state: AccountState, subscription: Body, changes: Sequence[ItemChange], *, at: int
) -> list[LineDraft]:
    """The lines of 0 by which a classic subscription shows metered items that a change has added.

    Source: docs.stripe.com/billing/subscriptions/billing-mode/compare, read 21 Nov 2026.
    """
    if subscription["billing_mode"]["type"] != "classic":
        return []
    added = {
        change.terms.price["id"] for change in changes if change.item is None and change.terms is not None
    }
    return [
        item_line(state, subscription, item, start=at, end=item["current_period_end"], fraction=Fraction(1))
        for item in state.subscription_items(subscription)
        if is_metered(item["price"]) and item["price"]["id"] in added
    ]


def apply_changes(
    state: AccountState,
    subscription: Body,
    changes: Sequence[ItemChange],
    *,
    at: int,
    prorate: bool,
    renewal_due: bool,
    between: Callable[[], None] | None = None,
    transition: bool = False,
) -> list[Body]:
    """Bring the items to their new terms and return the pending prorations this made.

    All credits come first, at the former terms and discounts; `between` then brings the new discounts, before
    anything is billed at new terms. Items whose period ends at `at` are left for the renewal invoice.
    `transition` says that a phase begins, which decides about the usage of metered items.
    """
    made: list[Body] = []
    prorate = prorate and subscription["status"] != "paused"
    for change in changes:
        if change.item is not None and change.money:
            made += leave_metered(
                state, subscription, change.item, at=at, prorate=prorate, transition=transition
            )
    prorated = {
        change.item["id"]
        for change in changes
        if prorate and change.item is not None and change.money and change.item["current_period_end"] > at
    }
    for change in changes:
        if change.item is not None and change.item["id"] in prorated:
            made += credit_unused(state, subscription, change.item, at=at)
    if between is not None:
        between()
    for change in changes:
        if change.item is not None and change.terms is None:
            _remove(state, subscription, change.item, at=at)
    for change in changes:
        if change.item is not None and change.terms is not None:
            debits = change.item["id"] in prorated
            made += _change(state, subscription, change.item, change.terms, at=at, debits=debits)
        elif change.terms is not None:
            made += _add(state, subscription, change.terms, at=at, prorate=prorate, renewal_due=renewal_due)
    return made


def _remove(state: AccountState, subscription: Body, item: Body, *, at: int) -> None:
    forget_future_debits(state, item, at=at)
    items = state.subscription_items(subscription)
    items[:] = [other for other in items if other["id"] != item["id"]]


def _change(
    state: AccountState, subscription: Body, item: Body, terms: ItemTerms, *, at: int, debits: bool
) -> list[Body]:
    running = item["current_period_end"] > at
    old_interval = Interval.of_price(item["price"])
    item["price"], item["quantity"] = terms.price, terms.quantity
    take_over(state, subscription, item, terms, at=at)
    if running and Interval.of_price(terms.price) != old_interval:
        item["current_period_start"] = at
        item["current_period_end"] = _period_end(state, subscription, item, at=at)
    count_from(state, item, at=at)
    if not debits:
        return []
    return debit_remaining(state, subscription, item, at=at, end=item["current_period_end"])


def _add(
    state: AccountState, subscription: Body, terms: ItemTerms, *, at: int, prorate: bool, renewal_due: bool
) -> list[Body]:
    item = new_item(state, subscription, terms, start=at)
    in_trial = trial_after(subscription, at) is not None
    if renewal_due and (in_trial or natural_period(state, subscription, item, at)[0] == at):
        return []
    if not state.assumptions.added_item_aligns_to_anchor:
        state.item_anchors[item["id"]] = at
    item["current_period_end"] = _period_end(state, subscription, item, at=at)
    if not prorate:
        return []
    return debit_remaining(state, subscription, item, at=at, end=item["current_period_end"])


def _period_end(state: AccountState, subscription: Body, item: Body, *, at: int) -> int:
    if subscription["status"] == "paused":
        return at
    end = trial_after(subscription, at) or natural_period(state, subscription, item, at)[1]
    last = subscription_end(state, subscription)
    return end if last is None else min(end, last)
