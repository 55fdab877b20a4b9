"""A mapping tried on one order: what Stripe would be sent if nothing were there yet. Nothing is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from cpqbridge.domain.billing import BillingState, Plan, Step, StepAction
from cpqbridge.domain.order import Order, OrderHistory
from cpqbridge.domain.refusal import OrderState, Refusal
from cpqbridge.mapping.configuration import Configuration
from cpqbridge.mapping.paths import follow_any_case
from cpqbridge.mapping.raw import RawContract, RawRecord
from cpqbridge.mapping.records import record_id_at
from cpqbridge.mapping.rules import SourcePath
from cpqbridge.mapping.targets import METADATA
from cpqbridge.planning.plan import plan_contract
from cpqbridge.planning.tracks import is_evergreen
from cpqbridge.sync.documents import plain
from cpqbridge.sync.found_order import found_order
from cpqbridge.sync.ports import OpenConnection

_ACTIONS: Mapping[str, tuple[StepAction, ...]] = {
    "customer": (StepAction.CREATE_CUSTOMER, StepAction.UPDATE_CUSTOMER),
    "product": (StepAction.CREATE_PRODUCT, StepAction.UPDATE_PRODUCT),
    "price": (StepAction.CREATE_PRICE,),
    "coupon": (StepAction.CREATE_COUPON,),
    "subscription_schedule": (StepAction.CREATE_SCHEDULE,),
    "subscription": (StepAction.CREATE_SCHEDULE,),
    "phase": (StepAction.CREATE_SCHEDULE,),
    "phase_item": (StepAction.CREATE_SCHEDULE,),
    "invoice": (StepAction.CREATE_INVOICE,),
}
_TRIAL_END = "trial_end"
_SETTINGS = "default_settings"
_DAYS = "days_until_due"


@dataclass(frozen=True, slots=True, kw_only=True)
class SentObject:
    """One Stripe object as it would be sent: `title` says which, `body` is the part that the object is.

    `item_ids` are order lines it stands for, where it stands for lines.
    """

    title: str
    body: Mapping[str, Any]
    item_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What an order makes of a mapping.

    Attributes:
        order_id: The order that was asked for.
        order_number: Its number.
        objects: What would be sent, by Stripe object, empty where the order makes none.
        refusals: Why the order would not be synced.
        warnings: What would be cut or left out.
        raw: The records of the order's contract.
        order: The order as it was understood, None where the contract does not have it.
    """

    order_id: str
    order_number: str
    objects: Mapping[str, tuple[SentObject, ...]]
    refusals: tuple[Refusal, ...]
    warnings: tuple[str, ...]
    raw: RawContract
    order: Order | None = None

    def sent(self, stripe_object: str, parameter: str, *, sample: int = 0) -> object:
        """Return the value that Stripe would be sent for a parameter, None where it is sent nothing."""
        if parameter == _TRIAL_END and self.order is not None:
            ends_on = self.order.trial_ends_on
            return ends_on.isoformat() if ends_on else None
        objects = self.objects.get(stripe_object, ())
        if not objects:
            return None
        value: object = objects[min(sample, len(objects) - 1)].body
        for part in _parts(parameter):
            value = value.get(part) if isinstance(value, Mapping) else None
        return value

    def read(self, source: SourcePath, stripe_object: str, *, sample: int = 0) -> object:
        """Return the value that stands at the end of a path in Salesforce, None where it is empty."""
        if source.object_name == "Order":
            record = _record(self.raw.orders, self.order_id)
        else:
            objects = self.objects.get(stripe_object, ())
            item_ids = objects[min(sample, len(objects) - 1)].item_ids if objects else ()
            own = [each for each in self.raw.items if record_id_at(each, "OrderId") == self.order_id]
            record = _record(self.raw.items, item_ids[0]) if item_ids else next(iter(own), {})
        return follow_any_case(record, source.steps)


def try_mapping(opened: OpenConnection, order: str, configuration: Configuration, *, now: datetime) -> Trial:
    """Return what the order (id or number, drafts too) makes of a configuration that need not be saved.

    Raises:
        ConfigurationError: there is no such order.
        CpqbridgeError: Salesforce does not answer.
    """
    salesforce = opened.salesforce.drafted(configuration)
    notice = found_order(opened, order)
    raw = salesforce.read_contract(notice)
    history = _as_new(salesforce.history(raw))
    plan = _planned(history, configuration, notice.order_id, now)
    outcome = next((each for each in plan.outcomes if each.order_id == notice.order_id), None)
    return Trial(
        order_id=notice.order_id,
        order_number=notice.order_number,
        objects={name: tuple(_objects(name, plan, raw)) for name in _ACTIONS},
        refusals=outcome.refusals if outcome else (),
        warnings=plan.warnings,
        raw=raw,
        order=next((each for each in history.orders if each.order_id == notice.order_id), None),
    )


def _as_new(history: OrderHistory) -> OrderHistory:
    """Return the history as if no record showed anything of Stripe's yet."""
    products = {
        product_id: replace(product, displayed_product_id=None)
        for product_id, product in history.products.items()
    }
    orders = tuple(replace(order, displayed_stripe_id=None) for order in history.orders)
    account = replace(history.account, displayed_customer_id=None)
    return replace(history, account=account, orders=orders, products=products)


def _planned(history: OrderHistory, configuration: Configuration, order_id: str, now: datetime) -> Plan:
    """Return the plan from nothing; what a person would be asked about is taken as released."""

    def plan(released: frozenset[str]) -> Plan:
        return plan_contract(
            history,
            BillingState(),
            configuration,
            as_of=now,
            released=released,
            preview_order_id=order_id,
        )

    first = plan(frozenset())
    held = frozenset(
        refusal.code
        for outcome in first.outcomes
        if outcome.state is OrderState.HELD
        for refusal in outcome.refusals
    )
    return plan(held) if held else first


def _objects(stripe_object: str, plan: Plan, raw: RawContract) -> Iterator[SentObject]:
    for step in plan.steps:
        if step.action not in _ACTIONS[stripe_object]:
            continue
        body = plain(step.parameters)
        match stripe_object:
            case "product" | "price":
                yield SentObject(title=step.summary, body=body, item_ids=_items_of(step, raw))
            case "subscription_schedule" if not is_evergreen(step.key):
                yield SentObject(title=step.summary, body=body)
            case "subscription" if is_evergreen(step.key):
                yield SentObject(title=step.summary, body=_as_subscription(body))
            case "phase":
                yield from _phases(body)
            case "phase_item":
                yield from _phase_items(body)
            case "customer" | "coupon" | "invoice":
                yield SentObject(title=step.summary, body=body)


def _as_subscription(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the schedule of evergreen lines gives its subscription, as the subscription calls it."""
    settings = dict(body[_SETTINGS])
    days = settings.pop("invoice_settings", {}).get(_DAYS)
    found = {**settings, "items": body["phases"][0]["items"], "metadata": body["phases"][0]["metadata"]}
    return found if days is None else {**found, _DAYS: days}


def _phases(body: Mapping[str, Any]) -> Iterator[SentObject]:
    for place, phase in enumerate(body["phases"], start=1):
        yield SentObject(title=f"Phase {place} of {len(body['phases'])}", body=phase)


def _phase_items(body: Mapping[str, Any]) -> Iterator[SentObject]:
    """Yield each item once: later phases say the same of the same order lines."""
    seen = set()
    for phase in body["phases"]:
        for item in phase["items"]:
            lines = str(item["metadata"].get("salesforce_order_item_id", ""))
            if lines and lines not in seen:
                seen.add(lines)
                yield SentObject(
                    title=f"Item of order line {lines}", body=item, item_ids=tuple(lines.split(","))
                )


def _items_of(step: Step, raw: RawContract) -> tuple[str, ...]:
    """Return the order lines whose product, price book entry or own id a step's key names."""
    named = set(step.key.split(":"))
    fields = ("Id", "Product2Id") if step.action in _ACTIONS["product"] else ("Id", "PricebookEntryId")
    return tuple(
        item_id
        for item in raw.items
        if (item_id := record_id_at(item, "Id")) and any(record_id_at(item, each) in named for each in fields)
    )


def _parts(parameter: str) -> Sequence[str]:
    return parameter.split(".", 1) if parameter.startswith(METADATA) else parameter.split(".")


def _record(records: Sequence[RawRecord], record_id: str) -> RawRecord:
    return next((each for each in records if record_id_at(each, "Id") == record_id), {})
