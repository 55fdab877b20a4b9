"""What one run is asked to do, as plain JSON for the durable engine: it names a contract, no data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from cpqbridge.mapping.raw import OrderNotice
from cpqbridge.sync.allowance import Purpose


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Sync the contract of one order. `released` are codes of holds that a person released for this run.

    `cutover` is the first day that is billed here of a contract that is taken over (B1.8). `restores` are the
    keys of schedules to put back to what was sold, `cancels` the Stripe ids of schedules of ours that stand
    there beside those that are wanted; a person asked for both. `expects` is the mark of the plan that the
    person was shown (`cpqbridge.sync.plan_mark`); empty: any plan is carried out. `purpose` says for whom the
    org is called.
    """

    connection_id: int
    notice: OrderNotice
    released: frozenset[str] = frozenset()
    cutover: date | None = None
    restores: frozenset[str] = frozenset()
    cancels: frozenset[str] = frozenset()
    purpose: Purpose = Purpose.BACKGROUND
    expects: str = ""

    @property
    def root_id(self) -> str:
        """Return the contract's key: its original quote, the order itself where it has no quote."""
        return root_of(self.notice)

    def as_document(self) -> dict[str, Any]:
        """Return the task as JSON values."""
        notice = asdict(self.notice)
        activated_at = self.notice.activated_at
        notice["activated_at"] = activated_at.isoformat() if activated_at else None
        return {
            "connection_id": self.connection_id,
            "root_id": self.root_id,
            "notice": notice,
            "released": sorted(self.released),
            "cutover": self.cutover.isoformat() if self.cutover else None,
            "restores": sorted(self.restores),
            "cancels": sorted(self.cancels),
            "purpose": self.purpose.value,
            "expects": self.expects,
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Task:
        """Return the task that `as_document` wrote."""
        notice = dict(document["notice"])
        activated_at = notice["activated_at"]
        # A run that waits since before an upgrade knows neither cut-over nor purpose, nor what to put back.
        cutover = document.get("cutover")
        notice["activated_at"] = datetime.fromisoformat(activated_at) if activated_at else None
        return cls(
            connection_id=int(document["connection_id"]),
            notice=OrderNotice(**notice),
            released=frozenset(document["released"]),
            cutover=date.fromisoformat(cutover) if cutover else None,
            restores=frozenset(document.get("restores", ())),
            cancels=frozenset(document.get("cancels", ())),
            purpose=Purpose(document.get("purpose", Purpose.BACKGROUND)),
            expects=str(document.get("expects", "")),
        )


def root_of(notice: OrderNotice) -> str:
    """Return the key of the contract an order belongs to (`RawContract.root_id`)."""
    return notice.root_quote_id or notice.quote_id or notice.order_id
