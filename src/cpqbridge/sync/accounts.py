"""Signing in and out: passwords, sessions, and the links by which people choose their password."""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Connection as Transaction

from cpqbridge.clock import Clock, SystemClock
from cpqbridge.errors import ConfigurationError, TransientError
from cpqbridge.store import audit, one_time_links, sessions, users
from cpqbridge.store.audit import AuditEntry
from cpqbridge.store.one_time_links import OneTimeLink, Purpose
from cpqbridge.store.users import Role, User
from cpqbridge.sync.acting import NOBODY, acting_as
from cpqbridge.sync.passwords import Passwords, clean_name, require_good_password
from cpqbridge.sync.sign_in_throttle import Try

if TYPE_CHECKING:
    from cpqbridge.sync.service import SyncService

IDLE = timedelta(hours=12)
"""How long a session lasts in which nothing is asked for."""

LONGEST = timedelta(days=7)
"""How long a session lasts, whatever is asked for."""

FIRST_LINK_LASTS = timedelta(hours=24)
LINK_LASTS = timedelta(days=3)
_SEEN_EVERY = timedelta(minutes=5)
_TOKEN_BYTES = 32
_NOBODYS_NAME = "a name that nobody has"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """A person and the token of the session that begins; the token is shown to the browser only."""

    user: User
    token: str

    def __repr__(self) -> str:
        """Return the person, without the token."""
        return f"SignedIn(user={self.user.name!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome:
    """What a one-time link is for; `name` and `role` are the person's, an admin without a name at first."""

    purpose: Purpose
    name: str
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class _Checked:
    """A person whose password was found to fit the stored hash."""

    user: User
    stored: str = field(repr=False)

    def still_fits(self, transaction: Transaction) -> bool:
        """Return whether nobody let the person go or set another password since."""
        is_active = users.get(transaction, self.user.user_id).is_active
        return is_active and users.password_hash(transaction, self.user.user_id) == self.stored


class Accounts:
    """The use cases of anybody: sign in, sign out, choose a password."""

    def __init__(
        self, service: SyncService, *, clock: Clock | None = None, passwords: Passwords | None = None
    ) -> None:
        """Work on the service's store. Sessions live by the machine's clock, also in a simulated world."""
        self._store = service.store
        self._clock = clock or SystemClock()
        self._passwords = passwords or Passwords()

    def user_of(self, token: str, now: datetime) -> User | None:
        """Return who is signed in by a session's token at `now`, None when nobody is (any more)."""
        if not token:
            return None
        with self._store.read() as transaction:
            session = sessions.find(transaction, token)
            if session is None or session.expires_at <= now or session.seen_at + IDLE <= now:
                return None
            user = users.get(transaction, session.user_id)
        if not user.is_active:
            return None
        if now - session.seen_at >= _SEEN_EVERY:
            with self._store.write_lightly() as transaction:
                sessions.seen(transaction, token, now)
        return user

    def sign_in(self, name: str, password: str, *, address: str, replaces: str = "") -> SignedIn:
        """Begin a session of a person by name and password; the session of the token `replaces` ends.

        Raises:
            ConfigurationError: name and password do not fit, or the person may not sign in; which, is not
                said.
            TransientError: too many tries failed; says how long to wait.
        """
        checked = self._check_password(name, password, address=address)
        with self._store.write() as transaction:
            if checked is None or not checked.still_fits(transaction):
                raise ConfigurationError(
                    "Name and password do not fit.",
                    code="sign_in_refused",
                    fix="Try again, or ask an admin for a new link.",
                )
            user = checked.user
            sessions.end(transaction, replaces)
            users.set_signed_in(transaction, user.user_id, self._clock.now())
            self._note(transaction, user.name, "signed_in")
            return self._begin(transaction, user)

    def sign_out(self, token: str) -> None:
        """End the session of a token."""
        with self._store.write() as transaction:
            sessions.end(transaction, token)

    def sign_out_everywhere(self, user: User) -> int:
        """End every session of a person; return how many there were."""
        with self._store.write() as transaction:
            self._note(transaction, user.name, "signed_out_everywhere")
            return sessions.end_all(transaction, user.user_id)

    def change_password(self, user: User, *, old: str, new: str, address: str) -> SignedIn:
        """Store a new password, end every session of the person and begin a new one.

        Raises:
            ConfigurationError: the old password does not fit, or the new one is not good enough.
            TransientError: too many tries failed; says how long to wait.
        """
        if self._check_password(user.name, old, address=address) is None:
            raise ConfigurationError(
                "This is not your present password.",
                code="password_wrong",
                field="old",
                fix="Type the password you signed in with, or ask an admin for a new link.",
            )
        require_good_password(new, name=user.name)
        hashed = self._passwords.hash(new)
        with self._store.write() as transaction:
            return self._set_password(transaction, user, hashed, action="password_changed")

    def first_link(self) -> str | None:
        """Return the token of a new link for the first admin, None when somebody has chosen a password.

        A link made before no longer works.
        """
        now = self._clock.now()
        token = new_token()
        with self._store.write() as transaction:
            if users.is_anybody_in(transaction):
                one_time_links.drop(transaction, None)
                return None
            link = OneTimeLink(purpose=Purpose.FIRST, user_id=None, expires_at=now + FIRST_LINK_LASTS)
            one_time_links.put(transaction, link, token=token, at=now)
        return token

    def welcome(self, token: str) -> Welcome:
        """Return what a one-time link is for; it stays usable.

        Raises:
            ConfigurationError: there is no such link, it was used, or it is over.
        """
        with self._store.read() as transaction:
            return self._welcome(transaction, token)[0]

    def accept(self, token: str, *, name: str, password: str) -> SignedIn:
        """Use up a one-time link: store the password and begin a session; the first admin's name is `name`.

        Raises:
            ConfigurationError: the link does not work (any more), or name or password cannot be taken.
        """
        with self._store.read() as transaction:
            welcome, user = self._welcome(transaction, token)
        name = clean_name(name) if user is None else user.name
        require_good_password(password, name=name)
        hashed = self._passwords.hash(password)
        with self._store.write() as transaction:
            # Somebody else may have used the link while the password was hashed.
            welcome, user = self._welcome(transaction, token)
            if user is None:
                with acting_as(name):
                    user = add_person(transaction, name=name, role=welcome.role, at=self._clock.now())
                one_time_links.drop(transaction, None)
            Try.of(user.name, "").succeeded(transaction)
            users.set_signed_in(transaction, user.user_id, self._clock.now())
            return self._set_password(transaction, user, hashed, action="password_chosen")

    def _welcome(self, transaction: Transaction, token: str) -> tuple[Welcome, User | None]:
        link = one_time_links.find(transaction, token, now=self._clock.now())
        user = users.get(transaction, link.user_id) if link and link.user_id is not None else None
        is_late = link is not None and user is None and users.is_anybody_in(transaction)
        if link is None or is_late or (user is not None and not user.is_active):
            raise ConfigurationError(
                "This link does not work: it was used, is too old, or a newer one was made.",
                code="link_unusable",
                fix="Sign in if you have a password. Else ask an admin for a new link; at the first start, "
                "take the one that `cpqbridge serve` printed last.",
            )
        role = Role.ADMIN if user is None else user.role
        return Welcome(purpose=link.purpose, name=user.name if user else "", role=role), user

    def _check_password(self, name: str, password: str, *, address: str) -> _Checked | None:
        """Return the active person of name and password, None where they do not fit."""
        tried = Try.of(name, address)
        with self._store.write_lightly() as transaction:
            wait = tried.begin(transaction, self._clock.now())
        if wait is not None:
            raise TransientError(
                "Too many tries to sign in failed.",
                code="sign_in_blocked",
                retry_after_seconds=math.ceil(wait.total_seconds()),
                fix=f"Wait {_duration(wait)}, then try again. An admin can make a new link for you.",
            )
        self._passwords.prepare()
        with self._store.read() as transaction:
            user = users.by_name(transaction, name)
            stored = users.password_hash(transaction, user.user_id) if user and user.is_active else ""
        if not self._passwords.fits(stored, password) or user is None:
            self._note_block(tried, user)
            return None
        checked = _Checked(user=user, stored=stored)
        rehashed = self._passwords.hash(password) if self._passwords.is_outdated(stored) else None
        with self._store.write() as transaction:
            tried.succeeded(transaction)
            if rehashed is not None and checked.still_fits(transaction):
                users.set_password(transaction, user.user_id, password_hash=rehashed)
                checked = _Checked(user=user, stored=rehashed)
        return checked

    def _note_block(self, tried: Try, user: User | None) -> None:
        """Note a block that begins, for nobody's name as for a person's: both take the same time.

        What was typed as a name of nobody is not kept; it may be a password.
        """
        with self._store.read() as transaction:
            until = tried.blocked_until(transaction)
        if until is not None:
            with self._store.write() as transaction:
                subject = user.name if user else _NOBODYS_NAME
                self._note(transaction, subject, "sign_in_blocked", actor=NOBODY, until=until.isoformat())

    def _set_password(self, transaction: Transaction, user: User, hashed: str, *, action: str) -> SignedIn:
        users.set_password(transaction, user.user_id, password_hash=hashed, at=self._clock.now())
        one_time_links.drop(transaction, user.user_id)
        sessions.end_all(transaction, user.user_id)
        self._note(transaction, user.name, action)
        return self._begin(transaction, users.get(transaction, user.user_id))

    def _begin(self, transaction: Transaction, user: User) -> SignedIn:
        now = self._clock.now()
        token = new_token()
        sessions.prune(transaction, now=now, seen_before=now - IDLE)
        one_time_links.prune(transaction, now=now)
        sessions.add(transaction, token=token, user_id=user.user_id, at=now, expires_at=now + LONGEST)
        return SignedIn(user=user, token=token)

    def _note(
        self, transaction: Transaction, name: str, action: str, *, actor: str = "", **detail: object
    ) -> None:
        entry = AuditEntry(
            connection_id=None,
            at=self._clock.now(),
            action=action,
            subject=name,
            detail=detail,
            actor=actor or name,
        )
        audit.record(transaction, entry)


def new_token() -> str:
    """Return a random token of 256 bits, for a session or a link."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def add_person(transaction: Transaction, *, name: str, role: Role, at: datetime) -> User:
    """Store a person of a clean name and note it.

    Raises:
        ConfigurationError: the name is taken.
    """
    if users.by_name(transaction, name) is not None:
        raise ConfigurationError(
            f"There is somebody called {name} already.",
            code="user_exists",
            field="name",
            fix="Choose another name, or make a new link for the person who has it.",
        )
    user = users.add(transaction, name=name, role=role, at=at)
    entry = AuditEntry(
        connection_id=None, at=at, action="user_added", subject=name, detail={}, after={"role": role.value}
    )
    audit.record(transaction, entry)
    return user


def _duration(wait: timedelta) -> str:
    seconds = math.ceil(wait.total_seconds())
    if seconds <= 60:  # noqa: PLR2004 - a minute
        return "1 second" if seconds == 1 else f"{seconds} seconds"
    return f"{math.ceil(seconds / 60)} minutes"
