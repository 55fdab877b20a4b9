"""A rehearsal: orders are synced as they were activated, then time runs to the end of every contract.

On its way the clock stops wherever a contract is due without a change in Salesforce, as a worker would be.
Evergreen contracts have no end: they are followed, and told, as far as they were planned first.
It gets the addresses of two systems, a way to move their clock, and a count of their requests. What was
billed is read from the invoices that the Stripe side really has at the end, never from the forecast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Protocol

from cpqbridge.clock import SettableClock
from cpqbridge.domain.billing import Plan, Proof
from cpqbridge.domain.money import rounded_minor
from cpqbridge.domain.refusal import OrderState
from cpqbridge.errors import AccessLostError, ConfigurationError, CpqbridgeError
from cpqbridge.store.plans import OrderStanding
from cpqbridge.stripe_billing.client import StripeBilling
from cpqbridge.sync.plan_rows import goes_on, labelled_names
from cpqbridge.sync.report import Calls, Report, ReportedOrder, proof_against
from cpqbridge.sync.report_invoices import BilledDocument, billed_by_order_item, billed_documents
from cpqbridge.sync.report_shares import with_taken
from cpqbridge.sync.service import SyncService
from cpqbridge.sync.sold_terms import renewed_from, tiers_by_line

# Drafts become final an hour after they were made; the rest is room for what a last phase still makes.
AFTER_THE_END = timedelta(days=3)
_BILLED = frozenset({OrderState.SYNCED, OrderState.UNCHANGED})


class Systems(Protocol):
    """The two systems a rehearsal works on; `stripe_url` is the address of the Stripe side's API."""

    stripe_url: str

    def set_clock(self, instant: datetime) -> None:
        """Move both clocks to `instant`, aware, never back; everything due on the way happens."""
        ...

    def calls(self) -> Calls:
        """Return how many API requests both have answered so far."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedOrder:
    """One order as the export has it. `line_totals` is each line's `TotalPrice` in major units, by id."""

    order_id: str
    order_number: str
    activated_at: datetime | None
    customer: str = ""
    purpose: str = ""
    currency: str | None = None
    line_totals: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What is rehearsed, and with what.

    `as_of` is the one instant at which everything is synced; without it each order is synced when it was
    activated. `currency` is the one of orders that name none. `progress` is told what is going on.
    """

    service: SyncService
    connection: str
    stripe_key: str
    systems: Systems
    clock: SettableClock
    orders: Sequence[ExportedOrder]
    currency: str
    as_of: datetime | None = None
    notes: tuple[str, ...] = ()
    progress: Callable[[str], None] = lambda _text: None


@dataclass(slots=True, kw_only=True)
class _Progress:
    """What has happened so far, by order id; `woken` are the timers seen to, by contract and instant."""

    standings: dict[str, OrderStanding] = field(default_factory=dict)
    failures: dict[str, CpqbridgeError] = field(default_factory=dict)
    calls: dict[str, Calls] = field(default_factory=dict)
    woken: set[tuple[str, datetime]] = field(default_factory=set)

    def note(self, standing: OrderStanding) -> None:
        """Keep where an order stands; that a later run found it unchanged undoes no sync."""
        known = self.standings.get(standing.order_id)
        if known is None or standing.state is not OrderState.UNCHANGED or known.state not in _BILLED:
            self.standings[standing.order_id] = standing


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ended:
    """What there is once the clock has run: states, plans by order, billed minor units by order line."""

    seen: _Progress
    plans: Mapping[str, Plan]
    billed: Mapping[str, int]
    currency: str


def rehearse(rehearsal: Rehearsal) -> Report:
    """Sync every order, run time to the end of every contract, and report what was billed.

    Errors of single orders become their state; an error that stops the connection is raised.
    """
    seen = _Progress()
    before = rehearsal.systems.calls()
    _sync_all(rehearsal, seen)
    rehearsal.progress("Running the clock to the end of every contract")
    plans = _run_out(rehearsal, seen)
    spent = rehearsal.systems.calls().since(before)
    invoices = _invoices(rehearsal, plans)
    contracts = {plan.contract_key: plan for plan in plans.values()}
    taken = [each for plan in contracts.values() for each in plan.taken]
    billed = with_taken(billed_by_order_item(invoices), taken)
    ended = _Ended(seen=seen, plans=plans, billed=billed, currency=rehearsal.currency)
    return Report(
        notes=(*rehearsal.notes, *_notes(tuple(contracts.values()))),
        calls=spent,
        orders=tuple(_reported(order, ended) for order in rehearsal.orders),
        invoices=invoices,
        plans=contracts,
    )


def play(rehearsal: Rehearsal, *, until: datetime) -> None:
    """Sync every order as it was activated, and stop with both clocks at `until`, aware; see `rehearse`."""
    _sync_all(rehearsal, _Progress())
    go_on(rehearsal, until=until)


def go_on(rehearsal: Rehearsal, *, until: datetime) -> None:
    """Move both clocks to `until`, aware, and stop on the way wherever a contract is due by itself."""
    _wake_until(rehearsal, _Progress(), until)
    _set_clocks(rehearsal, until)


def _sync_all(rehearsal: Rehearsal, seen: _Progress) -> None:
    for moment, orders in _moments(rehearsal):
        if moment is not None:
            _wake_until(rehearsal, seen, moment)
            _set_clocks(rehearsal, moment)
        for order in orders:
            _sync_one(rehearsal, order, seen)


def _moments(rehearsal: Rehearsal) -> Iterator[tuple[datetime | None, list[ExportedOrder]]]:
    """Yield instants in order with the orders to sync then; drafts come last and move no clock."""
    if rehearsal.as_of is not None:
        yield rehearsal.as_of, list(rehearsal.orders)
        return
    for moment, group in groupby(rehearsal.orders, key=lambda order: order.activated_at):
        yield moment, list(group)


def _set_clocks(rehearsal: Rehearsal, instant: datetime) -> None:
    rehearsal.systems.set_clock(instant)
    rehearsal.clock.set(instant)


def _wake_until(rehearsal: Rehearsal, seen: _Progress, until: datetime) -> bool:
    """Sync every contract that is due by `until`, oldest first, each at its instant; return whether any was.

    A timer that stands after its sync is not seen to again: its contract waits for a person.
    """
    service, woken = rehearsal.service, False
    while True:
        timer = next(
            (
                each
                for each in service.timers(rehearsal.connection)
                if (each.root_id, each.due_at) not in seen.woken
            ),
            None,
        )
        if timer is None or timer.due_at > until:
            return woken
        woken = True
        seen.woken.add((timer.root_id, timer.due_at))
        _set_clocks(rehearsal, max(timer.due_at, rehearsal.clock.now()))
        try:
            report = service.sync_timer(rehearsal.connection, timer)
        except (AccessLostError, ConfigurationError):
            raise
        except CpqbridgeError as error:
            seen.failures[timer.order_id] = error
            seen.standings.pop(timer.order_id, None)
            continue
        for standing in report.standings if report else ():
            seen.note(standing)


def _run_out(rehearsal: Rehearsal, seen: _Progress) -> dict[str, Plan]:
    """Run the clock past the end of every contract and return the plans by order id.

    What is done on the way may plan something later still, so the end is looked for again. A contract that
    goes on until it is ended is planned further each time, so that its first plan counts.
    """
    first = _plans(rehearsal)
    endless = {order_id: plan for order_id, plan in first.items() if _is_endless(plan)}
    planned_until = _horizon(rehearsal, first.values())
    while True:
        plans = _plans(rehearsal)
        ending = [plan for order_id, plan in plans.items() if order_id not in endless]
        horizon = max(planned_until, _horizon(rehearsal, ending))
        if not _wake_until(rehearsal, seen, horizon):
            rehearsal.systems.set_clock(horizon)
            return plans | endless


def _is_endless(plan: Plan) -> bool:
    return any(goes_on(plan, wanted) for wanted in plan.objects)


def _sync_one(rehearsal: Rehearsal, order: ExportedOrder, seen: _Progress) -> None:
    rehearsal.progress(f"Order {order.order_number}")
    before = rehearsal.systems.calls()
    try:
        report = rehearsal.service.sync(rehearsal.connection, order.order_id)
    except (AccessLostError, ConfigurationError):
        raise
    except CpqbridgeError as error:
        seen.failures[order.order_id] = error
    else:
        for standing in report.standings:
            seen.note(standing)
    spent = rehearsal.systems.calls().since(before)
    seen.calls[order.order_id] = seen.calls.get(order.order_id, Calls()).plus(spent)


def _plans(rehearsal: Rehearsal) -> dict[str, Plan]:
    """Return the last plan of each order's contract by order id; all orders of a contract have the same."""
    opened = rehearsal.service.open(rehearsal.connection)
    views = (each.view for each in rehearsal.service.views.of_connection(opened.connection_id))
    return {view.standing.order_id: view.plan for view in views if view.plan is not None}


def _horizon(rehearsal: Rehearsal, plans: Iterable[Plan]) -> datetime:
    ends = [phase.ends_at for plan in plans for wanted in plan.objects for phase in wanted.phases]
    return max([rehearsal.clock.now(), *ends]) + AFTER_THE_END


def _notes(plans: Sequence[Plan]) -> Iterator[str]:
    """Yield what the report cannot show of these contracts."""
    endless = [plan for plan in plans if _is_endless(plan)]
    if endless:
        yield (
            f"Contracts that go on until they are ended: {len(endless)}. Their invoices are shown as far as "
            "they were planned first, about two years."
        )
    if any(line.metered for plan in plans for line in plan.lines):
        yield "Usage is not rehearsed: lines that are billed by usage come to what they cost without any."


def _invoices(rehearsal: Rehearsal, plans: Mapping[str, Plan]) -> tuple[BilledDocument, ...]:
    contracts = {
        line_id: plans[order.order_id].contract_key if order.order_id in plans else order.order_id
        for order in rehearsal.orders
        for line_id in order.line_totals
    }
    stripe = StripeBilling(rehearsal.stripe_key, api_base=rehearsal.systems.stripe_url)
    objects = [wanted for plan in plans.values() for wanted in plan.objects]
    endless = {plan.contract_key for plan in plans.values() if _is_endless(plan)}
    found = billed_documents(
        stripe.list_invoices(),
        stripe.list_credit_notes(),
        contract_of_line=contracts,
        renewed_from=renewed_from(objects),
        tiers=tiers_by_line(objects),
        balance_transactions=(
            transaction
            for customer in stripe.list_customers()
            for transaction in stripe.list_balance_transactions(customer_id=customer["id"])
        ),
    )
    return tuple(
        each for each in found if each.contract not in endless or any(line.shares for line in each.lines)
    )


def _reported(order: ExportedOrder, ended: _Ended) -> ReportedOrder:
    plan = ended.plans.get(order.order_id)
    calls = ended.seen.calls.get(order.order_id, Calls())
    names = labelled_names(plan) if plan else {}
    standing = ended.seen.standings.get(order.order_id)
    if standing is None:
        return _failed(order, ended.seen.failures.get(order.order_id), calls)
    return ReportedOrder(
        order_id=order.order_id,
        order_number=order.order_number,
        contract=plan.contract_key if plan else standing.contract_key,
        state=standing.state,
        code=standing.code or None,
        message=standing.message or None,
        fix=standing.fix,
        customer=order.customer,
        purpose=order.purpose,
        calls=calls,
        proof=_proof(order, plan, ended) if plan and standing.state in _BILLED else (),
        taken=plan.taken if plan else (),
        line_names=names,
    )


def _failed(order: ExportedOrder, error: CpqbridgeError | None, calls: Calls) -> ReportedOrder:
    return ReportedOrder(
        order_id=order.order_id,
        order_number=order.order_number,
        contract=order.order_id,
        state=OrderState.FAILED,
        code=error.code if error else "not_reported",
        message=error.message if error else "The sync ended without saying where this order stands.",
        fix=error.fix if error else "",
        customer=order.customer,
        purpose=order.purpose,
        calls=calls,
    )


def _proof(order: ExportedOrder, plan: Plan, ended: _Ended) -> tuple[Proof, ...]:
    """Return every line of the order, those that the plan leaves out as well, against the invoices."""
    planned = {proof.order_item_id: proof for proof in plan.proof if proof.order_id == order.order_id}
    currencies = [proof.currency for proof in planned.values()]
    currency = next(iter(currencies), order.currency or ended.currency)
    left_out = {
        line_id: Proof(
            order_item_id=line_id,
            order_id=order.order_id,
            currency=currency,
            sold_minor=rounded_minor(total, currency),
            billed_minor=0,
            reason="skipped",
        )
        for line_id, total in order.line_totals.items()
        if line_id not in planned
    }
    lines = {**left_out, **planned}
    return tuple(proof_against(lines[line_id], ended.billed) for line_id in sorted(lines))
