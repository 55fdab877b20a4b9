"""One contract in three places, side by side: what was sold, what was sent, and what stands in Stripe."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cpqbridge.domain.billing import BillingObject, Link, OrderOutcome, Plan, StepAction, Touched
from cpqbridge.domain.money import major_text, rounded_minor
from cpqbridge.domain.order import Order, OrderHistory
from cpqbridge.domain.refusal import OrderState
from cpqbridge.domain.schedule_standing import ENDED, MISSING, ScheduleStanding
from cpqbridge.mapping.raw import WriteBackRecord
from cpqbridge.planning.billing_steps import facts_fingerprint
from cpqbridge.sync.findings import Finding, FindingKind, Remedy
from cpqbridge.sync.standings import order_ids_of
from cpqbridge.sync.touched import what_was_touched

StripeObject = Mapping[str, Any]

_NOT_BILLED = frozenset({OrderState.FAILED, OrderState.REFUSED, OrderState.HELD, OrderState.WAITING})
_DUE_FOR = timedelta(hours=1)
"""How long what is due by itself may wait for a worker before it counts as missing."""

_SYNC = "Sync the order; `--fix` does."
_RESTORE = (
    "Put it back as it was sold: `--fix` does, from the next period on and without touching what was billed. "
    "Or accept it: then the next amendment that changes this schedule is held again."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractFacts:
    """Everything known of one contract at `at` (aware UTC).

    `history` and `plan` are None where no order of it is left in Salesforce. `sent` are its objects as they
    were sent last, `links` by key what stands for them, `standings` its schedules as Stripe has them, by key.
    `schedules` are all schedules of its customers. `adopted` are the orders whose Stripe object was found
    again, `not_shown` what Salesforce should show, `sold_before` what the lines of each order were sold for
    when it was billed (minor units by order line). `due_since` is when its timer fell due, `under_way` are
    the keys of calls whose outcome is not known yet. Orders saved after `fresh_since` are left to the worker.
    """

    root_id: str
    contract_key: str
    at: datetime
    history: OrderHistory | None
    plan: Plan | None
    sent: Mapping[str, BillingObject]
    links: Mapping[str, Link]
    standings: Mapping[str, ScheduleStanding]
    schedules: Sequence[StripeObject] = ()
    executed: Collection[str] = ()
    adopted: Collection[str] = ()
    not_shown: Sequence[WriteBackRecord] = ()
    sold_before: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    numbers: Mapping[str, str] = field(default_factory=dict)
    due_since: datetime | None = None
    under_way: Collection[str] = ()
    fresh_since: datetime | None = None

    def findings(self) -> Iterator[Finding]:
        """Yield every difference that is not one of amounts billed so far."""
        yield from self._orders()
        yield from self._gone()
        yield from self._due()
        yield from self._schedules()
        yield from self._extra_schedules()
        yield from self._customer()
        yield from map(self._not_shown, self.not_shown)

    @property
    def is_frozen(self) -> bool:
        """Return whether nothing of it can be changed before an edit in Salesforce is solved."""
        return bool(list(self._gone())) or any(
            outcome.state in _NOT_BILLED and outcome.order_id in self.executed for outcome in self._outcomes
        )

    @property
    def _outcomes(self) -> tuple[OrderOutcome, ...]:
        return self.plan.outcomes if self.plan is not None else ()

    def _orders(self) -> Iterator[Finding]:
        for outcome in self._outcomes:
            order = self.history.order(outcome.order_id) if self.history is not None else None
            if order is None:
                continue
            if outcome.order_id in self.adopted:
                yield self._adoptable(order)
            elif outcome.order_id in self.executed:
                if outcome.state in _NOT_BILLED:
                    yield self._edited(order, outcome)
            elif outcome.state in _NOT_BILLED or (
                outcome.state is OrderState.SYNCED and not self._is_fresh(order)
            ):
                yield self._unbilled(order, outcome)

    def _is_fresh(self, order: Order) -> bool:
        if self.fresh_since is None or not order.modified_at:
            return False
        return datetime.fromisoformat(order.modified_at) >= self.fresh_since

    def _unbilled(self, order: Order, outcome: OrderOutcome) -> Finding:
        sold = sum(rounded_minor(line.total_price, order.currency) for line in order.lines)
        stopped = outcome.state in _NOT_BILLED
        why = " ".join(dict.fromkeys(refusal.message for refusal in outcome.refusals))
        how = " ".join(dict.fromkeys(refusal.fix for refusal in outcome.refusals))
        return self._finding(
            FindingKind.MISSING,
            subject=order.order_id,
            order_ids=(order.order_id,),
            found=f"Order {order.order_number} is not billed" + (f": {why}" if why else ""),
            wanted=f"{major_text(sold, order.currency)} {order.currency.upper()} billed",
            found_minor=0,
            wanted_minor=sold,
            currency=order.currency,
            fix=how if stopped else _SYNC,
            remedy=Remedy.BY_HAND if stopped else Remedy.SYNC,
            marks=(f"{sold} {order.currency}", *sorted({each.code for each in outcome.refusals})),
        )

    def _edited(self, order: Order, outcome: OrderOutcome) -> Finding:
        """Return the finding of an order that is not what was billed any more."""
        why = " ".join(dict.fromkeys(refusal.message for refusal in outcome.refusals))
        how = " ".join(dict.fromkeys(refusal.fix for refusal in outcome.refusals))
        present = {
            line.order_item_id: rounded_minor(line.total_price, order.currency) for line in order.lines
        }
        before = self.sold_before.get(order.order_id, {})
        texts = [
            f"line {line_id}: {self._money(present.get(line_id), order)} now, "
            f"{self._money(before.get(line_id), order)} when it was billed"
            for line_id in sorted(before.keys() | present.keys())
            if before and present.get(line_id) != before.get(line_id)
        ]
        return self._finding(
            FindingKind.EDITED_IN_SALESFORCE,
            subject=order.order_id,
            order_ids=(order.order_id,),
            found=f"{why} {'; '.join(texts)}".strip(),
            wanted="what was billed when it was synced",
            found_minor=sum(present.values()) if texts else None,
            wanted_minor=sum(before.values()) if texts else None,
            currency=order.currency if texts else "",
            fix=how,
            marks=(facts_fingerprint(order, order.lines), *sorted({each.code for each in outcome.refusals})),
        )

    @staticmethod
    def _money(amount_minor: int | None, order: Order) -> str:
        if amount_minor is None:
            return "nothing"
        return f"{major_text(amount_minor, order.currency)} {order.currency.upper()}"

    def _adoptable(self, order: Order) -> Finding:
        return self._finding(
            FindingKind.LINK_BROKEN,
            subject=order.order_id,
            order_ids=(order.order_id,),
            stripe_id=order.displayed_stripe_id,
            found=f"Order {order.order_number} shows {order.displayed_stripe_id}, which is not known here",
            wanted="the object that bills the order is known here",
            fix=f"It is ours and as it was made; a sync takes it over and makes nothing twice. {_SYNC}",
            remedy=Remedy.SYNC,
            marks=(str(order.displayed_stripe_id),),
        )

    def _gone(self) -> Iterator[Finding]:
        """Yield a finding for each billed order that Salesforce does not have any more."""
        present = {order.order_id for order in self.history.orders} if self.history is not None else set()
        for order_id in sorted(set(self.executed) - present):
            keys = [key for key, each in sorted(self.sent.items()) if order_id in each.order_ids]
            shown = next((self.links[key].stripe_id for key in keys if key in self.links), None)
            yield self._finding(
                FindingKind.EXTRA,
                subject=order_id,
                order_ids=(order_id,),
                stripe_id=shown,
                found=f"Order {self.numbers.get(order_id, order_id)} is gone from Salesforce, but Stripe "
                "bills it as before",
                wanted="nothing billed that no order sold",
                fix="Restore the order in Salesforce; or end what bills it in Stripe by hand and accept this "
                "finding.",
                marks=("gone",),
            )

    def _due(self) -> Iterator[Finding]:
        """Yield what is to be done in Stripe although no order is new: it fell due, or was left half done."""
        if self.plan is None or any(each.state is OrderState.SYNCED for each in self._outcomes):
            return
        overdue = self.due_since is not None and self.at - self.due_since >= _DUE_FOR
        if self.adopted or (self.due_since is not None and not overdue):
            return
        for step in self.plan.steps:
            # Further phases are loaded as soon as there is room, but only missing once their timer is due.
            is_missing = overdue or step.action is not StepAction.UPDATE_SCHEDULE
            if step.object_key is not None and is_missing and step.key not in self.under_way:
                yield self._finding(
                    FindingKind.MISSING,
                    subject=step.key,
                    order_ids=tuple(sorted(order_ids_of(self.plan, step.key))),
                    found=f"What is due was not done: {step.summary}",
                    wanted="done in Stripe",
                    found_minor=0 if step.expected_total_minor is not None else None,
                    wanted_minor=step.expected_total_minor,
                    currency=self._currency if step.expected_total_minor is not None else "",
                    fix="See that a worker runs (`cpqbridge worker`), or sync the contract; `--fix` does.",
                    remedy=Remedy.SYNC,
                    marks=(step.action.value, str(step.expected_total_minor)),
                )

    def _schedules(self) -> Iterator[Finding]:
        for key, standing in sorted(self.standings.items()):
            sent = self.sent[key]
            touched = what_was_touched(sent, standing, at=self.at, charges_only=True)
            if touched is not None:
                yield self._changed(sent, standing, touched)

    def _changed(self, sent: BillingObject, standing: ScheduleStanding, touched: Touched) -> Finding:
        is_gone = standing.status == MISSING
        fix, remedy = _RESTORE, Remedy.RESTORE
        if touched.goes_on is not None:
            remedy = Remedy.BY_HAND
            fix = (
                f"Its subscription {touched.goes_on} bills on by itself. Cancel that in Stripe at the end of "
                "its running period, without a proration; then reconcile with `--fix`."
            )
        elif sent.phases[-1].ends_at <= self.at:
            remedy, fix = Remedy.BY_HAND, "Nothing of it is left to bill; accept this finding."
        elif self.is_frozen:
            remedy = Remedy.BY_HAND
            fix = "Solve what was edited in Salesforce first; then reconcile with `--fix`, or accept it."
        return self._finding(
            FindingKind.MISSING if is_gone else FindingKind.CHANGED_IN_STRIPE,
            subject=standing.schedule_id,
            order_ids=sent.order_ids,
            stripe_id=standing.schedule_id,
            found=f"Subscription schedule {standing.schedule_id}: {touched.words}",
            wanted="as it was sold",
            fix=fix,
            remedy=remedy,
            key=sent.key,
            marks=touched.marks,
        )

    def _extra_schedules(self) -> Iterator[Finding]:
        """Yield a finding for each running schedule of ours that nothing here stands for."""
        linked = {link.stripe_id for link in self.links.values()}
        shown = {order.displayed_stripe_id for order in (self.history.orders if self.history else ())}
        for schedule in self.schedules:
            metadata = schedule.get("metadata") or {}
            key, stripe_id = str(metadata.get("cpqbridge_key") or ""), str(schedule["id"])
            is_ours = bool(key) and metadata.get("salesforce_root_id") == self.root_id
            if not is_ours or stripe_id in linked or schedule.get("status") in ENDED or key in self.under_way:
                continue
            if not self.sent and stripe_id in shown:
                # That is said where the order is.
                continue
            original = self.standings.get(key)
            is_twice = original is not None and not original.ended
            yield self._finding(
                FindingKind.EXTRA,
                subject=stripe_id,
                order_ids=tuple(each for each in [metadata.get("salesforce_order_id")] if each),
                stripe_id=stripe_id,
                found=f"Subscription schedule {stripe_id} runs "
                + (f"beside {original.schedule_id}, which bills the same" if original else "unknown to us"),
                wanted="one schedule for what was sold",
                fix="Cancel it without a proration: `--fix` does. What it has billed is left to you."
                if is_twice
                else "Look at it in Stripe. Cancel it there if nothing it bills was sold; else accept it.",
                remedy=Remedy.CANCEL if is_twice else Remedy.BY_HAND,
                marks=(stripe_id,),
            )

    def _customer(self) -> Iterator[Finding]:
        """Yield a finding where the account shows another customer than the one that is billed."""
        if self.history is None or not self.sent:
            return
        account = self.history.account
        link = self.links.get(f"customer:{account.account_id}")
        shown = account.displayed_customer_id
        if link is not None and shown and shown != link.stripe_id:
            yield self._finding(
                FindingKind.LINK_BROKEN,
                subject=account.account_id,
                order_ids=tuple(self.executed),
                stripe_id=link.stripe_id,
                found=f"Account {account.account_id} shows customer {shown}, but {link.stripe_id} is billed",
                wanted="the customer that is billed",
                fix="Put the id of the billed customer back on the account; or accept it: then new contracts "
                f"go to {shown}, and running ones stay where they are.",
                marks=(shown, link.stripe_id),
            )

    def _not_shown(self, record: WriteBackRecord) -> Finding:
        values = ", ".join(f"{name} = {value}" for name, value in sorted(record.fields.items()))
        return self._finding(
            FindingKind.NOT_SHOWN,
            subject=f"{record.object_name}:{record.record_id}",
            order_ids=tuple(self.executed),
            found=f"{record.object_name} {record.record_id} does not show {values}",
            wanted="what stands in Stripe is shown in Salesforce",
            fix="Sync the contract: the values are written again; `--fix` does.",
            remedy=Remedy.SYNC,
            marks=tuple(f"{name}={value}" for name, value in sorted(record.fields.items())),
        )

    @property
    def _currency(self) -> str:
        return next((each.currency for each in self.sent.values()), "")

    def _finding(self, kind: FindingKind, **said: Any) -> Finding:
        return Finding(kind=kind, root_id=self.root_id, contract_key=self.contract_key, **said)
