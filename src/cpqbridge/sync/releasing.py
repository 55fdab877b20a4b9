"""Several held contracts let through at once: what each would bill first, then exactly that."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cpqbridge.domain.billing import Plan
from cpqbridge.domain.money import major_text
from cpqbridge.domain.refusal import OrderState, Refusal
from cpqbridge.errors import ConfigurationError, CpqbridgeError
from cpqbridge.store import audit, connections, inbox
from cpqbridge.store.audit import AuditEntry
from cpqbridge.store.inbox import CausedOrder
from cpqbridge.sync.allowance import Purpose
from cpqbridge.sync.durable import partition_of
from cpqbridge.sync.order_actions import Asked, OrderActions
from cpqbridge.sync.releases import TAKEOVER, released_codes
from cpqbridge.sync.task import Task

if TYPE_CHECKING:
    from cpqbridge.sync.service import SyncService

SHOWN_AT_MOST = 20
"""How many contracts one page shows: each is read from both sides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a release comes to: how much of what was sold is billed at once and how much later.

    In minor units of `currency`, credits negative; `calls` is how many calls to Stripe it takes.
    """

    currency: str
    sold_minor: int
    at_once_minor: int
    later_minor: int
    calls: int

    def text(self, amount_minor: int) -> str:
        """Return an amount in major units."""
        return major_text(amount_minor, self.currency) if self.currency else "0"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRelease:
    """One contract with the order that is held. `mark` names its plan; it is empty where none can be made.

    `left` is what stops orders of the contract all the same, `problem` why no plan could be made.
    """

    order: CausedOrder
    effect: Effect
    left: tuple[Refusal, ...] = ()
    mark: str = ""
    problem: str = ""

    @property
    def does_something(self) -> bool:
        """Return whether anything would be done."""
        return bool(self.mark) and self.effect.calls > 0


class Releasing:
    """Shows and carries out the release of several held contracts."""

    def __init__(self, service: SyncService) -> None:
        """Work with the service's connections."""
        self._service = service
        self._store = service.store

    def planned(self, name: str | None, cause: str, order_ids: Collection[str]) -> tuple[PlannedRelease, ...]:
        """Return what the release of these orders would do, a contract each; nothing is written.

        Args:
            name: the connection.
            cause: under which the orders are held.
            order_ids: which of them; the first `SHOWN_AT_MOST` contracts are planned.

        Raises:
            ConfigurationError: there is no such connection, or the cause takes a decision for each order.
        """
        return tuple(self._planned(each) for each in self._chosen(name, cause, order_ids))

    def carry_out(self, name: str | None, cause: str, marks: Mapping[str, str]) -> int:
        """Queue the release of orders by id, each with the mark of the plan that was shown; return how many.

        A contract whose plan is another one by then is left as it is: it stays held.

        Raises:
            ConfigurationError: there is no such connection, or nothing to release.
            PausedError: the connection is paused.
        """
        chosen = [each for each in self._chosen(name, cause, marks) if marks[each.order_id]]
        if not chosen:
            raise ConfigurationError(
                "None of these orders is held for this any more.",
                code="nothing_to_release",
                fix="Nothing to do: look at the inbox for what is left.",
            )
        with self._store.read() as transaction:
            connection = connections.find(transaction, name)
        connection_id = connection.connection_id
        self._service.gate.require_open(connection_id)
        code = chosen[0].code
        with self._store.write() as transaction:
            for each in chosen:
                entry = AuditEntry(
                    connection_id=connection_id,
                    at=self._service.clock.now(),
                    action="order_released",
                    subject=each.order_number,
                    detail={"order_id": each.order_id, "released": [code], "several": len(chosen)},
                )
                audit.record(transaction, entry)
        for each in chosen:
            self._queue(connection_id, each, code, marks[each.order_id])
        return len(chosen)

    def _queue(self, connection_id: int, order: CausedOrder, code: str, mark: str) -> None:
        opened = self._service.open_id(connection_id)
        notice = opened.salesforce.find_order(order.order_id)
        if notice is None:
            return
        task = Task(
            connection_id=connection_id,
            notice=notice,
            released=frozenset({code}),
            purpose=Purpose.PERSON,
            expects=mark,
        )
        document = task.as_document()
        # One that waits already knows nothing of the release, so this one goes behind it.
        self._service.engine().enqueue(document, root_id=task.root_id, partition=partition_of(document))

    def _chosen(self, name: str | None, cause: str, order_ids: Collection[str]) -> tuple[CausedOrder, ...]:
        with self._store.read() as transaction:
            connection = connections.find(transaction, name)
            found = inbox.orders_of(transaction, connection_id=connection.connection_id, cause=cause)
        chosen = {each.root_id: each for each in reversed(found) if each.order_id in order_ids}
        codes = {each.code for each in chosen.values()}
        if TAKEOVER in codes:
            raise ConfigurationError(
                "A take-over needs its own first day for each contract.",
                code="released_alone",
                fix="Open each order and release it there.",
            )
        released_codes(codes)
        ordered = sorted(chosen.values(), key=lambda each: (each.updated_at, each.order_number))
        return tuple(ordered[:SHOWN_AT_MOST])

    def _planned(self, order: CausedOrder) -> PlannedRelease:
        asked = Asked(released=frozenset({order.code}))
        try:
            look = OrderActions(self._service).look(order.order_id, asked)
        except CpqbridgeError as error:
            nothing = Effect(currency="", sold_minor=0, at_once_minor=0, later_minor=0, calls=0)
            return PlannedRelease(order=order, effect=nothing, problem=str(error))
        return PlannedRelease(order=order, effect=_effect(look.plan), left=_left(look.plan), mark=look.mark)


def _effect(plan: Plan) -> Effect:
    """Return what the orders that would be billed anew come to."""
    now = plan.executed_at
    fresh = {each.order_id for each in plan.outcomes if each.state is OrderState.SYNCED}
    own = {each.order_item_id: each for each in plan.proof if each.order_id in fresh}
    at_once, later = (
        sum(
            amount
            for invoice in plan.forecast
            if (invoice.at <= now) is is_past
            for line in invoice.lines
            for order_item_id, amount in line.shares
            if order_item_id in own
        )
        for is_past in (True, False)
    )
    return Effect(
        currency=next((each.currency for each in own.values()), ""),
        sold_minor=sum(each.sold_minor for each in own.values()),
        at_once_minor=at_once,
        later_minor=later,
        calls=len(plan.steps),
    )


def _left(plan: Plan) -> tuple[Refusal, ...]:
    stopping = (OrderState.HELD, OrderState.REFUSED)
    return tuple(
        refusal
        for outcome in plan.outcomes
        if outcome.state in stopping
        for refusal in outcome.refusals
        if refusal.state in stopping
    )
