"""Carrying out one step: intent, call, outcome and link; and settling what an earlier run left open.

The intent is committed before the call with everything filled in, so that any later run can repeat exactly
this call under the same idempotency key. The outcome, the link, and the object as it was sent are one
transaction after it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import Connection as Transaction

from cpqbridge.clock import Clock
from cpqbridge.domain.billing import BillingObject, Link, Step, StepAction
from cpqbridge.domain.parameters import json_form
from cpqbridge.errors import ConflictError, OutcomeUnknownError, RecordError, TransientError
from cpqbridge.mapping.fields import OurFields
from cpqbridge.store import intents, lanes, links, objects, tries
from cpqbridge.store.database import Store
from cpqbridge.store.intents import Intent, NewIntent, call_of_key
from cpqbridge.store.lanes import Lane
from cpqbridge.stripe_billing.error_codes import ALREADY_EXISTS, GONE, REFUSED, REPEATED_ERROR
from cpqbridge.sync.find_again import SentCall
from cpqbridge.sync.outcomes import holds_all, invoice_doubt, invoice_total_minor, is_what_was_wanted
from cpqbridge.sync.ports import OpenConnection
from cpqbridge.sync.references import filled_in, refs_of
from cpqbridge.sync.retry import TOO_MANY_TRIES
from cpqbridge.sync.standings import CAP_CANCELS, CREDIT_REFUSED, FIRST_INVOICE_DIFFERS
from cpqbridge.sync.touched import what_was_touched

IDEMPOTENCY_KEY_LIFE = timedelta(hours=23)
"""How long an unsettled call is repeated under its key. Stripe keeps keys for at least 24 hours
(API reference, "Idempotent requests", as restated in the project's design notes, 20 Nov 2026)."""

PLAN_ANEW = frozenset({"invoice_closed_empty", "customer_made_meanwhile"})
"""Codes of conflicts after which the contract is planned anew at once."""

WAITS_FOR_ANOTHER = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
"""Seconds between two looks at whether another contract has made the customer."""

CALLS_AT_MOST = 2
"""How many calls a step makes in one run, each under a key of its own, where Stripe itself fails."""

_ON_SCHEDULE = frozenset({StepAction.UPDATE_SCHEDULE, StepAction.CANCEL_SCHEDULE})
_NOT_ADOPTED = {
    StepAction.CREATE_PRODUCT: "Look at that product in Stripe; make it active again there, then sync again.",
    StepAction.CREATE_PRICE: "Look at that price in Stripe; make it active again if cpqbridge made it, else "
    "take the lookup key off it; then sync again.",
    StepAction.CREATE_COUPON: "Look at that coupon in Stripe; delete it there if nothing uses it, or rename "
    "the coupon in Salesforce; then sync again.",
    StepAction.CREATE_METER: "Look at that meter in Stripe. If it counts the same, map its id as "
    "`price.recurring.meter`, else deactivate it; then sync again.",
}
_QUOTED = re.compile(r"'([^']+)'")
_NO_COUPON = "no such coupon"

Boundary = Callable[[str], None]
"""Called with a name at every point where a crash would leave something half done."""


def no_boundary(_name: str) -> None:
    """Do nothing; a fault test hands in something that ends the process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Applier:
    """Carries out the steps of one contract while its lane is held.

    `released` are codes that a person let through for this run.
    """

    store: Store
    opened: OpenConnection
    clock: Clock
    lane: Lane
    wait: Callable[[float], object]
    boundary: Boundary = no_boundary
    released: frozenset[str] = frozenset()

    def apply(self, step: Step, sends: BillingObject | None = None) -> None:
        """Carry out one step, or nothing when its link already stands with the same fingerprint.

        A first invoice that is not the planned one is kept with the intent (`intents.doubts`); one that is
        still a draft is not finalised.

        Args:
            step: the call to make.
            sends: the object that stands as it says once the call is answered; None where it makes none.

        Raises:
            RecordError: Stripe refused for good; nothing was made.
            CpqbridgeError: the call did not succeed; the intent stays open where its outcome is not known.
        """
        for _ in range(CALLS_AT_MOST):
            intent = self._intent_when_free(step, sends)
            if intent is None:
                return
            self.boundary(f"intent {step.key}")
            if self._carry_out(intent):
                return
        raise TransientError(
            f"Stripe failed at this call again and again, and made nothing ({step.summary}).",
            code="stripe_keeps_failing",
            fix="It is called anew by itself later; status.stripe.com tells more.",
        )

    def settle(self, intent: Intent) -> None:
        """Find out what became of a call whose outcome is not known, by repeating or by looking.

        A refusal settles it too: nothing was made, and the next plan decides anew. A call on a schedule that
        time has overtaken is never repeated: one that begins in the past without prorations gives its first
        period away. Where Stripe repeats an error of its own instead of the outcome, what was made is looked
        for at once.
        """
        now = self.clock.now()
        if now - intent.created_at < IDEMPOTENCY_KEY_LIFE and not is_overtaken(intent, now):
            self._repeat(intent, now)
            return
        made = self._look_for(intent, now)
        if made is not None:
            self._finish(intent, made)
            return
        self._give_up(intent, "outcome unknown, not to be repeated, and nothing found")

    def _repeat(self, intent: Intent, now: datetime) -> None:
        """Make the call once more under its key, or look for what it made where it may not be made now."""
        with self.store.write() as transaction:
            lanes.require(transaction, self.lane)
            tries.note_earlier(
                transaction,
                connection_id=self.opened.connection_id,
                step=call_of_key(intent.idempotency_key),
                at=intent.created_at,
            )
        try:
            self._carry_out(intent)
        except RecordError:
            return
        except ConflictError as error:
            if error.code not in PLAN_ANEW:
                raise
        except (OutcomeUnknownError, TransientError) as error:
            looks = isinstance(error, OutcomeUnknownError) or error.code == TOO_MANY_TRIES
            made = self._look_for(intent, now) if looks else None
            if made is None:
                raise
            self._finish(intent, made)

    def _give_up(self, intent: Intent, why: str) -> None:
        """Record that the call came to nothing; the next one for the same has another key."""
        with self.store.write() as transaction:
            lanes.require(transaction, self.lane)
            intents.fail(transaction, intent_id=intent.intent_id, error=why, at=self.clock.now())

    def _intent_when_free(self, step: Step, sends: BillingObject | None) -> Intent | None:
        """Return what `_opened_intent` does, after waiting for another contract that makes the same."""
        for seconds in WAITS_FOR_ANOTHER:
            try:
                return self._opened_intent(step, sends)
            except ConflictError as error:
                if error.code != "customer_being_made":
                    raise
            self.wait(seconds)
        return self._opened_intent(step, sends)

    def _require_only_maker(self, transaction: Transaction, step: Step, known: Mapping[str, Link]) -> None:
        """Check that no other contract makes, or has made, the customer that this one is to make.

        Nothing in Stripe keeps two customers of one account apart, other than products, prices, coupons and
        meters, which have names of their own.
        """
        if step.action is not StepAction.CREATE_CUSTOMER:
            return
        if step.key in known:
            raise ConflictError(
                "Another contract of the account made its customer meanwhile.",
                code="customer_made_meanwhile",
                fix="Nothing to do: the contract is planned anew with that customer.",
            )
        if intents.is_open_elsewhere(
            transaction,
            connection_id=self.opened.connection_id,
            root_id=self.lane.root_id,
            step_key=step.key,
        ):
            raise ConflictError(
                "Another contract of the account is making its customer; how that ended is not known yet.",
                code="customer_being_made",
                fix="Nothing to do: it is tried again by itself when the other contract has gone on.",
            )

    def _opened_intent(self, step: Step, sends: BillingObject | None) -> Intent | None:
        """Return the committed intent of a step, None when its link already stands."""
        with self.store.write() as transaction:
            lanes.require(transaction, self.lane)
            known = links.load(
                transaction, connection_id=self.opened.connection_id, keys=[step.key, *refs_of(step)]
            )
            present = known.get(step.key)
            if present is not None and stands(present, step):
                return None
            self._require_only_maker(transaction, step, known)
            if step.action is StepAction.CANCEL_SCHEDULE:
                self._require_room_to_cancel(transaction, step)
            return intents.open_intent(
                transaction,
                connection_id=self.opened.connection_id,
                namespace=self.opened.namespace,
                content=self._content(step, known, sends),
                at=self.clock.now(),
            )

    def _require_room_to_cancel(self, transaction: Transaction, step: Step) -> None:
        """Check the cap again where the call begins: other contracts were planned at the same time."""
        cap = self.opened.configuration.caps.cancels_per_hour
        count = intents.cancels_since(
            transaction,
            connection_id=self.opened.connection_id,
            since=self.clock.now() - intents.CANCELS_COUNT_FOR,
        )
        if count >= cap and CAP_CANCELS not in self.released:
            raise RecordError(
                f"A subscription schedule was to be cancelled ({step.summary}), and {count} were within the "
                f"last hour; the cap is {cap} an hour.",
                code=CAP_CANCELS,
                record_id=self.lane.root_id,
                fix="Check that so many terminations are meant, then release the order; or raise "
                "`caps.cancels_per_hour`.",
            )

    def _look_for(self, intent: Intent, now: datetime) -> Mapping[str, Any] | None:
        """Return what the call made or changed, None where there is no trace of it."""
        content = intent.content
        if content.action is StepAction.UPDATE_SCHEDULE and content.sends is not None and content.target:
            standing = self.opened.stripe.schedule_standing(content.target)
            stands = what_was_touched(content.sends, standing, at=now) is None
            return {"id": content.target} if stands else None
        sent = SentCall(
            action=content.action,
            parameters=content.parameters,
            target=content.target,
            sent_at=intent.created_at,
        )
        made = self.opened.stripe.find_made(sent)
        if made is not None and content.action in _NOT_ADOPTED and not is_what_was_wanted(content, made):
            # Somebody else's under the same key: the next try is refused with what to do about it.
            return None
        return made

    def _content(self, step: Step, known: Mapping[str, Link], sends: BillingObject | None) -> NewIntent:
        parameters = json_form(filled_in(step.parameters, known))
        return NewIntent(
            root_id=self.lane.root_id,
            step_key=step.key,
            action=step.action,
            fingerprint=step.fingerprint,
            target=cast("str | None", filled_in(step.target, known)),
            parameters=cast("Mapping[str, object]", parameters),
            expected_total_minor=step.expected_total_minor,
            sends=sends,
        )

    def _carry_out(self, intent: Intent) -> bool:
        """Make the call and record its outcome; return False where it came to nothing and needs a new key."""
        content = intent.content
        try:
            self._require_planned_total(content)
            made = self.opened.stripe.perform(
                content.action,
                content.parameters,
                target=content.target,
                idempotency_key=intent.idempotency_key,
            )
        except RecordError as error:
            if error.code == ALREADY_EXISTS:
                self._adopt(intent, error)
                return True
            self._give_up(intent, error.message)
            if error.code == GONE:
                raise self._forgotten(error) from error
            if content.action is StepAction.CREATE_CREDIT_NOTE:
                raise _credit_refused(content, error) from error
            if content.action is StepAction.ADD_INVOICE_LINES:
                self._require_open_invoice(content, error)
            raise
        except OutcomeUnknownError as error:
            if error.code != REPEATED_ERROR:
                raise
            # The call has ended, so that a list shows what it made, if anything.
            found = self._look_for(intent, self.clock.now())
            if found is None:
                self._give_up(intent, error.message)
                return False
            made = found
        self.boundary(f"answer {content.step_key}")
        self._finish(intent, made)
        self.boundary(f"outcome {content.step_key}")
        return True

    def _require_open_invoice(self, content: NewIntent, error: RecordError) -> None:
        """Let go of an invoice that Stripe finalised empty while we were away, so that another is made.

        A draft of one-time lines advances by itself after an hour (decision 0006). An empty one bills
        nothing and stays in Stripe as it is.

        Raises:
            ConflictError: that is why its lines were refused; code `invoice_closed_empty`.
        """
        target = content.target or ""
        invoice = self.opened.stripe.find_shown(target)
        lines = (invoice or {}).get("lines") or {}
        if invoice is None or invoice.get("status") in {None, "draft"} or lines.get("data"):
            return
        with self.store.write() as transaction:
            lanes.require(transaction, self.lane)
            links.drop(transaction, connection_id=self.opened.connection_id, stripe_id=target)
        raise ConflictError(
            f"Invoice {target} became final before its lines were added.",
            code="invoice_closed_empty",
            fix="Nothing to do: the lines are billed on another invoice; the empty one bills nothing.",
        ) from error

    def _require_planned_total(self, content: NewIntent) -> None:
        """Compare a draft with the plan before it is finalised; what is final already is left as it is."""
        expected, target = content.expected_total_minor, content.target
        compares = (
            content.action is StepAction.FINALIZE_INVOICE and FIRST_INVOICE_DIFFERS not in self.released
        )
        if not compares or expected is None or target is None:
            return
        invoice = self.opened.stripe.find_shown(target)
        if invoice is None or invoice.get("status") != "draft":
            return
        actual = invoice_total_minor(invoice)
        if actual != expected:
            raise RecordError(
                f"Invoice {target} was planned to be {expected} minor units before tax, but its draft in "
                f"Stripe is one of {actual}.",
                code=FIRST_INVOICE_DIFFERS,
                fix="Correct or delete the draft in Stripe, or release "
                f"{FIRST_INVOICE_DIFFERS} when it is right; then sync again.",
            )

    def _adopt(self, intent: Intent, error: RecordError) -> None:
        content = intent.content
        found = self.opened.stripe.find_taken(content.action, content.parameters)
        if found is None or not is_what_was_wanted(content, found):
            self._give_up(intent, error.message)
            raise RecordError(
                f"{error.message} It is not the one this record needs.",
                code=REFUSED,
                record_id=error.record_id,
                fix=_NOT_ADOPTED[content.action],
                request_link=error.request_link,
            )
        # Where more differs than may, an empty fingerprint makes the next plan bring it up to date.
        same = content.action is not StepAction.CREATE_PRODUCT or holds_all(found, content.parameters)
        self._finish(intent, found, fingerprint=content.fingerprint if same else "")

    def _forgotten(self, error: RecordError) -> RecordError:
        """Drop the link to what Stripe does not have any more, so that a person can replace it."""
        with self.store.write() as transaction:
            lanes.require(transaction, self.lane)
            links.forget(
                transaction,
                connection_id=self.opened.connection_id,
                stripe_ids=_QUOTED.findall(error.message),
            )
        field = OurFields(self.opened.configuration.mapping.salesforce_prefix).stripe_id
        fix = (
            "It was deleted in Stripe, or this account never had it. Clear "
            f"{field} on the account, product or price book entry that shows it, or put the right id there, "
            "then sync again."
        )
        if _NO_COUPON in error.message.lower():
            fix = "It was deleted in Stripe. Sync again: it is made anew."
        return RecordError(
            error.message, code=REFUSED, field=error.field, fix=fix, request_link=error.request_link
        )

    def _finish(self, intent: Intent, made: Mapping[str, Any], *, fingerprint: str | None = None) -> None:
        content = intent.content
        stripe_id = str(made["id"])
        link = Link(
            key=content.step_key,
            stripe_id=stripe_id,
            fingerprint=content.fingerprint if fingerprint is None else fingerprint,
        )
        now = self.clock.now()
        with self.store.write() as transaction:
            lanes.require(transaction, self.lane)
            intents.finish(
                transaction,
                intent_id=intent.intent_id,
                stripe_id=stripe_id,
                doubt=invoice_doubt(content, made),
                at=now,
            )
            links.save(transaction, connection_id=self.opened.connection_id, link=link, at=now)
            if content.sends is not None:
                objects.save(
                    transaction,
                    connection_id=self.opened.connection_id,
                    root_id=content.root_id,
                    sent=content.sends,
                    at=now,
                )


def _credit_refused(content: NewIntent, error: RecordError) -> RecordError:
    invoice_id = content.parameters["invoice"]
    return RecordError(
        f"Invoice {invoice_id} was to be credited, and Stripe refused: {error.message}",
        code=CREDIT_REFUSED,
        fix=f"Look at invoice {invoice_id} in Stripe, then sync again: what it can no longer carry is "
        "credited on other invoices of the contract, or to the customer's balance.",
        request_link=error.request_link,
    )


def stands(present: Link, step: Step) -> bool:
    """Return whether a link shows that the step was carried out, on the object it names if it names one."""
    same_object = not isinstance(step.target, str) or step.target == present.stripe_id
    return present.fingerprint == step.fingerprint and same_object


def is_overtaken(intent: Intent, now: datetime) -> bool:
    """Return whether a call on a schedule would do something else now than when it was decided.

    A schedule that was to begin later has begun by now; or, for one that is changed or ended, a day or one of
    its phases has.
    """
    content, decided_at = intent.content, intent.created_at
    if content.action is StepAction.CREATE_SCHEDULE:
        begins = content.parameters.get("start_date")
        return isinstance(begins, int) and decided_at.timestamp() < begins <= now.timestamp()
    if content.action not in _ON_SCHEDULE:
        return False
    phases = cast("Sequence[Mapping[str, object]]", content.parameters.get("phases") or ())
    instants = [phase.get(name) for phase in phases for name in ("start_date", "end_date")]
    passed = any(
        isinstance(instant, int) and decided_at.timestamp() < instant <= now.timestamp()
        for instant in instants
    )
    return passed or decided_at.date() != now.date()
