"""The step of a set-up in which a person signs in to Salesforce; also how a connection is let in again."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Connection as Transaction

from cpqbridge.errors import ConfigurationError, CpqbridgeError
from cpqbridge.salesforce.client import SalesforceClient
from cpqbridge.salesforce.oauth import (
    ClientApp,
    OAuthClient,
    SignedIn,
    authorize_url,
    checked_app,
    new_verifier,
)
from cpqbridge.salesforce.oauth_errors import Phase, oauth_error
from cpqbridge.salesforce.reader import SalesforceReader
from cpqbridge.salesforce.schema import load_schema
from cpqbridge.store import logins, setups
from cpqbridge.store.setups import OpenRequest, StoredSetup
from cpqbridge.sync.reconnect import Reconnect
from cpqbridge.sync.setup import sign_in_url
from cpqbridge.sync.setup_book import (
    APP,
    CLIENT_SECRET,
    Org,
    SetupBook,
    SimulatedSides,
    app_of,
    give_back,
    login_of,
    org_document,
    unknown_setup,
)
from cpqbridge.sync.setup_progress import ORG

if TYPE_CHECKING:
    from cpqbridge.sync.service import SyncService

REQUEST_LIFE = timedelta(minutes=15)
"""How long somebody may take to sign in; a code of Salesforce's lives as long."""

_STATE_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class AppGiven:
    """What a person typed about the app in Salesforce; an empty secret keeps the one that is stored."""

    environment: str
    my_domain: str
    client_id: str
    client_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """A sign-in that somebody came back from, with the name of its set-up or connection."""

    name: str
    request: OpenRequest


class SetupSalesforce:
    """The use cases of the step."""

    def __init__(self, service: SyncService, simulated: SimulatedSides | None = None) -> None:
        """Work on the store of `service`."""
        self._service = service
        self._book = SetupBook(service)
        self._simulated = simulated or SimulatedSides()

    def authorize(self, name: str, given: AppGiven, *, user_id: int, redirect_url: str) -> str:
        """Keep the app and begin a sign-in; return the address at which the person goes on.

        Raises:
            ConfigurationError: something typed cannot be; names the field.
        """
        book = self._book
        with book.store.write() as transaction:
            setup = book.setup(transaction, name)
            app = checked_app(
                sign_in_url=sign_in_url(given.environment, given.my_domain, self._simulated),
                client_id=given.client_id,
                client_secret=given.client_secret or self._stored_secret(transaction, setup, given.client_id),
            )
            kept = book.secrets(transaction, setup)
            book.keep_secrets(transaction, setup, {**kept, CLIENT_SECRET: app.client_secret})
            document = {"sign_in_url": app.sign_in_url, "client_id": app.client_id}
            book.keep(transaction, setup, {**setup.document, APP: document})
            now = self._service.clock.now()
            state, verifier = secrets.token_urlsafe(_STATE_BYTES), new_verifier()
            request = OpenRequest(
                setup_id=setup.setup_id,
                user_id=user_id,
                verifier=verifier,
                redirect_url=redirect_url,
                created_at=now,
            )
            setups.add_request(
                book.store, transaction, state=state, request=request, older_than=now - REQUEST_LIFE
            )
        return authorize_url(app, redirect_url=redirect_url, state=state, verifier=verifier)

    def returned(self, state: str, *, user_id: int) -> Returned:
        """Return the sign-in that somebody came back from; its state is used up by this call.

        Raises:
            ConfigurationError: it was not begun by this person, or too long ago, or was answered already
                (code `sign_in_unknown`).
        """
        store = self._book.store
        with store.write() as transaction:
            request = setups.take_request(store, transaction, state=state, user_id=user_id)
            if request is not None and self._service.clock.now() - request.created_at <= REQUEST_LIFE:
                name = setups.get(transaction, setup_id=request.setup_id).name
                return Returned(name=name, request=request)
        raise ConfigurationError(
            "This sign-in was not begun by you in the last 15 minutes, or was answered already.",
            code="sign_in_unknown",
            fix="Open Connections, choose the connection and begin the sign-in again, in this browser.",
        )

    def finish(self, returned: Returned, code: str) -> bool:
        """Exchange the code of a sign-in and keep the session; return whether a connection has it now.

        Raises:
            ConfigurationError: Salesforce refused, or it is another org than the connection's.
            CpqbridgeError: a side does not answer or does not let us in.
        """
        request = returned.request
        with self._book.store.read() as transaction:
            setup = setups.get(transaction, setup_id=request.setup_id)
            app = app_of(setup, self._book.secrets(transaction, setup))
        if app is None:
            raise unknown_setup(setup.name)
        with OAuthClient(app) as client:
            signed_in = client.exchange(code, redirect_url=request.redirect_url, verifier=request.verifier)
        try:
            if setup.connection_id is None:
                self._keep(setup, signed_in, _org(signed_in))
                return False
            username = _username(signed_in)
            self._reconnect(setup, app, signed_in, username)
        except ConfigurationError as error:
            # A sign-in that leads to another org is of no use to anybody.
            if error.code == "wrong_org":
                give_back(app, signed_in.refresh_token)
            raise
        return True

    def refused(self, error: str, description: str) -> CpqbridgeError:
        """Return what a refusal that came to the callback address means, with the field at fault."""
        return oauth_error(error, description, phase=Phase.SIGN_IN)

    def _keep(self, setup: StoredSetup, signed_in: SignedIn, org: Org) -> None:
        book = self._book
        with book.store.write() as transaction:
            book.keep_session(transaction, setup, signed_in)
            book.keep(transaction, setup, {**setup.document, ORG: org_document(org)})
            book.note(transaction, "salesforce_signed_in", setup.name, org_id=org.org_id, user=org.username)

    def _reconnect(self, setup: StoredSetup, app: ClientApp, signed_in: SignedIn, username: str) -> None:
        book = self._book
        login = login_of(app, username=username, refresh_token=signed_in.refresh_token or "")
        try:
            Reconnect(self._service).salesforce(setup.name, signed_in, login)
        finally:
            # The connection keeps the sign-in, or nobody does.
            with book.store.write() as transaction:
                book.keep_secrets(transaction, setup, {})
                book.keep(
                    transaction,
                    setup,
                    {part: value for part, value in setup.document.items() if part != APP},
                )

    def _stored_secret(self, transaction: Transaction, setup: StoredSetup, client_id: str) -> str:
        """Return the secret that is stored for a consumer key, empty when another or none is."""
        if setup.document.get(APP, {}).get("client_id") == client_id:
            return self._book.secrets(transaction, setup).get(CLIENT_SECRET, "")
        if setup.connection_id is None:
            return ""
        known = logins.open_login(self._book.store, transaction, connection_id=setup.connection_id)
        return known.client_secret if known is not None and known.client_id == client_id else ""


def _org(signed_in: SignedIn) -> Org:
    with SalesforceClient(signed_in.instance_url, signed_in.access_token) as client:
        client.require_version()
        found = SalesforceReader(client, load_schema(client, ["Order"])).organization()
        if found.org_id != signed_in.org_id:
            raise ConfigurationError(
                f"The sign-in is for the org {signed_in.org_id}, but {found.org_id} answers.",
                code="wrong_org",
                fix="Check that no proxy changes answers, then sign in again.",
            )
        return Org(
            org_id=found.org_id,
            name=found.name,
            is_sandbox=found.sandbox,
            username=client.username(),
            instance_url=signed_in.instance_url,
            multi_currency=found.multi_currency,
        )


def _username(signed_in: SignedIn) -> str:
    with SalesforceClient(signed_in.instance_url, signed_in.access_token) as client:
        return client.username()
