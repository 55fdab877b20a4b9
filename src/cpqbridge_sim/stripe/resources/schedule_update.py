"""`POST /v1/subscription_schedules/{id}`: replaces current and future phases."""

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from cpqbridge_sim.stripe.billing.churn import check_churn
from cpqbridge_sim.stripe.billing.invoicing import subscription_invoice
from cpqbridge_sim.stripe.billing.items import merge_metadata, subscription_end
from cpqbridge_sim.stripe.billing.lifecycle import (
    START_PRIORITY,
    process_subscription,
    refresh_cancel_at,
    renew,
    start_schedule,
)
from cpqbridge_sim.stripe.billing.phases import (
    apply_settings,
    bill_phase_items,
    change_items,
    phase_discounts,
)
from cpqbridge_sim.stripe.billing.planned_pauses import plan_pauses
from cpqbridge_sim.stripe.billing.proration import credit_unused, forget_future_debits
from cpqbridge_sim.stripe.billing.trial_changes import change_trial, settle_free_invoice
from cpqbridge_sim.stripe.billing.trials import invoices_now
from cpqbridge_sim.stripe.billing.waking import sleep_until_next
from cpqbridge_sim.stripe.errors import invalid, not_simulated
from cpqbridge_sim.stripe.resources.call import Call, customer_of, update_metadata
from cpqbridge_sim.stripe.resources.schedule_phases import PhaseReader, check_phase_count
from cpqbridge_sim.stripe.resources.schedules import (
    checked_end_behavior,
    default_settings,
    read_phases,
    require_live,
    resolve_method,
    retrieve,
    set_pauses,
)
from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body


def update(call: Call) -> Body:
    """Replace what is sent; parameters left out of a sent phase are unset, not kept."""
    state, params = call.state, call.params
    schedule = retrieve(call)
    require_live(schedule, "update", "updated")
    now = state.time_of(schedule["customer"])
    running = state.store.get("subscription", schedule["subscription"])
    if running is not None:
        check_churn(state, running, params, at=now)
    defaults = default_settings(params.get("default_settings") or {}, schedule["default_settings"])
    resolve_method(state, customer_of(state, schedule["customer"]), defaults)
    end_behavior = checked_end_behavior(params.get("end_behavior", schedule["end_behavior"]))
    phases = schedule["phases"]
    if params.get("phases"):
        phases = _read(call, schedule, defaults, now=now)
        check_phase_count(phases, now)
    before = current_phase(schedule)
    _check_anchor(before, phases)
    schedule["default_settings"] = defaults
    schedule["end_behavior"] = end_behavior
    schedule["phases"] = phases
    update_metadata(schedule, params)
    set_pauses(state, schedule, params, now=now)
    if schedule["status"] == "active":
        behavior = params.get("proration_behavior", "create_prorations")
        _apply_now(state, schedule, before, behavior=behavior, now=now)
        if "pause_schedules" in params:
            plan_pauses(state, schedule)
    elif phases[0]["start_date"] <= now:
        start_schedule(state, schedule, at=now)
    else:
        state.wake_at(phases[0]["start_date"], priority=START_PRIORITY, kind="schedule.start", body=schedule)
    state.emit("subscription_schedule.updated", schedule)
    return schedule


def _check_anchor(before: Body | None, phases: list[Body]) -> None:
    for phase in phases:
        if before is None or phase["start_date"] != before["start_date"]:
            continue
        if phase["billing_cycle_anchor"] != before["billing_cycle_anchor"]:
            raise not_simulated("Changing `billing_cycle_anchor` of the running phase", "phases")


def current_phase(schedule: Body) -> Body | None:
    """The body of the running phase."""
    if schedule["current_phase"] is None:
        return None
    start = schedule["current_phase"]["start_date"]
    found: Body | None = next((phase for phase in schedule["phases"] if phase["start_date"] == start), None)
    return found


def _read(call: Call, schedule: Body, defaults: Body, *, now: int) -> list[Body]:
    requested: list[dict[str, Any]] = list(call.params["phases"])
    if "start_date" not in requested[0]:
        raise invalid(
            "The subscription schedule update is missing at least one phase with a `start_date` to anchor "
            "end dates to.",
            "phases",
        )
    state = call.state
    current = current_phase(schedule)
    past, sent = _split_past(state, schedule, requested, current)
    if not sent:
        raise invalid("You must send the current phase and all future phases.", "phases")
    # After past phases that were sent along the running one may leave its start out.
    first = sent[0]["start_date"] if "start_date" in sent[0] else past[-1]["end_date"]
    first = now if first == "now" else first
    if current is not None and first != current["start_date"]:
        raise invalid("You can not modify the start date of the current phase.", "phases[0][start_date]")
    subscription = state.store.get("subscription", schedule["subscription"])
    reader = PhaseReader(
        state=state,
        customer=customer_of(state, schedule["customer"]),
        now=now,
        flexible=schedule["billing_mode"]["type"] == "flexible",
        defaults=defaults,
        anchor=first if subscription is None else subscription["billing_cycle_anchor"],
        known_prices=_known_prices(schedule),
        known_trial_ends=frozenset(
            phase["trial_end"] for phase in schedule["phases"] if phase["trial_end"] is not None
        ),
        known_tax_rates=_known_tax_rates(schedule),
        currency=None if subscription is None else subscription["currency"],
    )
    read_phases(reader, sent, start=first, first=len(requested) - len(sent))
    if reader.phases[0]["end_date"] < now:
        raise invalid(
            "The end date of the current phase cannot be in the past.",
            f"phases[{len(requested) - len(sent)}][end_date]",
        )
    return [*past, *reader.phases]


def _split_past(
    state: AccountState, schedule: Body, requested: list[dict[str, Any]], current: Body | None
) -> tuple[list[Body], list[dict[str, Any]]]:
    if current is None:
        return [], requested
    past = [phase for phase in schedule["phases"] if phase["end_date"] <= current["start_date"]]
    starts = {phase["start_date"] for phase in past}
    sent = list(requested)
    while sent and sent[0].get("start_date") in starts:
        # Past phases may be sent along; they cannot change, so what is known of them stays.
        given = sent.pop(0)
        known = next(phase for phase in past if phase["start_date"] == given["start_date"])
        _check_unchanged(state, known, given, f"phases[{len(requested) - len(sent) - 1}]")
    return past, sent


def _check_unchanged(state: AccountState, known: Body, given: dict[str, Any], path: str) -> None:
    if given.get("end_date", known["end_date"]) != known["end_date"]:
        raise invalid("You can not modify a phase that has ended.", f"{path}[end_date]")
    before = [_terms(state, entry) for entry in known["items"]]
    if [_terms(state, entry) for entry in given["items"]] != before:
        raise invalid("You can not modify a phase that has ended.", f"{path}[items]")


def _terms(state: AccountState, entry: Mapping[str, Any]) -> tuple[str, Decimal, str, int]:
    """Product, exact unit amount, tiers and quantity of an item, whether it names its price or brings it."""
    price: Mapping[str, Any] = entry.get("price_data") or state.store.get("price", entry.get("price")) or {}
    unit = price.get("unit_amount_decimal")
    unit = price.get("unit_amount", 0) if unit is None else unit
    quantity = entry.get("quantity")
    return (
        str(price.get("product")),
        Decimal(unit or 0),
        repr(price.get("tiers")),
        1 if quantity is None else quantity,
    )


def _known_prices(schedule: Body) -> frozenset[str]:
    return frozenset(
        entry["price"]
        for phase in schedule["phases"]
        for entry in (*phase["items"], *phase["add_invoice_items"])
    )


def _known_tax_rates(schedule: Body) -> frozenset[str]:
    entries = [
        entry for phase in schedule["phases"] for entry in (*phase["items"], *phase["add_invoice_items"])
    ]
    own = [rate["id"] for entry in entries for rate in entry["tax_rates"]]
    defaults = [rate["id"] for phase in schedule["phases"] for rate in phase["default_tax_rates"]]
    return frozenset([*own, *defaults])


def _apply_now(state: AccountState, schedule: Body, before: Body | None, *, behavior: str, now: int) -> None:
    subscription = state.store.get("subscription", schedule["subscription"])
    phase = current_phase(schedule)
    if subscription is None or phase is None or before is None:
        return
    schedule["current_phase"] = {"start_date": phase["start_date"], "end_date": phase["end_date"]}
    apply_settings(subscription, schedule, phase)
    merge_metadata(subscription["metadata"], phase["metadata"])
    keep = state.assumptions.resent_discounts_redeem_once and before["discounts"] == phase["discounts"]

    def new_discounts() -> None:
        if not keep:
            subscription["discounts"] = phase_discounts(state, subscription, phase, start=now)

    refresh_cancel_at(state, subscription)
    made = cut_to_end(state, subscription, prorate=behavior != "none")
    moved = _change_trial(state, subscription, before, phase, at=now, prorate=behavior != "none")
    made += change_items(
        state,
        subscription,
        phase,
        at=now,
        prorate=behavior != "none",
        renewal_due=moved,
        previous=before,
        between=new_discounts,
    )
    one_time = bill_phase_items(state, subscription, phase, _new_one_time(state, before, phase))
    if moved:
        renew(state, subscription, at=now, reason="subscription_update", period=(now, now))
    elif made and invoices_now(state, subscription, behavior=behavior, at=now):
        swept = None if state.assumptions.always_invoice_sweeps_pending else [*made, *one_time]
        invoice = subscription_invoice(
            state, subscription, [], at=now, reason="subscription_update", only_pending=swept
        )
        settle_free_invoice(state, subscription, invoice, at=now)
    state.emit("customer.subscription.updated", subscription)
    if phase["end_date"] <= now:
        process_subscription(state, subscription, at=now)
    else:
        sleep_until_next(state, subscription)


def _change_trial(
    state: AccountState, subscription: Body, before: Body, phase: Body, *, at: int, prorate: bool
) -> bool:
    """A trial that the running phase gained, lost or moved; returns whether new periods begin now."""
    old, new = before["trial_end"], phase["trial_end"]
    if old == new:
        return False
    return change_trial(state, subscription, at if new is None else new, at=at, prorate=prorate)


def cut_to_end(state: AccountState, subscription: Body, *, prorate: bool) -> list[Body]:
    """Cut running periods at a new end; returns the credits for what was billed beyond it."""
    end = subscription_end(state, subscription)
    made: list[Body] = []
    for item in state.subscription_items(subscription):
        if end is None or max(item["current_period_end"], item["billed_until"] or 0) <= end:
            continue
        if prorate:
            made += credit_unused(state, subscription, item, at=end)
        forget_future_debits(state, item, at=end)
        item["current_period_end"] = min(item["current_period_end"], end)
    return made


def _new_one_time(state: AccountState, before: Body, phase: Body) -> list[Body]:
    """The one-time entries that the running phase did not have yet; the others were billed already."""
    if not state.assumptions.resent_invoice_items_bill_once:
        entries: list[Body] = phase["add_invoice_items"]
        return entries
    billed = Counter(_fingerprint(state, entry) for entry in before["add_invoice_items"])
    new: list[Body] = []
    for entry in phase["add_invoice_items"]:
        mark = _fingerprint(state, entry)
        if billed[mark]:
            billed[mark] -= 1
        else:
            new.append(entry)
    return new


def _fingerprint(state: AccountState, entry: Body) -> str:
    price = state.store.get("price", entry["price"]) or {}
    terms = [price.get(name) for name in ("product", "currency", "unit_amount_decimal")]
    return repr([terms, {name: value for name, value in entry.items() if name != "price"}])
