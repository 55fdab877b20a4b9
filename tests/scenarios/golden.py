"""Golden scenarios on disk: folders of `story.md`, `orders.json`, `existing.json` and `plan.json`."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any

from cpqbridge.domain.billing import BillingState, Link, Plan
from cpqbridge.domain.order import OrderHistory
from cpqbridge.mapping.configuration import Configuration, parse_configuration
from cpqbridge.mapping.history import order_history
from cpqbridge.mapping.raw import RawContract
from cpqbridge.planning.plan import plan_contract
from cpqbridge.sync.documents import plan_document

FOLDER = Path(__file__).parent
WIDTH = 110
_BILL = re.compile(r"^- \d{4}-.*$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One folder, read. `order_id` is the order the document is about, `preview` plans it as if activated."""

    folder: Path
    raw: RawContract
    configuration: Configuration
    as_of: datetime
    order_id: str
    preview: bool
    released: frozenset[str]
    multiplier_decimals: int | None
    state: BillingState

    def history(self) -> OrderHistory:
        return order_history(self.raw, self.configuration, multiplier_decimals=self.multiplier_decimals)

    def plan(self, state: BillingState | None = None) -> Plan:
        return plan_contract(
            self.history(),
            self.state if state is None else state,
            self.configuration,
            as_of=self.as_of,
            released=self.released,
            preview_order_id=self.order_id if self.preview else None,
        )

    def document(self) -> dict[str, Any]:
        """Return what `order preview --json` prints, and where the contract's other orders stand."""
        plan = self.plan()
        document = plan_document(plan, order_id=self.order_id)
        others = {
            outcome.order_id: [outcome.state.value, *(refusal.code for refusal in outcome.refusals)]
            for outcome in plan.outcomes
            if outcome.order_id != self.order_id
        }
        return document | {"other_orders": others} if others else document

    def sold(self) -> dict[str, Decimal]:
        """Return `TotalPrice` by order item id, from the raw records."""
        return {str(item["Id"]): Decimal(str(item["TotalPrice"])) for item in self.raw.items}

    def accepted(self) -> dict[str, Any]:
        return read_json(self.folder / "plan.json")

    def story(self) -> str:
        return (self.folder / "story.md").read_text(encoding="utf-8")


def names() -> list[str]:
    return sorted(path.parent.name for path in FOLDER.glob("*/orders.json"))


def load(name: str) -> Scenario:
    folder = FOLDER / name
    given = read_json(folder / "orders.json")
    existing = read_json(folder / "existing.json")
    return Scenario(
        folder=folder,
        raw=RawContract(
            root_id=given["root_id"],
            contract=given["contract"],
            orders=tuple(given["orders"]),
            items=tuple(given["items"]),
            extra={key: tuple(records) for key, records in given.get("extra", {}).items()},
            org_url=given.get("org_url", ""),
        ),
        configuration=parse_configuration(given["configuration"]),
        as_of=datetime.fromisoformat(given["as_of"]),
        order_id=given.get("order_id", given["orders"][0]["Id"]),
        preview=given.get("preview", False),
        released=frozenset(given.get("released", ())),
        multiplier_decimals=given.get("multiplier_decimals"),
        state=BillingState(
            links={
                key: Link(key=key, stripe_id=link["stripe_id"], fingerprint=link["fingerprint"])
                for key, link in existing.get("links", {}).items()
            },
            executed_at={
                order_id: datetime.fromisoformat(instant)
                for order_id, instant in existing.get("executed_at", {}).items()
            },
        ),
    )


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)


def bills(document: dict[str, Any]) -> list[str]:
    """Return the invoices as a story tells them: equal ones in a row are one bullet, zero ones left out."""
    found = [(each["date"], each["total"]) for each in document["invoices"] if Decimal(each["total"])]
    told = []
    for total, group in groupby(found, key=lambda each: each[1]):
        dates = [day for day, _ in group]
        span = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}, {len(dates)} invoices"
        told.append(f"- {span}: {total}")
    return told


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
