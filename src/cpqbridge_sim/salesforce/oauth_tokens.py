"""What a simulated org has given out: codes, sessions and refresh tokens, and when each of them ends.

Source: the project's design notes, section 1.4 (20 Nov 2026): codes live 15 minutes and are good once,
sessions two hours from their last use, a user has five refresh tokens of an app, and the oldest goes
silently.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cpqbridge_sim.salesforce.org import Org

CODE_LIFE = timedelta(minutes=15)
SESSION_LIFE = timedelta(hours=2)
MOST_REFRESH_TOKENS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A sign-in as it was asked for."""

    client_id: str
    redirect_uri: str
    state: str | None
    scope: str
    challenge: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A code that stands for an allowed sign-in, once."""

    request: Request
    given_at: datetime
    used: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOfApp:
    """A session that an app holds; `used_at` is its last use."""

    client_id: str
    scope: str
    began_at: datetime
    used_at: datetime
    ended: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshToken:
    """A refresh token and the access token it gave last."""

    client_id: str
    scope: str
    access_token: str
    ended: bool = False


class Tokens:
    """Everything an org has given out."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._serial = 0
        self.requests: dict[str, Request] = {}
        self.codes: dict[str, Code] = {}
        self.sessions: dict[str, SessionOfApp] = {}
        self.refresh_tokens: dict[str, RefreshToken] = {}

    def asked(self, request: Request) -> str:
        """Keep a sign-in until somebody decides about it; its key comes back."""
        key = self._named("request")
        self.requests[key] = request
        return key

    def code_for(self, request: Request) -> str:
        """A code for an allowed sign-in."""
        code = self._named("aPrx")
        self.codes[code] = Code(request=request, given_at=self._org.now)
        return code

    def used(self, code: str) -> Code | None:
        """The code as it was before this use; None for one that was never given."""
        found = self.codes.get(code)
        if found is not None:
            self.codes[code] = replace(found, used=True)
        return found

    def is_good(self, code: Code) -> bool:
        """Whether a code may still be exchanged."""
        return not code.used and self._org.now - code.given_at <= CODE_LIFE

    def begin(self, *, client_id: str, scope: str) -> str:
        """Begin a session; its access token comes back."""
        token = f"{self._org.organization_id[:15]}!{self._named('AQ')}"
        now = self._org.now
        self.sessions[token] = SessionOfApp(client_id=client_id, scope=scope, began_at=now, used_at=now)
        return token

    def renewable(self, access_token: str, *, client_id: str, scope: str) -> str:
        """A refresh token for a session; of more than five the oldest ends."""
        token = self._named("5Aep")
        self.refresh_tokens[token] = RefreshToken(client_id=client_id, scope=scope, access_token=access_token)
        alive = [
            name
            for name, each in self.refresh_tokens.items()
            if each.client_id == client_id and not each.ended
        ]
        for name in alive[:-MOST_REFRESH_TOKENS]:
            self.refresh_tokens[name] = replace(self.refresh_tokens[name], ended=True)
        return token

    def is_open(self, access_token: str) -> bool:
        """Whether a session goes on; asking is a use of it."""
        found = self.sessions.get(access_token)
        if found is None or found.ended or self._org.now - found.used_at > SESSION_LIFE:
            return False
        self.sessions[access_token] = replace(found, used_at=self._org.now)
        return True

    def end_session(self, access_token: str) -> None:
        """End a session, as a time-out does."""
        self.sessions[access_token] = replace(self.sessions[access_token], ended=True)

    def end_refresh_token(self, token: str) -> None:
        """End a refresh token; its session goes on."""
        self.refresh_tokens[token] = replace(self.refresh_tokens[token], ended=True)

    def end_sessions(self) -> None:
        """End every session, as if nobody had used one for hours."""
        for token in self.sessions:
            self.end_session(token)

    def revoke(self, token: str) -> bool:
        """End a token; a refresh token takes its session along. Whether there was one to end."""
        renewing = self.refresh_tokens.get(token)
        if renewing is not None and not renewing.ended:
            self.end_refresh_token(token)
            self.end_session(renewing.access_token)
            return True
        session = self.sessions.get(token)
        if session is None or session.ended:
            return False
        self.end_session(token)
        return True

    def revoke_all(self) -> None:
        """End every token, as an admin does under Connected Apps OAuth Usage."""
        for token in self.refresh_tokens:
            self.end_refresh_token(token)
        self.end_sessions()

    def _named(self, prefix: str) -> str:
        self._serial += 1
        return f"{prefix}.simulated.{self._serial:06}"
