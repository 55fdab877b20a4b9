"""Events on their way to webhook endpoints: one delivery per event and endpoint that asked for it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

Body = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Delivery:
    """One event for one endpoint; `due_at` is the account's time of the next attempt.

    `answers` holds what each attempt got: an HTTP status, or None when no answer came.
    """

    number: int
    event: Body
    endpoint_id: str
    due_at: int
    status: str = "pending"
    answers: list[int | None] = field(default_factory=list)


class Outbox:
    """Deliveries in the order of their events."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.waiting: list[Delivery] = []
        # The secrets of each endpoint, newest first, with the time at which they stop to sign.
        self.secrets: dict[str, list[tuple[str, int | None]]] = {}
        self._count = 0
        self._begun = (0, 0)

    def put(self, event: Body, endpoints: Iterable[Body], *, at: int) -> int:
        """Address an event to every enabled endpoint that asked for its type; returns how many."""
        addressed = 0
        for endpoint in endpoints:
            wanted = endpoint["enabled_events"]
            if endpoint["status"] != "enabled" or not ("*" in wanted or event["type"] in wanted):
                continue
            addressed += 1
            self._count += 1
            delivery = Delivery(number=self._count, event=event, endpoint_id=endpoint["id"], due_at=at)
            self.deliveries.append(delivery)
            self.waiting.append(delivery)
        return addressed

    def begin(self) -> None:
        """Start a request: from here `undo` can go back."""
        self._begun = (len(self.deliveries), len(self.waiting))

    def undo(self) -> None:
        """Forget what was addressed since `begin`, because the events of a refused request never happened."""
        del self.deliveries[self._begun[0] :]
        del self.waiting[self._begun[1] :]
