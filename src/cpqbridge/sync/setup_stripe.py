"""The step of a set-up in which a person gives a Stripe key; at its end there is a connection."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from cpqbridge.errors import AccessLostError, ConfigurationError
from cpqbridge.mapping.configuration import currency_code, default_configuration
from cpqbridge.salesforce.oauth import OAuthClient
from cpqbridge.store.connections import Connection
from cpqbridge.store.setups import StoredSetup
from cpqbridge.stripe_billing.address import key_is_live
from cpqbridge.sync.identity import require_same
from cpqbridge.sync.key_rights import KeyRights, key_rights
from cpqbridge.sync.reconnect import Reconnect
from cpqbridge.sync.setup_book import (
    ACCESS_TOKEN,
    REFRESH_TOKEN,
    Org,
    SetupBook,
    SimulatedSides,
    app_of,
    login_of,
    org_of,
    unknown_setup,
)

if TYPE_CHECKING:
    from cpqbridge.sync.service import SyncService


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeGiven:
    """What a person typed about Stripe. `is_live_meant` says that billing for real is meant.

    `currency` is that of an org that has only one; `is_simulated` takes the simulated account.
    """

    stripe_key: str = field(repr=False)
    currency: str = ""
    is_live_meant: bool = False
    is_simulated: bool = False


class SetupStripe:
    """The use cases of the step."""

    def __init__(self, service: SyncService, simulated: SimulatedSides | None = None) -> None:
        """Work on the store of `service`."""
        self._service = service
        self._book = SetupBook(service)
        self._simulated = simulated or SimulatedSides()

    def connect(self, name: str, given: StripeGiven) -> Connection:
        """Make the connection with the org that was signed in to.

        Raises:
            ConfigurationError: nobody signed in yet, or something typed cannot be; names the field.
            CpqbridgeError: a side does not answer or does not let us in.
        """
        currency = currency_code(given.currency.strip(), "currency")
        book = self._book
        with book.store.write() as transaction:
            setup = book.setup(transaction, name)
        org = org_of(setup)
        if org is None or setup.connection_id is not None:
            raise ConfigurationError(
                "Nobody signed in to Salesforce for this set-up yet.",
                code="setup_order",
                fix="Connect Salesforce first.",
            )
        if currency is None and not org.multi_currency:
            raise ConfigurationError(
                "The org has one currency and does not say which.",
                code="setup_currency",
                field="currency",
                fix="Type the org's currency as three letters, like usd.",
            )
        live = key_is_live(given.stripe_key)
        if live and not given.is_live_meant:
            raise ConfigurationError(
                "This is a live key: once the connection goes live, it bills real customers.",
                code="stripe_live_key",
                field="is_live_meant",
                fix="Use a test key to try things out, or say that you mean to bill for real.",
            )
        api_base = self._simulated.stripe_url if given.is_simulated else ""
        _require_rights(checked_rights(given.stripe_key, stripe_api_base=api_base or None))
        connection = self._connected(setup, org, given, currency=currency, api_base=api_base or None)
        with book.store.write() as transaction:
            book.keep_secrets(transaction, setup, {})
            book.keep(transaction, setup, {}, connection=connection)
        return connection

    def reconnect(self, name: str, stripe_key: str) -> Connection:
        """Give a connection a new key of the same account and mode; see `Reconnect.stripe`.

        Raises:
            ConfigurationError: it is no key, lacks rights, or is of another account or mode.
            CpqbridgeError: a side does not answer or does not let us in.
        """
        with self._book.store.read() as transaction:
            connection = self._book.connection(transaction, name)
        if connection is None:
            raise unknown_setup(name)
        known = connection.facts
        require_same(known, replace(known, live_mode=key_is_live(stripe_key)))
        found = checked_rights(stripe_key, stripe_api_base=known.stripe_api_base)
        require_same(known, replace(known, stripe_account_id=found.account_id))
        _require_rights(found)
        return Reconnect(self._service).stripe(name, stripe_key)

    def _connected(
        self,
        setup: StoredSetup,
        org: Org,
        given: StripeGiven,
        *,
        currency: str | None,
        api_base: str | None,
    ) -> Connection:
        """Make the connection; a session that ended while the set-up was left is renewed."""
        book = self._book
        with book.store.read() as transaction:
            kept = book.secrets(transaction, setup)
        app = app_of(setup, kept)
        if app is None:
            raise unknown_setup(setup.name)
        add = partial(
            self._service.add_connection,
            name=setup.name,
            stripe_key=given.stripe_key,
            stripe_api_base=api_base,
            configuration=replace(default_configuration(), currency=currency),
            live=key_is_live(given.stripe_key),
        )
        login = login_of(app, username=org.username, refresh_token=kept[REFRESH_TOKEN])
        try:
            return add(salesforce_url=org.instance_url, salesforce_token=kept[ACCESS_TOKEN], login=login)
        except AccessLostError as error:
            if error.code != "salesforce_access_lost":
                raise
        with OAuthClient(app) as client:
            signed_in = client.renew(login.refresh_token)
        with book.store.write() as transaction:
            book.keep_session(transaction, setup, signed_in)
        return add(
            salesforce_url=signed_in.instance_url,
            salesforce_token=signed_in.access_token,
            login=replace(login, refresh_token=signed_in.refresh_token or login.refresh_token),
        )


def checked_rights(stripe_key: str, *, stripe_api_base: str | None) -> KeyRights:
    """Return what a key may do.

    Raises:
        ConfigurationError: Stripe does not accept it, or it is no key (field `stripe_key`).
        TransientError: Stripe does not answer.
    """
    try:
        return key_rights(stripe_key, stripe_api_base=stripe_api_base)
    except AccessLostError as error:
        raise ConfigurationError(
            error.message,
            code="stripe_key",
            field="stripe_key",
            fix="Copy the key again from the Stripe Dashboard (Developers, API keys).",
        ) from error


def _require_rights(found: KeyRights) -> None:
    if found.missing:
        named = ", ".join(f"{each.right.name} ({each.right.access.value})" for each in found.missing)
        raise ConfigurationError(
            f"The key lacks rights: {named}.",
            code="stripe_key_rights",
            field="stripe_key",
            fix="Add them to the restricted key in the Stripe Dashboard, then try again with the same key.",
        )
