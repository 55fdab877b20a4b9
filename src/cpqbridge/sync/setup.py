"""Setting a connection up in a browser: begun by a name, left and resumed, or given up.

What was given is kept after each step. Nothing is synced before there is a connection and somebody lets it go
live. The steps: `cpqbridge.sync.setup_salesforce`, `cpqbridge.sync.setup_stripe`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import Connection as Transaction

from cpqbridge.domain.addresses import is_loopback_url
from cpqbridge.errors import ConfigurationError
from cpqbridge.mapping.configuration import default_configuration
from cpqbridge.salesforce.address import PRODUCTION_SIGN_IN, SANDBOX_SIGN_IN, sign_in_address
from cpqbridge.salesforce.package import fields_zip
from cpqbridge.store import connections, logins, setups
from cpqbridge.store.connections import Connection
from cpqbridge.store.logins import LoginFacts
from cpqbridge.sync.setup_book import (
    APP,
    CLIENT_SECRET,
    REFRESH_TOKEN,
    Org,
    SetupBook,
    SimulatedSides,
    app_of,
    give_back,
    org_of,
    unknown_setup,
)

if TYPE_CHECKING:
    from cpqbridge.sync.service import SyncService


class Environment(StrEnum):
    """Where people sign in to their org."""

    PRODUCTION = "production"
    SANDBOX = "sandbox"
    MY_DOMAIN = "my_domain"
    SIMULATED = "simulated"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupState:
    """What is known of a set-up, or of how a connection signed in, without secrets.

    `org` is None until somebody signed in, `login` until there is a connection that did. `has_secret` tells
    that the app's secret is stored.
    """

    name: str
    connection: Connection | None = None
    login: LoginFacts | None = None
    environment: Environment = Environment.PRODUCTION
    sign_in_url: str = ""
    client_id: str = ""
    has_secret: bool = False
    org: Org | None = None


class SetUp:
    """The use cases of a set-up as a whole."""

    def __init__(self, service: SyncService, simulated: SimulatedSides | None = None) -> None:
        """Work on the store of `service`."""
        self._book = SetupBook(service)
        self._simulated = simulated or SimulatedSides()

    def unfinished(self) -> tuple[SetupState, ...]:
        """Return the set-ups that have no connection yet, by name."""
        with self._book.store.read() as transaction:
            connected = {each.name for each in connections.list_all(transaction)}
            names = [each.name for each in setups.list_all(transaction) if each.name not in connected]
        return tuple(self.state(name) for name in names)

    def begin(self, name: str) -> str:
        """Begin a set-up and return its name.

        Raises:
            ConfigurationError: the name is taken or cannot be one (field `name`).
        """
        name = name.strip()
        book = self._book
        with book.store.write() as transaction:
            connections.require_free_name(transaction, name)
            if setups.by_name(transaction, name) is not None:
                raise ConfigurationError(
                    f"A set-up named {name!r} was begun already.",
                    code="connection_name_taken",
                    field="name",
                    fix="Go on with it on the list of connections, or choose another name.",
                )
            setups.add(book.store, transaction, name=name, connection_id=None, at=book.service.clock.now())
            book.note(transaction, "setup_begun", name)
        return name

    def discard(self, name: str) -> None:
        """Forget a set-up that has no connection, and give its session with Salesforce back."""
        book = self._book
        with book.store.write() as transaction:
            setup = setups.by_name(transaction, name)
            # The session may be a connection's by now, also where a crash came before the set-up knew of it.
            if setup is None or self._book.connection(transaction, name) is not None:
                return
            kept = book.secrets(transaction, setup)
            setups.remove(transaction, setup_id=setup.setup_id)
            book.note(transaction, "setup_discarded", name)
        give_back(app_of(setup, kept), kept.get(REFRESH_TOKEN))

    def state(self, name: str) -> SetupState:
        """Return what is known of the set-up, or of the connection, of this name.

        Raises:
            ConfigurationError: there is neither.
        """
        with self._book.store.read() as transaction:
            setup = setups.by_name(transaction, name)
            connection = self._book.connection(transaction, name)
            if setup is None and connection is None:
                raise unknown_setup(name)
            state = SetupState(name=name, connection=connection)
            if connection is not None:
                state = self._signed_in(transaction, state, connection)
            if setup is None:
                return state
            kept = self._book.secrets(transaction, setup)
        state = replace(state, org=org_of(setup))
        app = setup.document.get(APP)
        if app is None:
            return state
        return replace(
            state,
            environment=self._environment_of(app["sign_in_url"]),
            sign_in_url=app["sign_in_url"],
            client_id=app["client_id"],
            has_secret=CLIENT_SECRET in kept,
        )

    def app_package(self, *, callback_url: str) -> bytes:
        """Return the app and our fields, for an org that is not connected yet, as a zip for its CLI."""
        return fields_zip(default_configuration().mapping.salesforce_prefix, callback_url=callback_url)

    def _signed_in(self, transaction: Transaction, state: SetupState, connection: Connection) -> SetupState:
        known = logins.facts(transaction, connection_id=connection.connection_id)
        if known is None:
            return state
        return replace(
            state,
            login=known,
            environment=self._environment_of(known.sign_in_url),
            sign_in_url=known.sign_in_url,
            client_id=known.client_id,
            has_secret=True,
        )

    def _environment_of(self, sign_in_url: str) -> Environment:
        if sign_in_url == self._simulated.salesforce_url:
            return Environment.SIMULATED
        known = {PRODUCTION_SIGN_IN: Environment.PRODUCTION, SANDBOX_SIGN_IN: Environment.SANDBOX}
        return known.get(sign_in_url, Environment.MY_DOMAIN)


def sign_in_url(environment: str, my_domain: str, simulated: SimulatedSides) -> str:
    """Return the address at which people sign in, for what was chosen on a page.

    Addresses of this machine are taken from `simulated` only, never from what somebody typed.

    Raises:
        ConfigurationError: it is no address of an org; names the field.
    """
    match environment:
        case Environment.PRODUCTION:
            return PRODUCTION_SIGN_IN
        case Environment.SANDBOX:
            return SANDBOX_SIGN_IN
        case Environment.SIMULATED if simulated.salesforce_url:
            return simulated.salesforce_url
        case Environment.MY_DOMAIN:
            address = sign_in_address(my_domain)
            if not is_loopback_url(address):
                return address
            raise ConfigurationError(
                "An address of this machine cannot be typed here.",
                code="salesforce_address",
                field="salesforce_url",
                fix="Use the org's own address, like https://acme.my.salesforce.com. A simulated org is "
                "named in CPQBRIDGE_SIMULATED_SALESFORCE.",
            )
    raise ConfigurationError(
        "Nothing says which kind of org it is.",
        code="setup_environment",
        field="environment",
        fix="Choose production, sandbox or My Domain.",
    )
