"""Who may use the app: an admin invites people, says what they may do, and lets them go."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection as Transaction

from cpqbridge.clock import Clock, SystemClock
from cpqbridge.errors import ConfigurationError
from cpqbridge.store import audit, one_time_links, sessions, users
from cpqbridge.store.audit import AuditEntry
from cpqbridge.store.one_time_links import OneTimeLink, Purpose
from cpqbridge.store.users import Role, User
from cpqbridge.sync.accounts import LINK_LASTS, add_person, new_token
from cpqbridge.sync.passwords import clean_name

if TYPE_CHECKING:
    from cpqbridge.sync.service import SyncService


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeLink:
    """A link for a person, until `expires_at` (aware UTC); its token is shown once and stored nowhere."""

    user: User
    token: str
    expires_at: datetime

    def __repr__(self) -> str:
        """Return for whom it is, without the token."""
        return f"MadeLink(user={self.user.name!r})"


class People:
    """The use cases of an admin, and of whoever has a command line on the machine."""

    def __init__(self, service: SyncService, *, clock: Clock | None = None) -> None:
        """Work on the service's store, by the machine's clock."""
        self._store = service.store
        self._clock = clock or SystemClock()

    def everybody(self) -> tuple[User, ...]:
        """Return everybody by name, those who left too."""
        with self._store.read() as transaction:
            return users.list_all(transaction)

    def of_name(self, name: str) -> User:
        """Return the person of a name.

        Raises:
            ConfigurationError: there is none.
        """
        with self._store.read() as transaction:
            user = users.by_name(transaction, name)
        if user is None:
            raise ConfigurationError(
                f"There is nobody called {name}.",
                code="user_unknown",
                field="name",
                fix="`cpqbridge user list` shows everybody.",
            )
        return user

    def of_id(self, user_id: int) -> User:
        """Return the person of an id.

        Raises:
            ConfigurationError: there is none.
        """
        found = next((user for user in self.everybody() if user.user_id == user_id), None)
        if found is None:
            raise ConfigurationError(
                "There is no such person.",
                code="user_unknown",
                fix="Choose somebody from the list of people.",
            )
        return found

    def invite(self, name: str, role: Role) -> MadeLink:
        """Store a person who chooses a password by the link that comes back.

        Raises:
            ConfigurationError: the name cannot be taken or is taken.
        """
        name = clean_name(name)
        with self._store.write() as transaction:
            user = add_person(transaction, name=name, role=role, at=self._clock.now())
            return self._link(transaction, user)

    def make_link(self, user: User) -> MadeLink:
        """Return a link by which a person chooses a (new) password; links made before no longer work.

        Raises:
            ConfigurationError: the person left.
        """
        if not user.is_active:
            raise ConfigurationError(
                f"{user.name} may not sign in.",
                code="user_disabled",
                field="name",
                fix="Let the person in again first, on the page People.",
            )
        with self._store.write() as transaction:
            self._note(transaction, user, "user_link_made")
            return self._link(transaction, user)

    def change_role(self, user: User, role: Role) -> None:
        """Let a person do what `role` may do; where that is a change, their sessions end.

        Raises:
            ConfigurationError: this is the last admin.
        """
        with self._changing(user) as transaction:
            if users.get(transaction, user.user_id).role is role:
                return
            users.set_role(transaction, user.user_id, role)
            self._note(transaction, user, "user_role_changed", field="role", after=role.value)

    def disable(self, user: User) -> None:
        """Let a person no longer sign in; their sessions and links end.

        Raises:
            ConfigurationError: this is the last admin.
        """
        with self._changing(user) as transaction:
            if not users.get(transaction, user.user_id).is_active:
                return
            users.set_active(transaction, user.user_id, is_active=False)
            one_time_links.drop(transaction, user.user_id)
            self._note(transaction, user, "user_disabled", field="is_active", after=False)

    def enable(self, user: User) -> None:
        """Let a person who left sign in again, with the password they had."""
        with self._store.write() as transaction:
            if users.get(transaction, user.user_id).is_active:
                return
            users.set_active(transaction, user.user_id, is_active=True)
            self._note(transaction, user, "user_enabled", field="is_active", after=True)

    @contextmanager
    def _changing(self, user: User) -> Iterator[Transaction]:
        """Give a transaction that is undone where it would leave nobody who can administer the app."""
        with self._store.write() as transaction:
            admins = users.count_admins(transaction)
            before = users.get(transaction, user.user_id)
            yield transaction
            if admins and not users.count_admins(transaction):
                raise ConfigurationError(
                    f"{user.name} is the last admin.",
                    code="last_admin",
                    field="role",
                    fix="Make somebody else an admin first, who has signed in once.",
                )
            if users.get(transaction, user.user_id) != before:
                sessions.end_all(transaction, user.user_id)

    def _link(self, transaction: Transaction, user: User) -> MadeLink:
        now = self._clock.now()
        made = MadeLink(user=user, token=new_token(), expires_at=now + LINK_LASTS)
        purpose = Purpose.RESET if user.has_password else Purpose.INVITE
        link = OneTimeLink(purpose=purpose, user_id=user.user_id, expires_at=made.expires_at)
        one_time_links.put(transaction, link, token=made.token, at=now)
        return made

    def _note(
        self, transaction: Transaction, user: User, action: str, *, field: str = "", after: object = None
    ) -> None:
        before = {"role": user.role.value, "is_active": user.is_active}
        entry = AuditEntry(
            connection_id=None,
            at=self._clock.now(),
            action=action,
            subject=user.name,
            detail={},
            before={field: before[field]} if field else None,
            after={field: after} if field else None,
        )
        audit.record(transaction, entry)
