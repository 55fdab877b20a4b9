"""Carrying out one step: intent, call, outcome and link; and settling what an earlier run left open.

The intent is committed before the call with everything filled in, so that any later run can repeat exactly
this call under the same idempotency key. The outcome and the link are one transaction after it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from cpqbridge.clock import Clock
from cpqbridge.domain.billing import Link, Ref, Step, StepAction
from cpqbridge.domain.parameters import json_form
from cpqbridge.errors import InvariantError, RecordError
from cpqbridge.mapping.fields import OurFields
from cpqbridge.store import intents, lanes, links
from cpqbridge.store.database import Store
from cpqbridge.store.intents import Intent, NewIntent
from cpqbridge.store.lanes import Lane
from cpqbridge.stripe_billing.error_codes import ALREADY_EXISTS, GONE, REFUSED
from cpqbridge.sync.ports import OpenConnection

IDEMPOTENCY_KEY_LIFE = timedelta(hours=23)
"""How long an unsettled call is repeated under its key. Stripe keeps keys for at least 24 hours
(API reference, "Idempotent requests", as restated in the project's design notes, 20 Nov 2026)."""

_NOT_ADOPTED = {
    StepAction.CREATE_PRODUCT: "Look at that product in Stripe; make it active again there, then sync again.",
    StepAction.CREATE_PRICE: "Look at that price in Stripe; make it active again if cpqbridge made it, else "
    "take the lookup key off it; then sync again.",
}
_QUOTED = re.compile(r"'([^']+)'")

Boundary = Callable[[str], None]
"""Called with a name at every point where a crash would leave something half done."""


def no_boundary(_name: str) -> None:
    """Do nothing; a fault test hands in something that ends the process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Applier:
    """Carries out the steps of one contract while its lane is held."""

    store: Store
    opened: OpenConnection
    clock: Clock
    lane: Lane
    boundary: Boundary = no_boundary

    def apply(self, step: Step) -> None:
        """Carry out one step, or nothing when its link already stands with the same fingerprint.

        A first invoice that is not the planned one is kept with the intent (`intents.doubts`).

        Raises:
            RecordError: Stripe refused for good; nothing was made.
            CpqbridgeError: the call did not succeed; the intent stays open where its outcome is not known.
        """
        with self.store.write() as transaction:
            lanes.require(transaction, self.lane)
            known = links.load(
                transaction, connection_id=self.opened.connection_id, keys=[step.key, *refs_of(step)]
            )
            present = known.get(step.key)
            if present is not None and stands(present, step):
                return
            intent = intents.open_intent(
                transaction,
                connection_id=self.opened.connection_id,
                namespace=self.opened.namespace,
                content=self._content(step, known),
                at=self.clock.now(),
            )
        self.boundary(f"intent {step.key}")
        self._carry_out(intent)

    def settle(self, intent: Intent) -> None:
        """Find out what became of a call whose outcome is not known, by repeating or by looking.

        A refusal settles it too: nothing was made, and the next plan decides anew. A schedule whose start has
        passed since is never repeated: one that begins in the past without prorations gives its first period
        away.
        """
        now = self.clock.now()
        repeatable = now - intent.created_at < IDEMPOTENCY_KEY_LIFE and not start_has_passed(intent, now)
        if repeatable:
            try:
                self._carry_out(intent)
            except RecordError:
                return
            return
        content = intent.content
        made = self.opened.stripe.find_made(content.action, content.parameters, target=content.target)
        if made is not None:
            self._finish(intent, made)
            return
        with self.store.write() as transaction:
            lanes.require(transaction, self.lane)
            intents.fail(
                transaction,
                intent_id=intent.intent_id,
                error="outcome unknown, not to be repeated, and nothing found",
                at=now,
            )

    def _content(self, step: Step, known: Mapping[str, Link]) -> NewIntent:
        parameters = json_form(filled_in(step.parameters, known))
        return NewIntent(
            root_id=self.lane.root_id,
            step_key=step.key,
            action=step.action,
            fingerprint=step.fingerprint,
            target=cast("str | None", filled_in(step.target, known)),
            parameters=cast("Mapping[str, object]", parameters),
            expected_total_minor=step.expected_total_minor,
        )

    def _carry_out(self, intent: Intent) -> None:
        content = intent.content
        try:
            made = self.opened.stripe.perform(
                content.action,
                content.parameters,
                target=content.target,
                idempotency_key=intent.idempotency_key,
            )
        except RecordError as error:
            if error.code == ALREADY_EXISTS:
                self._adopt(intent, error)
                return
            self._record_refusal(intent, error)
            if error.code == GONE:
                raise self._forgotten(error) from error
            raise
        self.boundary(f"answer {content.step_key}")
        self._finish(intent, made)
        self.boundary(f"outcome {content.step_key}")

    def _adopt(self, intent: Intent, error: RecordError) -> None:
        content = intent.content
        found = self.opened.stripe.find_taken(content.action, content.parameters)
        if found is None or not is_ours(content, found):
            self._record_refusal(intent, error)
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
        return RecordError(
            error.message,
            code=REFUSED,
            field=error.field,
            fix="It was deleted in Stripe, or this account never had it. Clear "
            f"{field} on the account, product or price book entry that shows it, or put the right id there, "
            "then sync again.",
            request_link=error.request_link,
        )

    def _record_refusal(self, intent: Intent, error: RecordError) -> None:
        with self.store.write() as transaction:
            lanes.require(transaction, self.lane)
            intents.fail(transaction, intent_id=intent.intent_id, error=error.message, at=self.clock.now())

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


def stands(present: Link, step: Step) -> bool:
    """Return whether a link shows that the step was carried out, on the object it names if it names one."""
    same_object = not isinstance(step.target, str) or step.target == present.stripe_id
    return present.fingerprint == step.fingerprint and same_object


def start_has_passed(intent: Intent, now: datetime) -> bool:
    """Return whether the call makes a schedule that was to begin later when decided, and has begun by now."""
    start = intent.content.parameters.get("start_date")
    if intent.content.action is not StepAction.CREATE_SCHEDULE or not isinstance(start, int):
        return False
    return intent.created_at.timestamp() < start <= now.timestamp()


def filled_in(value: object, known: Mapping[str, Link]) -> object:
    """Return `value` with the Stripe id in the place of every `Ref`.

    Raises:
        InvariantError: a `Ref` names a link that does not exist; the plan's steps are out of order.
    """
    if isinstance(value, Ref):
        link = known.get(value.key)
        if link is None:
            raise InvariantError(
                f"The plan needs {value.key} before it is made.",
                code="plan_order",
                fix="This is a mistake of cpqbridge; report this text.",
            )
        return link.stripe_id
    if isinstance(value, Mapping):
        return {name: filled_in(inner, known) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [filled_in(inner, known) for inner in value]
    return value


def refs_of(step: Step) -> frozenset[str]:
    """Return the keys of the links a step needs."""
    return frozenset(_refs((step.parameters, step.target)))


def _refs(value: object) -> list[str]:
    if isinstance(value, Ref):
        return [value.key]
    if isinstance(value, Mapping):
        return [key for inner in value.values() for key in _refs(inner)]
    if isinstance(value, (list, tuple)):
        return [key for inner in value for key in _refs(inner)]
    return []


def is_ours(content: NewIntent, found: Mapping[str, Any]) -> bool:
    """Return whether an object found under our chosen id or lookup key is what the call would have made."""
    wanted = content.parameters
    if content.action is StepAction.CREATE_PRODUCT:
        return found.get("id") == wanted.get("id") and found.get("active") is not False
    if content.action is StepAction.CREATE_PRICE:
        recurring = cast("Mapping[str, object]", wanted.get("recurring") or {})
        found_recurring = found.get("recurring") or {}
        return (
            found.get("active") is not False
            and _id_of(found.get("product")) == wanted.get("product")
            and found.get("currency") == wanted.get("currency")
            and _number_text(found.get("unit_amount_decimal")) == _number_text(wanted["unit_amount_decimal"])
            and all(found_recurring.get(name) == value for name, value in recurring.items())
        )
    return False


def _id_of(value: Any) -> Any:
    return value.get("id") if isinstance(value, Mapping) else value


def _number_text(value: object) -> str:
    text = format(value, "f") if not isinstance(value, str) and value is not None else str(value)
    return text.rstrip("0").rstrip(".") if "." in text else text


def holds_all(found: Any, wanted: object) -> bool:
    """Return whether everything that `wanted` names stands in `found` like this; what else it has is left."""
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(
            holds_all(found.get(name), value) for name, value in wanted.items()
        )
    return bool(found == wanted)


def invoice_doubt(content: NewIntent, made: Mapping[str, Any]) -> str | None:
    """Return how the first invoice, where one was expected, differs from the plan, before tax (B6.3)."""
    expected = content.expected_total_minor
    if expected is None:
        return None
    invoice = made if content.action is StepAction.ADD_INVOICE_LINES else _first_invoice(made)
    actual = _total_minor(invoice) if invoice is not None else None
    if actual == expected or (actual is None and expected == 0):
        return None
    said = "no invoice" if actual is None else f"one of {actual}"
    return f"The first invoice was planned to be {expected} minor units before tax, but Stripe made {said}."


def _first_invoice(made: Mapping[str, Any]) -> Mapping[str, Any] | None:
    subscription = made.get("subscription")
    invoice = subscription.get("latest_invoice") if isinstance(subscription, Mapping) else None
    return invoice if isinstance(invoice, Mapping) else None


def _total_minor(invoice: Mapping[str, Any]) -> int | None:
    for name in ("total_excluding_tax", "subtotal", "total"):
        if isinstance(invoice.get(name), int):
            return int(invoice[name])
    return None
