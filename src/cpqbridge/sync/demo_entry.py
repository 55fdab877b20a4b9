"""How somebody enters a demo: without a password, in the role they want to try."""

from __future__ import annotations

from cpqbridge.clock import SystemClock
from cpqbridge.errors import ConfigurationError
from cpqbridge.store import connections, sessions, users
from cpqbridge.store.users import Role
from cpqbridge.sync.accounts import LONGEST, SignedIn, new_token
from cpqbridge.sync.service import SyncService


def enter_demo(service: SyncService, role: Role) -> SignedIn:
    """Begin a session of the demo's person of a role, who is made on first use and has no password.

    Raises:
        ConfigurationError: a connection of this home is a real one.
    """
    name, now, token = f"Demo {role.value}", SystemClock().now(), new_token()
    with service.store.write() as transaction:
        if not all(each.facts.simulated for each in connections.list_all(transaction)):
            raise ConfigurationError(
                "Only a demo is entered without a password.",
                code="demo_only",
                fix="Sign in with your name and password.",
            )
        user = users.by_name(transaction, name) or users.add(transaction, name=name, role=role, at=now)
        sessions.add(transaction, token=token, user_id=user.user_id, at=now, expires_at=now + LONGEST)
    return SignedIn(user=user, token=token)
