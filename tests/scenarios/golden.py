"""Golden scenarios on disk: folders of `story.md`, `orders.json` and `plan.json`.

`orders.json` holds the records of a contract and the instants at which it is synced. Each sync is carried out
on a simulated Stripe account, and time runs to the end of all service, so that a folder tells a whole life.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache, cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

from tests.simulation import in_process

from cpqbridge.domain.billing import Plan
from cpqbridge.domain.money import major_text
from cpqbridge.domain.order import OrderHistory
from cpqbridge.mapping.configuration import Configuration, parse_configuration
from cpqbridge.mapping.history import order_history
from cpqbridge.mapping.raw import RawContract, RawRecord
from cpqbridge.planning.plan import plan_contract
from cpqbridge.sync.documents import instant_text, plain, plan_document
from cpqbridge_sim.stripe.account import Account

FOLDER = Path(__file__).parent
WIDTH = 110
UNTIL_FINAL = timedelta(days=3)
_BILL = re.compile(r"^- \d{4}-.*$", re.MULTILINE)
_DRAWN = re.compile(r"\b(?:in|il)_1S\w+")
_DRAFT = {"Status": "Draft", "StatusCode": "Draft", "ActivatedDate": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sync:
    """One sync. Orders activated after it are not there yet, those in `drafts` are there as drafts.

    `records` are fields that were different then, by record id; `passing` are the filters that the connection
    had then, by setting, and what met them; `paid` says that the customer paid every open invoice before it;
    `calls` after how many calls the machine stopped, None for a sync that came to its end.
    """

    at: datetime
    released: frozenset[str] = frozenset()
    drafts: frozenset[str] = frozenset()
    records: Mapping[str, RawRecord] = field(default_factory=dict)
    passing: Mapping[str, frozenset[str]] = field(default_factory=dict)
    paid: bool = False
    calls: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What the customer used of a metered product by an instant, reported under the product's event name."""

    at: datetime
    product_id: str
    quantity: str


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One folder, read. `order_id` is the order the document is about, `preview` plans it as if activated."""

    folder: Path
    raw: RawContract
    configuration: Configuration
    syncs: tuple[Sync, ...]
    order_id: str
    preview: bool
    cutover: date | None
    multiplier_decimals: int | None
    usage: tuple[Usage, ...] = ()

    def history(self, sync: Sync) -> OrderHistory:
        """Return the contract as it is read at a sync."""
        then = [record | sync.records.get(record["Id"], {}) for record in self.raw.orders]
        orders = tuple(
            record | (_DRAFT if record["Id"] in sync.drafts else {})
            for record in then
            if record["Id"] in sync.drafts or _activated_by(record, sync.at)
        )
        known = {record["Id"] for record in orders}
        items = tuple(
            item | sync.records.get(item["Id"], {}) for item in self.raw.items if item["OrderId"] in known
        )
        return order_history(
            replace(self.raw, orders=orders, items=items, passing=sync.passing),
            self.configuration,
            multiplier_decimals=self.multiplier_decimals,
        )

    @cached_property
    def lived(self) -> Lived:
        """Return the contract after its last day."""
        return _lived(self)

    def document(self) -> dict[str, Any]:
        """Return what `order preview --json` prints at the last sync, and all plans carried out beside it."""
        document = plan_document(self.lived.told, order_id=self.order_id)
        document["orders"] = _orders(self.lived.told)
        earlier = [_carried_out(plan) for plan in self.lived.earlier]
        later = [_carried_out(plan) for plan in self.lived.later if plan.steps]
        whole = document | ({"earlier": earlier} if earlier else {}) | ({"later": later} if later else {})
        return _renamed(whole, self.lived.names())

    def sold(self) -> dict[str, Decimal]:
        """Return `TotalPrice` by order item id, from the raw records."""
        return {str(item["Id"]): Decimal(str(item["TotalPrice"])) for item in self.raw.items}

    def metered(self) -> set[str]:
        """Return the ids of order items that are billed by usage, which no plan knows before."""
        return {str(item["Id"]) for item in self.raw.items if item["SBQQ__BillingType__c"] == "Arrears"}

    def accepted(self) -> dict[str, Any]:
        return read_json(self.folder / "plan.json")

    def story(self) -> str:
        return (self.folder / "story.md").read_text(encoding="utf-8")


@dataclass(frozen=True, kw_only=True)
class Lived:
    """A scenario after the end of all service: `told` is the plan of its last sync.

    `earlier` are the plans before it, `later` those that timers made after it; `again` are the plans of a
    second sync at the instant of each.
    """

    account: Account
    told: Plan
    earlier: tuple[Plan, ...]
    later: tuple[Plan, ...]
    again: tuple[Plan, ...]

    @property
    def last(self) -> Plan:
        return (self.told, *self.later)[-1]

    def names(self) -> dict[str, str]:
        """Return what invoices and their lines are called in a document, by the ids the account drew.

        An invoice is named by its day and a line by its place, since both say more than a drawn id, and an id
        depends on everything else the account ever drew.
        """
        names: dict[str, str] = {}
        on: Counter[str] = Counter()
        for invoice in in_process.invoices_of(self.account):
            day = in_process.day_of(invoice)
            on[day] += 1
            name = day if on[day] == 1 else f"{day}-{on[day]}"
            names[invoice["id"]] = f"in_{name}"
            for place, line in enumerate(invoice["all_lines"], 1):
                names[line["id"]] = f"il_{name}_{place}"
        return names


class _RecordedLife(in_process.Life):
    """A life that keeps all its plans."""

    def __init__(self, scenario: Scenario, account: Account) -> None:
        super().__init__(
            account,
            scenario.configuration,
            cutover=scenario.cutover,
            preview_order_id=scenario.order_id if scenario.preview else None,
        )
        self.plans: list[Plan] = []
        self.again: list[Plan] = []

    def sync(self, history: OrderHistory, instant: datetime, released=frozenset()) -> Plan:
        plan = super().sync(history, instant, released)
        self.plans.append(plan)
        self.again.append(super().sync(history, instant, released))
        self.plan = plan
        return plan

    def interrupted(self, history: OrderHistory, sync: Sync) -> None:
        """Carry out only the first calls of a plan."""
        plan = plan_contract(
            history,
            self.state,
            self.configuration,
            as_of=sync.at,
            released=self.released | sync.released,
            **self.options,
        )
        done = replace(plan, steps=plan.steps[: sync.calls])
        self.state = in_process.carry_out(done, self.account, self.state)
        self.plans.append(done)


def _lived(scenario: Scenario) -> Lived:
    life = _RecordedLife(scenario, Account(now=scenario.syncs[0].at))
    used = list(scenario.usage)
    for sync in scenario.syncs:
        while used and used[0].at <= sync.at:
            _report(life, scenario, used.pop(0))
        life.run_until(sync.at)
        if sync.paid:
            _pay(life.account)
        before = len(life.plans)
        if sync.calls is None:
            life.sync(scenario.history(sync), sync.at, sync.released)
        else:
            life.interrupted(scenario.history(sync), sync)
    for usage in used:
        _report(life, scenario, usage)
    ends = [phase.ends_at for wanted in life.plans[-1].objects for phase in wanted.phases]
    life.run_until(max([*ends, life.account.now]) + UNTIL_FINAL)
    return Lived(
        account=life.account,
        told=life.plans[before],
        earlier=tuple(life.plans[:before]),
        later=tuple(life.plans[before + 1 :]),
        again=tuple(life.again),
    )


def _report(life: _RecordedLife, scenario: Scenario, usage: Usage) -> None:
    life.run_until(usage.at)
    customer = life.state.links[f"customer:{scenario.history(scenario.syncs[0]).account.account_id}"]
    event = {
        "event_name": f"cpqbridge_{usage.product_id}",
        "payload": {"stripe_customer_id": customer.stripe_id, "value": usage.quantity},
        "timestamp": int(usage.at.timestamp()),
    }
    status, body = life.account.request("POST", "/v1/billing/meter_events", event)
    assert status == 200, body


def _pay(account: Account) -> None:
    for invoice in in_process.listed(account, "/v1/invoices", status="open"):
        path = f"/v1/invoices/{invoice['id']}/pay"
        status, body = account.request("POST", path, {"paid_out_of_band": "true"})
        assert status == 200, body


def _activated_by(record: RawRecord, instant: datetime) -> bool:
    """Return whether an order was activated by then; one that never was is a draft all the time."""
    activated = record.get("ActivatedDate")
    return activated is None or datetime.fromisoformat(str(activated)) <= instant


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    """Return a document in which what the account drew at random has a name that stays."""
    if isinstance(value, dict):
        return {key: _renamed(each, names) for key, each in value.items()}
    if isinstance(value, list):
        return [_renamed(each, names) for each in value]
    if isinstance(value, str):
        return _DRAWN.sub(lambda found: names.get(found[0], found[0]), value)
    return value


def _orders(plan: Plan) -> dict[str, list[str]]:
    return {
        outcome.order_id: [outcome.state.value, *(refusal.code for refusal in outcome.refusals)]
        for outcome in plan.outcomes
    }


def _carried_out(plan: Plan) -> dict[str, Any]:
    return {
        "executed_at": instant_text(plan.executed_at),
        "orders": _orders(plan),
        "steps": [
            {"key": step.key, "action": step.action.value, "parameters": plain(step.parameters)}
            for step in plan.steps
        ],
    }


def names() -> list[str]:
    return sorted(path.parent.name for path in FOLDER.glob("*/orders.json"))


@cache
def load(name: str) -> Scenario:
    """Return a scenario; it is read, and lived, once."""
    folder = FOLDER / name
    given = read_json(folder / "orders.json")
    activated = [order["Id"] for order in given["orders"]]
    cutover = given.get("cutover")
    return Scenario(
        folder=folder,
        raw=_contract(given),
        configuration=parse_configuration(given["configuration"]),
        syncs=tuple(_sync(each) for each in given["syncs"]),
        order_id=given.get("order_id", activated[-1]),
        preview=given.get("preview", False),
        cutover=date.fromisoformat(cutover) if cutover else None,
        multiplier_decimals=given.get("multiplier_decimals"),
        usage=tuple(
            Usage(
                at=datetime.fromisoformat(each["at"]),
                product_id=each["product_id"],
                quantity=each["quantity"],
            )
            for each in given.get("usage", ())
        ),
    )


def _contract(given: Mapping[str, Any]) -> RawContract:
    renewed = given.get("renewed")
    return RawContract(
        root_id=given["root_id"],
        contract=given["contract"],
        orders=tuple(given["orders"]),
        items=tuple(given["items"]),
        extra={key: tuple(records) for key, records in given.get("extra", {}).items()},
        org_url=given.get("org_url", ""),
        renewed=_contract(renewed) if renewed else None,
    )


def _sync(given: Mapping[str, Any]) -> Sync:
    return Sync(
        at=datetime.fromisoformat(given["at"]),
        released=frozenset(given.get("released", ())),
        drafts=frozenset(given.get("drafts", ())),
        records=given.get("records", {}),
        passing={setting: frozenset(ids) for setting, ids in given.get("passing", {}).items()},
        paid=given.get("paid", False),
        calls=given.get("calls"),
    )


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)


def bills(document: Mapping[str, Any]) -> list[str]:
    """Return the invoices and credits of a plan as a story tells them."""
    found = [(each["date"], each["kind"], each["total"]) for each in document["invoices"]]
    return told(found)


def made(account: Account) -> list[str]:
    """Return the invoices and credits that were really made, as a story tells them.

    The parts of a credit are one: a story says what is credited, not on how many invoices.
    """
    found = []
    credited: Counter[tuple[str, str]] = Counter()
    for invoice in in_process.invoices_of(account):
        if invoice["status"] not in ("void", "uncollectible"):
            total = sum(map(in_process.net_amount, invoice["all_lines"]))
            found.append((in_process.day_of(invoice), "invoice", major_text(total, invoice["currency"])))
    for credit in in_process.credits_of(account):
        credited[in_process.day_of(credit), credit["currency"]] -= abs(credit["amount"])
    found += [
        (day, "credit_note", major_text(total, currency)) for (day, currency), total in credited.items()
    ]
    return told(sorted(found))


def told(found: list[tuple[str, str, str]]) -> list[str]:
    """Return documents (day, kind, total) as bullets: equal ones in a row are one, zero ones are left out."""
    documents = sorted(
        (each for each in found if Decimal(each[2])),
        key=lambda each: (each[0], each[1] != "invoice", each[2]),
    )
    lines = []
    for (kind, total), group in groupby(documents, key=lambda each: each[1:]):
        dates = [day for day, *_ in group]
        span = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}, {len(dates)} invoices"
        lines.append(f"- {span}{', credit note' if kind == 'credit_note' else ''}: {total}")
    return lines


def told_bills(story: str) -> list[str]:
    """Return the bullets of a story that name invoices, without the reason after the amount."""
    return [bullet.partition(" (")[0].rstrip() for bullet in _BILL.findall(story)]


def readable(value: Any, indent: str = "") -> str:
    """Return JSON that people can review: what fits on a line stays on one, plain values are packed."""
    line = json.dumps(value, ensure_ascii=False, default=_digits)
    if len(indent) + len(line) <= WIDTH or not isinstance(value, (dict, list)) or not value:
        return line
    deeper = indent + "  "
    if isinstance(value, dict):
        parts = [
            f"{json.dumps(key, ensure_ascii=False)}: {readable(each, deeper)}" for key, each in value.items()
        ]
        return "{\n" + deeper + _packed(parts, deeper) + "\n" + indent + "}"
    return "[\n" + deeper + _packed([readable(each, deeper) for each in value], deeper) + "\n" + indent + "]"


def _digits(value: object) -> float:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"{value!r} cannot stand in a document")


def _packed(parts: list[str], indent: str) -> str:
    """Return parts joined by commas, several short ones to a line, each nested one on lines of its own."""
    lines: list[str] = []
    open_line = False
    for part in parts:
        short = "\n" not in part and not part.endswith(("}", "]"))
        if short and open_line and len(indent) + len(lines[-1]) + len(part) + 2 <= WIDTH:
            lines[-1] += f", {part}"
        else:
            lines.append(part)
        open_line = short
    return f",\n{indent}".join(lines)
