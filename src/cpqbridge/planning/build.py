"""A contract built from the orders that are carried out: objects, forecast, proof, and the calls between."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from itertools import chain, groupby

from cpqbridge.domain.billing import (
    BilledInvoice,
    BillingObject,
    ContractRecord,
    ForecastInvoice,
    Proof,
    Step,
    TakenUnits,
)
from cpqbridge.domain.order import LineKind, Order
from cpqbridge.domain.refusal import Refusal
from cpqbridge.planning import steps
from cpqbridge.planning.acceptance import Verdict
from cpqbridge.planning.billing_steps import ScheduleBody, discounts_of, invoice_steps
from cpqbridge.planning.contract import Contract
from cpqbridge.planning.credits import Creditable, credit_steps, drafts_final_at
from cpqbridge.planning.discounts import Discounts
from cpqbridge.planning.forecast import billed_by_line, forecast_object, off_by_line, settled_by
from cpqbridge.planning.items import Naming
from cpqbridge.planning.limits import limit_refusals
from cpqbridge.planning.objects import Designer, Wanted, placed_identities
from cpqbridge.planning.pieces import CutRules
from cpqbridge.planning.placing import Placed, place
from cpqbridge.planning.price_book import give_prices, price_steps
from cpqbridge.planning.proof import Evidence, mismatches, skipped_proofs
from cpqbridge.planning.request import Request
from cpqbridge.planning.safety import Look, multiplier_warnings
from cpqbridge.planning.timetable import load_again_at
from cpqbridge.planning.usage import first_invoice_has_usage, metered_twice, unbilled_parts


class Build:
    """Everything that follows from a request and the orders that are accepted."""

    def __init__(self, request: Request, verdict: Verdict) -> None:
        """Take in the orders, one after the other, until one cannot be taken in."""
        self._request = request
        self._verdict = verdict
        self._names = {key: product.name for key, product in request.history.products.items()}
        policy = request.configuration.policy
        currency = verdict.accepted[0].currency if verdict.accepted else ""
        self._contract = Contract(
            history=request.history,
            state=request.state,
            rules=CutRules(
                currency=currency,
                precision=policy.prorate_precision,
                true_up=policy.rounding == "true_up",
                credits_evergreen=policy.evergreen_credits == "prorate",
            ),
            as_of=request.as_of,
            cutover=request.cutover,
            split_frequencies=policy.frequencies == "split",
            time_zone=policy.time_zone,
            restores=request.restores,
        )
        self._refused = self._take_in(verdict.accepted)
        self._contract.annul(self._first_billed())
        self._contract.decide_ends_of_usage()
        self._contract.decide_first_invoices()
        self._contract.decide_heads()
        give_prices(self._contract)
        self._discounts = Discounts.of(self._contract)
        self._designer = Designer(
            contract=self._contract,
            policy=policy,
            product_names=self._names,
            discounts=self._discounts,
        )

    def _take_in(self, orders: Iterable[Order]) -> dict[str, tuple[Refusal, ...]]:
        """Take the orders into the contract; return what refuses the first that cannot be, by its id.

        Those executed together are taken in together, before later ones. A line's own start decides when it
        takes effect (B1.5), so an order may change a line of one that comes after it, or take units that only
        a later one brings: it is tried again once the others are in.
        """
        for _, together in groupby(orders, key=self._contract.executed_at):
            pending = list(together)
            while pending:
                left, refused = self._pass_over(pending)
                if len(left) == len(pending):
                    first = next(iter(refused))
                    return {first: refused[first]}
                pending = left
        return {}

    def _pass_over(self, orders: Sequence[Order]) -> tuple[list[Order], dict[str, tuple[Refusal, ...]]]:
        """Take in what can be, in order; return the orders that are left, and by id what refuses any."""
        coming = {line.order_item_id: order for order in orders for line in order.lines}
        # Of orders that change each other's lines none could be the first, so they are taken as they come.
        circular = all(_changes_other(order, coming) for order in orders)
        left: list[Order] = []
        refused: dict[str, tuple[Refusal, ...]] = {}
        for order in orders:
            if circular or not _changes_other(order, coming):
                refusals = self._contract.add(order)
                if not refusals:
                    for line in order.lines:
                        del coming[line.order_item_id]
                    continue
                refused[order.order_id] = refusals
            left.append(order)
        return left, refused

    def _first_billed(self) -> dict[str, datetime]:
        """Return when each order line was on an invoice or credit for the first time, as far as it was."""
        state, now = self._request.state, self._request.as_of
        made = (settled_by(each, now, product_names=self._names) for each in state.objects.values())
        first: dict[str, datetime] = {}
        for invoice in chain.from_iterable(made):
            for line in invoice.lines:
                for order_item_id, _ in line.shares:
                    first[order_item_id] = min(invoice.at, first.get(order_item_id, invoice.at))
        return first

    @cached_property
    def _placed(self) -> Placed:
        request, contract = self._request, self._contract
        done = placed_identities(request.state.objects.values(), request.as_of, product_names=self._names)
        # What ends before it begins is credited whatever the policy (B6.11).
        annulled = contract.runs and all(run.is_annulled for run in contract.runs.values())
        return place(
            contract,
            request.configuration.policy,
            Naming(product_names=self._names),
            discounts=self._discounts,
            done=done,
            drops_credits={
                order.order_id
                for order in contract.orders
                if self._designer.drops_credits(order) and not annulled
            },
        )

    @cached_property
    def _schedules(self) -> tuple[Wanted, ...]:
        if self._verdict.frozen:
            return tuple(
                Wanted(wanted=track.sent, change="none") for track in self._contract.tracks if track.sent
            )
        found = (self._designer.schedule(track, self._placed) for track in self._contract.tracks)
        return tuple(each for each in found if each is not None)

    @cached_property
    def _documents(self) -> tuple[BillingObject, ...]:
        """Return own invoices and credits: those begun before, then new ones, due now or later."""
        known = [each for each in self._request.state.objects.values() if each.kind != "schedule"]
        if self._verdict.frozen:
            return tuple(sorted(known, key=_by_day))
        new = [self._designer.document(each, "invoice") for each in self._placed.invoices]
        whole = [each for each in known if not self._is_half_made(each)]
        return tuple(sorted([*whole, *new, *self._shared_out_credits()], key=_by_day))

    def _is_half_made(self, wanted: BillingObject) -> bool:
        """Return whether a part of a credit was made and another was not."""
        return any(portion.key not in self._request.state.links for portion in wanted.portions)

    @cached_property
    def _half_made_credits(self) -> tuple[BillingObject, ...]:
        return tuple(filter(self._is_half_made, self._request.state.objects.values()))

    @cached_property
    def _new_credits(self) -> tuple[BillingObject, ...]:
        return tuple(self._designer.document(each, "credit") for each in self._placed.credits)

    def _is_due(self, wanted: BillingObject) -> bool:
        return wanted.anchor_at <= self._request.as_of

    @property
    def _invoices(self) -> tuple[BilledInvoice, ...] | None:
        """Return the contract's invoices: none while nothing was ever sent, None where they were not read."""
        state = self._request.state
        return state.invoices if state.objects else ()

    @property
    def needs_invoices(self) -> bool:
        """Return whether a credit is due and the contract's invoices were not read."""
        if self._invoices is not None or self._verdict.frozen:
            return False
        return bool(self._half_made_credits) or any(self._is_due(each) for each in self._new_credits)

    @cached_property
    def _credits_wait_until(self) -> datetime | None:
        invoices = self._invoices
        if not invoices or self._verdict.frozen or not any(map(self._is_due, self._new_credits)):
            return None
        return drafts_final_at(invoices)

    def _shared_out_credits(self) -> list[BillingObject]:
        """Return half-made and new credits; those due now with the invoices that carry them, once known.

        They are shared out in the order in which they are made: what one takes of an invoice that is paid in
        part decides how much of the next is for the unpaid part.
        """
        found = sorted([*self._half_made_credits, *self._new_credits], key=_by_day)
        if self._invoices is None:
            return found
        creditable, made = Creditable(self._invoices), self._request.state.links
        waits = self._credits_wait_until is not None
        return [
            creditable.share_out(each, self._reduced_by(each), made=made)
            if self._is_half_made(each) or (self._is_due(each) and not waits)
            else each
            for each in found
        ]

    def _reduced_by(self, wanted: BillingObject) -> set[str]:
        """Return the lines whose time a credit is for."""
        crediting = {item.order_item_id for item in wanted.phases[0].one_time_items}
        found = {
            run.line.order_item_id
            for reduction in self._contract.reductions
            if reduction.line.order_item_id in crediting
            for run, _ in reduction.takes
        }
        lineages = self._contract.lineages
        for each in self._contract.one_time:
            if each.line.order_item_id in crediting:
                found.add(lineages.root(each.line))
        return found

    @cached_property
    def objects(self) -> tuple[BillingObject, ...]:
        """Return everything the contract should have in Stripe: schedules, then own invoices and credits."""
        return (*(each.wanted for each in self._schedules), *self._documents)

    @cached_property
    def forecast(self) -> tuple[ForecastInvoice, ...]:
        """Return every invoice and credit of the contract's whole life, oldest first."""
        found = (
            invoice
            for wanted in self.objects
            for invoice in forecast_object(wanted, product_names=self._names)
        )
        return tuple(sorted(found, key=lambda invoice: (invoice.at, invoice.object_key)))

    @cached_property
    def evidence(self) -> Evidence:
        """Return what the orders say of their lines."""
        dropped = () if self._verdict.frozen else self._placed.dropped
        off = off_by_line(self.forecast)
        for item in () if self._verdict.frozen else self._placed.free:
            off[item.order_item_id] += item.off_minor
        return Evidence.of(self._contract, dropped, self.objects, off=off)

    @cached_property
    def proof(self) -> tuple[Proof, ...]:
        """Return the proof of every line of the orders that are carried out, skipped ones too."""
        billed = billed_by_line(self.forecast)
        proven = (proof for order in self._contract.orders for proof in self.evidence.prove(order, billed))
        orders = (*self._contract.orders, *self._verdict.without_lines)
        return (*proven, *(proof for order in orders for proof in skipped_proofs(order)))

    @cached_property
    def record(self) -> ContractRecord | None:
        """Return what is to be kept of orders for which nothing is sent now; None where nothing is new."""
        if self._verdict.frozen:
            return None
        sent = {order_id for each in self._schedules for order_id in each.wanted.order_ids}
        sent |= {order_id for each in self._documents if self._is_due(each) for order_id in each.order_ids}
        known = self._request.state.record
        sent |= {entry.order_id for entry in known.orders}
        silent = [order for order in self._contract.orders if order.order_id not in sent]
        if not silent:
            return None
        taken = tuple(
            TakenUnits(
                reducing_id=reduction.line.order_item_id,
                reduced_id=run.line.order_item_id,
                units=take.units,
            )
            for reduction in self._contract.reductions
            if reduction.order in silent
            for run, take in reduction.takes
        )
        entries = tuple(self._designer.entry(order) for order in silent)
        return ContractRecord(orders=(*known.orders, *entries), taken=(*known.taken, *taken))

    def stops(self) -> Mapping[str, tuple[Refusal, ...]]:
        """Return what stops the first order that cannot be carried out, by its id; empty when all can."""
        if self._refused:
            return self._refused
        look = Look(contract=self._contract, configuration=self._request.configuration)
        released = self._request.released
        for order in self._contract.orders:
            is_new = order in self._verdict.new
            holds = look.holds(order) if is_new else look.late_holds(order)
            limits = tuple(self._refusals(order)) if is_new else ()
            found = (*limits, *(hold for hold in holds if hold.code not in released))
            if found:
                return {order.order_id: found}
        cancels = sum(schedule.change == "cancel" for schedule in self._schedules)
        for schedule in self._schedules:
            newest = self._newest(schedule.wanted)
            if newest is not None and schedule.change != "none":
                counted = cancels if schedule.change == "cancel" else 0
                against = look.changes(newest, schedule.wanted, cancels=counted)
                found = tuple(refusal for refusal in against if refusal.code not in released)
                if found:
                    return {newest.order_id: found}
        wrong = tuple(mismatches(self.proof))
        if not wrong:
            return {}
        new = {order.order_id for order in self._verdict.new}
        first = next((each for each in wrong if each.order_id in new), wrong[0])
        blamed = first.order_id if first.order_id in new or not new else self._verdict.new[-1].order_id
        return {blamed: tuple(each for each in wrong if each.order_id == first.order_id)}

    def _newest(self, wanted: BillingObject) -> Order | None:
        """Return the newest order that shaped an object: a new one where there is any."""
        shaping = [order for order in self._contract.orders if order.order_id in wanted.order_ids]
        new = [order for order in shaping if order in self._verdict.new]
        return next(reversed(new or shaping), None)

    def _limits(self, order: Order) -> Iterator[Refusal]:
        """Yield the limits that objects changed by the order, and by none after it, would pass."""
        newer = self._verdict.new[self._verdict.new.index(order) + 1 :]
        later = {each.order_id for each in newer}
        changed = [each.wanted for each in self._schedules if each.change != "none"]
        concerned = [
            wanted
            for wanted in (*changed, *self._documents)
            if order.order_id in wanted.order_ids and later.isdisjoint(wanted.order_ids)
        ]
        yield from limit_refusals(order, concerned, self._request.history, now=self._request.as_of)

    def _refusals(self, order: Order) -> Iterator[Refusal]:
        """Yield what refuses the order beside the lines of others."""
        yield from self._limits(order)
        yield from metered_twice(order, self._contract)
        coupon = self._discounts.splits(order)
        if coupon is not None:
            yield Refusal(
                code="coupon_split",
                message=f"Order {order.order_number} has the coupon {coupon.name} for a fixed amount, "
                "but its lines need several subscriptions; the amount can be given on one only.",
                record_id=order.order_id,
                field="Order_Stripe_Coupon_Association__c",
                fix="Put the coupon on a line, use a percentage, or split the order.",
                order_id=order.order_id,
            )

    def changes(self, order: Order) -> bool:
        """Return whether the plan does anything for the order."""
        if order in self._verdict.new:
            return True
        billing = [step for step in self.steps() if step.object_key is not None]
        concerned = {each.key for each in self._documents if order.order_id in each.order_ids}
        if any(step.object_key in concerned for step in billing):
            return True
        return bool(self.steps()) and not billing and not self._verdict.new

    def steps(self) -> tuple[Step, ...]:
        """Return the calls, each after those it needs: customer, products, prices, then what bills."""
        return tuple({step.key: step for step in self._steps}.values())

    @cached_property
    def _steps(self) -> tuple[Step, ...]:
        return tuple(self._all_steps())

    def _all_steps(self) -> Iterator[Step]:
        history, state = self._request.history, self._request.state
        if self._contract.orders:
            yield from steps.customer_steps(history, state)
            used = (line.product_id for order in self._contract.orders for line in order.lines)
            for product_id in dict.fromkeys(used):
                yield from steps.product_steps(history, state, history.products[product_id])
        yield from self._schedule_steps()
        for wanted in self._documents:
            order = history.order(wanted.order_ids[0])
            if order is None or not self._is_due(wanted):
                continue
            if wanted.kind == "invoice":
                yield from invoice_steps(history, order, wanted, state)
            else:
                yield from credit_steps(history, order, wanted, state)

    def _schedule_steps(self) -> Iterator[Step]:
        history, state, now = self._request.history, self._request.state, self._request.as_of
        changed = {
            each.wanted.key: each.wanted for each in self._schedules if each.change not in ("none", "cancel")
        }
        resolved: dict[str, str] = {}
        for each in price_steps(self._contract, history, state, changed):
            if isinstance(each, Step):
                yield each
            else:
                resolved[each[0]] = each[1]
        used = {terms.key for wanted in changed.values() for terms in discounts_of(wanted)}
        for key, coupon in self._discounts.coupons.items():
            if key in used and key not in state.links:
                yield steps.coupon_step(key, coupon, currency=self._contract.rules.currency)
        body = ScheduleBody(
            history=history,
            orders=self._contract.orders,
            resolved=resolved,
            links=state.links,
            running=state.discounts,
            running_since=state.running_since,
        )
        for schedule in self._schedules:
            step = self._schedule_step(schedule, body, now)
            if step is not None and schedule.wanted.key in self._contract.restores:
                # The same may be put back again later; then it is another call although it says the same.
                step = replace(step, fingerprint=f"{step.fingerprint}:{now.isoformat()}")
            if step is not None:
                yield step

    def _schedule_step(self, schedule: Wanted, body: ScheduleBody, now: datetime) -> Step | None:
        wanted, links = schedule.wanted, self._request.state.links
        if schedule.change == "create":
            first = next((each.total_minor for each in wanted.settled), None)
            known = None if first_invoice_has_usage(wanted, now) else first
            return body.created(wanted, first_invoice_minor=known)
        if schedule.change == "update":
            return body.updated(wanted, now=now, stripe_id=links[wanted.key].stripe_id)
        if schedule.change == "restart":
            return body.restarted(wanted, now=now)
        if schedule.change == "cancel":
            return body.cancelled(wanted, stripe_id=links[wanted.key].stripe_id)
        return None

    @property
    def wake_at(self) -> datetime | None:
        """Return the next instant at which something is to be done that no order triggers."""
        later = [each.anchor_at for each in self._documents if not self._is_due(each)]
        for schedule in self._schedules:
            wanted = schedule.wanted
            if wanted.ended_at is None:
                again = load_again_at(wanted.phases, wanted.loaded)
                later += [again] if again is not None else []
        later += [track.planned_again_at for track in self._contract.tracks if track.goes_on]
        if self._credits_wait_until is not None:
            later.append(self._credits_wait_until)
        return min((at for at in later if at > self._request.as_of), default=None)

    def warnings(self) -> tuple[str, ...]:
        """Return sentences for people about orders that are carried out all the same."""
        found = []
        for order in self._contract.orders:
            if order.days_until_due is None and order in self._verdict.new:
                found.append(
                    f"Order {order.order_number} has no payment term, so Stripe charges automatically: "
                    "its customer needs a payment method in Stripe."
                )
            found += unbilled_parts(run for run in self._contract.runs.values() if run.order is order)
            lines = [line for line in order.lines if line.kind is LineKind.RECURRING]
            found += multiplier_warnings(lines, self._request.configuration.policy)
        return tuple(found)


def _changes_other(order: Order, coming: Mapping[str, Order]) -> bool:
    """Return whether the order revises a line of another order that is still to come."""
    return any(coming.get(line.revises or "", order) is not order for line in order.lines)


def _by_day(wanted: BillingObject) -> tuple[datetime, str]:
    return (wanted.anchor_at, wanted.key)
