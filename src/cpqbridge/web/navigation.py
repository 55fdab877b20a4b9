"""What the top of every page shows: where one can go, whose session it is, which sides are connected."""

from __future__ import annotations

from dataclasses import dataclass

from cpqbridge.store.users import Role, User
from cpqbridge.store.views import Connection
from cpqbridge.sync.inbox import COUNTED_AT_MOST, Inbox
from cpqbridge.web.site import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An entry of the navigation. `count` is how much waits there for somebody."""

    label: str
    address: str
    is_here: bool
    count: int = 0

    @property
    def count_text(self) -> str:
        """Return the count as it is shown: a large one is not counted to its end."""
        return f"{self.count - 1}+" if self.count >= COUNTED_AT_MOST else str(self.count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """A connection and what its Stripe side is: live, test or simulated."""

    name: str
    mode: str
    is_stopped: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Navigation:
    """The places of the app that a role may see, and the connections with their modes."""

    places: tuple[Place, ...] = ()
    modes: tuple[Mode, ...] = ()


_INBOX = "/inbox"
_PLACES = (
    ("Overview", "/", Role.VIEWER),
    ("Orders", "/orders", Role.VIEWER),
    ("Inbox", _INBOX, Role.VIEWER),
    ("Reconcile", "/reconcile", Role.VIEWER),
    ("Activity", "/activity", Role.VIEWER),
    ("Connections", "/connections", Role.VIEWER),
    ("Alerts", "/alerts", Role.ADMIN),
    ("People", "/people", Role.ADMIN),
    ("Audit log", "/audit", Role.VIEWER),
)


def mode_of(connection: Connection) -> str:
    """Return whether a connection bills for real: live, test, or simulated."""
    if connection.facts.simulated:
        return "simulated"
    return "live" if connection.facts.live_mode else "test"


def navigation(site: Site, user: User | None, address: str) -> Navigation:
    """Return what the top of a page shows; nothing to somebody who is not signed in."""
    if user is None:
        return Navigation()
    registered = {route.path for route in site.routes}
    places = tuple(
        Place(
            label=label,
            address=path,
            is_here=_is_here(path, address),
            count=Inbox(site.service).count() if path == _INBOX else 0,
        )
        for label, path, role in _PLACES
        if path in registered and user.role.covers(role)
    )
    modes = tuple(
        Mode(name=each.name, mode=mode_of(each), is_stopped=each.access_lost is not None)
        for each in site.service.connections()
    )
    return Navigation(places=places, modes=modes)


def _is_here(path: str, address: str) -> bool:
    return address == path or (path != "/" and address.startswith(f"{path}/"))
