"""What the steps of a set-up keep for each other: the app, the org, the session; secrets encrypted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection as Transaction

from cpqbridge.errors import ConfigurationError, TransientError
from cpqbridge.salesforce.oauth import ClientApp, OAuthClient, SignedIn
from cpqbridge.store import audit, connections, setups
from cpqbridge.store.audit import AuditEntry
from cpqbridge.store.connections import Connection
from cpqbridge.store.logins import Login
from cpqbridge.store.setups import StoredSetup
from cpqbridge.sync.setup_progress import ORG

if TYPE_CHECKING:
    from cpqbridge.sync.service import SyncService

APP = "app"
CLIENT_SECRET = "client_secret"  # noqa: S105 - the name of a secret
ACCESS_TOKEN = "access_token"  # noqa: S105 - the name of a secret
REFRESH_TOKEN = "refresh_token"  # noqa: S105 - the name of a secret


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedSides:
    """Simulators that may be connected, by their addresses; empty where there is none.

    What is named besides is said on the pages, so that people can copy it.
    """

    salesforce_url: str = ""
    stripe_url: str = ""
    client_id: str = ""
    client_secret: str = ""
    stripe_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Org:
    """The org that a set-up signed in to, and as whom."""

    org_id: str
    name: str
    is_sandbox: bool
    username: str
    instance_url: str
    multi_currency: bool


class SetupBook:
    """Reads and writes set-ups of a service."""

    def __init__(self, service: SyncService) -> None:
        """Work on the store of `service`."""
        self.service = service
        self.store = service.store

    def setup(self, transaction: Transaction, name: str) -> StoredSetup:
        """Return the set-up of a name; that of a connection begins when somebody wants to change something.

        Raises:
            ConfigurationError: there is neither a set-up nor a connection of this name.
        """
        setup = setups.by_name(transaction, name)
        if setup is not None:
            return setup
        connection = self.connection(transaction, name)
        if connection is None:
            raise unknown_setup(name)
        return setups.add(
            self.store,
            transaction,
            name=name,
            connection_id=connection.connection_id,
            at=self.service.clock.now(),
        )

    def connection(self, transaction: Transaction, name: str) -> Connection | None:
        """Return the connection of a name, None when there is none."""
        return next((each for each in connections.list_all(transaction) if each.name == name), None)

    def secrets(self, transaction: Transaction, setup: StoredSetup) -> Mapping[str, str]:
        """Return the secrets of a set-up in clear text."""
        return setups.open_secrets(self.store, transaction, setup_id=setup.setup_id)

    def keep_secrets(self, transaction: Transaction, setup: StoredSetup, secrets: Mapping[str, str]) -> None:
        """Keep the secrets of a set-up in place of those it had."""
        setups.save_secrets(self.store, transaction, setup_id=setup.setup_id, secrets=secrets)

    def keep_session(self, transaction: Transaction, setup: StoredSetup, signed_in: SignedIn) -> None:
        """Keep a session; a refresh token only where there is a new one."""
        fresh = {**self.secrets(transaction, setup), ACCESS_TOKEN: signed_in.access_token}
        if signed_in.refresh_token is not None:
            fresh[REFRESH_TOKEN] = signed_in.refresh_token
        self.keep_secrets(transaction, setup, fresh)

    def keep(
        self,
        transaction: Transaction,
        setup: StoredSetup,
        document: Mapping[str, Any],
        *,
        connection: Connection | None = None,
    ) -> None:
        """Keep what was given so far, and the connection where one was made."""
        setups.save(
            transaction,
            setup_id=setup.setup_id,
            document=document,
            at=self.service.clock.now(),
            connection_id=connection.connection_id if connection is not None else None,
        )

    def note(self, transaction: Transaction, action: str, name: str, **detail: object) -> None:
        """Write into the audit log what somebody did."""
        entry = AuditEntry(
            connection_id=None, at=self.service.clock.now(), action=action, subject=name, detail=detail
        )
        audit.record(transaction, entry)


def app_of(setup: StoredSetup, secrets: Mapping[str, str]) -> ClientApp | None:
    """Return the app of a set-up, None when none was given."""
    given = setup.document.get(APP)
    if given is None or CLIENT_SECRET not in secrets:
        return None
    return ClientApp(
        sign_in_url=given["sign_in_url"],
        client_id=given["client_id"],
        client_secret=secrets[CLIENT_SECRET],
    )


def org_of(setup: StoredSetup) -> Org | None:
    """Return the org that a set-up signed in to, None when nobody did."""
    found = setup.document.get(ORG)
    return None if found is None else Org(**found)


def org_document(org: Org) -> dict[str, Any]:
    """Return the org as a set-up keeps it."""
    return asdict(org)


def login_of(app: ClientApp, *, username: str, refresh_token: str) -> Login:
    """Return what renews a session of an app."""
    return Login(
        sign_in_url=app.sign_in_url,
        client_id=app.client_id,
        client_secret=app.client_secret,
        username=username,
        refresh_token=refresh_token,
    )


def give_back(app: ClientApp | None, refresh_token: str | None) -> None:
    """Revoke a sign-in that nobody uses; where Salesforce cannot be reached it ends by itself."""
    if app is None or refresh_token is None:
        return
    try:
        with OAuthClient(app) as client:
            client.revoke(refresh_token)
    except TransientError:
        return


def unknown_setup(name: str) -> ConfigurationError:
    """Return the error for a name of neither a connection nor a set-up."""
    return ConfigurationError(
        f"There is no connection and no set-up named {name!r}.",
        code="connection_unknown",
        field="connection",
        fix="Choose one of the list of connections.",
    )
