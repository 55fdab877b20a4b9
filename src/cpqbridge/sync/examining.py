"""Asking both sides of a connection who they are."""

from __future__ import annotations

from dataclasses import dataclass

from cpqbridge.domain.addresses import is_loopback_url
from cpqbridge.errors import ConfigurationError
from cpqbridge.mapping.configuration import Configuration
from cpqbridge.mapping.needs import field_needs
from cpqbridge.salesforce.client import Renew, SalesforceClient
from cpqbridge.salesforce.reader import SalesforceReader
from cpqbridge.salesforce.schema import OrgSchema
from cpqbridge.salesforce.selection import load_needed_schema
from cpqbridge.store.connections import ConnectionFacts, ConnectionSecrets
from cpqbridge.stripe_billing.client import StripeBilling
from cpqbridge.sync.retry import Retries


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """What is asked: both addresses and credentials, and whether the Stripe key is meant to be a live one.

    `renew` gives another session where the one of the token has ended.
    """

    secrets: ConnectionSecrets
    salesforce_url: str
    stripe_api_base: str | None
    live: bool
    renew: Renew | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What both sides said, and which customers of the account are known by their metadata."""

    facts: ConnectionFacts
    schema: OrgSchema
    customers: dict[str, str]


def examine(
    sides: Sides, configuration: Configuration, retries: Retries, *, with_customers: bool = False
) -> Examined:
    """Ask both sides who they are, which fields the org has and, where wanted, the account for its customers.

    Raises:
        ConfigurationError: the key is of the other mode, the org lacks the API version, or an address or key
            cannot be one.
        CpqbridgeError: a side does not answer or does not let us in.
    """
    secrets = sides.secrets
    with (
        StripeBilling(secrets.stripe_key, api_base=sides.stripe_api_base) as stripe,
        SalesforceClient(sides.salesforce_url, secrets.salesforce_token, renew=sides.renew) as client,
    ):
        require_mode(stripe.livemode, live=sides.live)
        call = retries.call
        call(client.require_version)
        schema = call(lambda: load_needed_schema(client, field_needs(configuration)))
        organization = call(SalesforceReader(client, schema).organization)
        account = call(stripe.account)
        customers = call(lambda: _customers_by_account(stripe)) if with_customers else {}
        facts = ConnectionFacts(
            org_id=organization.org_id,
            org_name=organization.name,
            time_zone=organization.time_zone,
            multi_currency=organization.multi_currency,
            salesforce_url=client.base_url,
            stripe_account_id=account.account_id,
            stripe_account_name=account.display_name,
            stripe_api_base=sides.stripe_api_base,
            live_mode=account.livemode,
            simulated=stripe.simulated and is_loopback_url(client.base_url),
        )
    return Examined(facts=facts, schema=schema, customers=customers)


def require_mode(is_live: bool, *, live: bool) -> None:
    """Check that a Stripe key is of the mode that was asked for.

    Raises:
        ConfigurationError: it is not (code `stripe_live_key`).
    """
    if is_live == live:
        return
    if is_live:
        raise ConfigurationError(
            "This is a live Stripe key: syncing with it bills real customers.",
            code="stripe_live_key",
            field="stripe_key",
            fix="Use a test key (sk_test_… or rk_test_…), or say --live when real billing is meant.",
        )
    raise ConfigurationError(
        "A live connection was asked for, but this is a test key.",
        code="stripe_live_key",
        field="stripe_key",
        fix="Use a live key (rk_live_…), or leave --live out.",
    )


def _customers_by_account(stripe: StripeBilling) -> dict[str, str]:
    """Return the customers that carry the id of a Salesforce account; of several the oldest (listed last)."""
    return {
        account_id: customer["id"]
        for customer in stripe.list_customers()
        if (account_id := (customer.get("metadata") or {}).get("salesforce_account_id"))
        and not customer.get("deleted")
    }
