"""The routes of the app: each one says which role it needs, and is refused to all others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from starlette.responses import Response

from cpqbridge.clock import Clock
from cpqbridge.store.users import Role
from cpqbridge.sync.accounts import Accounts
from cpqbridge.sync.report import Report
from cpqbridge.sync.service import SyncService
from cpqbridge.sync.setup_book import SimulatedSides
from cpqbridge.web.ask import Ask, Page, Redirect

Handler = Callable[[Ask], Page | Redirect | Response]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLabel:
    """What people call an order: who buys, and what the order is for."""

    customer: str = ""
    purpose: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """What a demo shows beside the stored data: names, what was billed, the CPQ desk of its org.

    `is_open` lets people in without a password, in the role they choose. `simulated` are simulators that may
    be connected in the browser.
    """

    is_open: bool = False
    labels: Mapping[str, OrderLabel] = field(default_factory=dict)
    introduction: str = ""
    report: Report | None = None
    desk_url: str = ""
    simulated: SimulatedSides = field(default_factory=SimulatedSides)

    def label(self, order_id: str) -> OrderLabel:
        """Return what people call an order."""
        return self.labels.get(order_id, OrderLabel())


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """An address of the app. `role` is the lowest one that it is for, None when it is open to all."""

    method: str
    path: str
    role: Role | None
    handler: Handler


class Site:
    """The pages of one home. A page module's `add` registers its handlers here.

    Attributes:
        service: Everything the pages ask for.
        accounts: Who may sign in, and who is signed in.
        clock: Says which day the pages call today.
        demo: What a demo adds; empty otherwise.
        public_url: The address under which people reach the app, without a trailing slash; empty when it is
            the one they asked under.
        routes: What was registered, in order.
    """

    def __init__(
        self,
        service: SyncService,
        *,
        clock: Clock | None = None,
        demo: Demo | None = None,
        public_url: str = "",
    ) -> None:
        """Collect routes for the home of `service`."""
        self.service = service
        self.accounts = Accounts(service)
        self.clock = clock or service.clock
        self.demo = demo or Demo()
        self.public_url = public_url.rstrip("/")
        self.routes: list[Route] = []

    def get(
        self, path: str, *, role: Role = Role.VIEWER, open_to_all: bool = False
    ) -> Callable[[Handler], Handler]:
        """Register a handler that shows something and changes nothing."""
        return self._adding("GET", path, None if open_to_all else role)

    def post(self, path: str, *, role: Role, open_to_all: bool = False) -> Callable[[Handler], Handler]:
        """Register a handler that changes something; asked for from this app's own pages only."""
        return self._adding("POST", path, None if open_to_all else role)

    def _adding(self, method: str, path: str, role: Role | None) -> Callable[[Handler], Handler]:
        def add(handler: Handler) -> Handler:
            self.routes.append(Route(method=method, path=path, role=role, handler=handler))
            return handler

        return add
