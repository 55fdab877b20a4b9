"""Keeps a connection signed in: a session that has ended is renewed by one thread of one process at a time.

Under refresh token rotation every renewal kills the refresh token it used. So the new one is stored before
the new session is used, and all who had the old session take the one that was stored meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import httpx2
import structlog
from sqlalchemy import Connection as Transaction

from cpqbridge.clock import Clock
from cpqbridge.errors import AccessLostError
from cpqbridge.salesforce.client import Renew, Session
from cpqbridge.salesforce.oauth import ClientApp, OAuthClient, SignedIn
from cpqbridge.store import connections, logins
from cpqbridge.store.database import Store
from cpqbridge.store.logins import Login

CLAIM_LIFE = timedelta(minutes=2)
"""After this long the one who renews is taken for dead; a renewal is one call of at most 40 seconds."""

_LOOK_AGAIN_SECONDS = 0.2

log = structlog.get_logger(__name__)


class SessionKeeper:
    """Renews sessions of connections that signed in."""

    def __init__(
        self,
        store: Store,
        *,
        clock: Clock,
        sleep: Callable[[float], object],
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        """Work on `store`; `clock` is the machine's. `transport` stands in for the network in tests."""
        self._store = store
        self._clock = clock
        self._sleep = sleep
        self._transport = transport

    def renewal_of(self, connection_id: int) -> Renew | None:
        """Return what renews the session of a connection, None when it was given a token only."""
        with self._store.read() as transaction:
            signed_in = logins.is_there(transaction, connection_id=connection_id)
        return partial(self.renew, connection_id) if signed_in else None

    def renew(self, connection_id: int, ended: Session) -> Session:
        """Return the session that takes the place of one that has ended.

        Raises:
            AccessLostError: Salesforce no longer lets us in, or the sign-in leads to another org now.
            TransientError: Salesforce did not answer, or is busy.
        """
        while True:
            with self._store.write() as transaction:
                found = self._stored(transaction, connection_id)
                login = logins.open_login(self._store, transaction, connection_id=connection_id)
                if found.token != ended.token or login is None:
                    return found
                now = self._clock.now()
                if logins.claim(transaction, connection_id=connection_id, now=now, until=now + CLAIM_LIFE):
                    break
            self._sleep(_LOOK_AGAIN_SECONDS)
        try:
            return self._renewed(connection_id, login)
        except BaseException as error:
            with self._store.write() as transaction:
                logins.release(transaction, connection_id=connection_id)
                if isinstance(error, AccessLostError):
                    # Whoever found out: nobody gets in until somebody signs in again.
                    connections.mark_access_lost(
                        transaction, connection_id=connection_id, message=error.message
                    )
            raise

    def _renewed(self, connection_id: int, login: Login) -> Session:
        app = ClientApp(
            sign_in_url=login.sign_in_url, client_id=login.client_id, client_secret=login.client_secret
        )
        with OAuthClient(app, transport=self._transport) as client:
            signed_in = client.renew(login.refresh_token)
        with self._store.write() as transaction:
            connection = connections.get(transaction, connection_id=connection_id)
            if signed_in.org_id != connection.facts.org_id:
                # The session of another org is not kept: nothing may be read or written with it.
                raise AccessLostError(
                    f"The sign-in leads to the org {signed_in.org_id} now, but the connection was made with "
                    f"{connection.facts.org_id}.",
                    code="salesforce_access_lost",
                    fix="A refreshed sandbox is a new org: make a new connection for it.",
                )
            self._keep(transaction, connection_id, signed_in)
        log.info("salesforce session renewed", connection=connection.name)
        return Session(base_url=signed_in.instance_url, token=signed_in.access_token)

    def _keep(self, transaction: Transaction, connection_id: int, signed_in: SignedIn) -> None:
        logins.keep_renewed(
            self._store,
            transaction,
            connection_id=connection_id,
            refresh_token=signed_in.refresh_token,
            at=self._clock.now(),
        )
        connections.replace_secrets(
            self._store, transaction, connection_id=connection_id, salesforce_token=signed_in.access_token
        )
        connections.move_org(transaction, connection_id=connection_id, salesforce_url=signed_in.instance_url)

    def _stored(self, transaction: Transaction, connection_id: int) -> Session:
        facts = connections.get(transaction, connection_id=connection_id).facts
        secrets = connections.open_secrets(self._store, transaction, connection_id=connection_id)
        return Session(base_url=facts.salesforce_url, token=secrets.salesforce_token)
