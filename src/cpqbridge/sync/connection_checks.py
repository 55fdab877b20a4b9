"""What is looked at when a connection is checked: both sides, their rights, its settings, and this machine.

One check that fails says why and what to do, and the others are made all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from cpqbridge.clock import SystemClock
from cpqbridge.errors import CpqbridgeError, InvariantError
from cpqbridge.mapping.policies import EventsWay
from cpqbridge.salesforce.client import API_VERSION, SalesforceClient
from cpqbridge.store.connections import Connection
from cpqbridge.stripe_billing.client import StripeBilling
from cpqbridge.sync.identity import questions
from cpqbridge.sync.key_rights import rights_with
from cpqbridge.sync.liveness import workers
from cpqbridge.sync.org_fields import check_org
from cpqbridge.sync.ports import OpenConnection
from cpqbridge.sync.sides import SalesforceOrg, StripeAccountSide
from cpqbridge.sync.webhook_setup import WebhookSetup

if TYPE_CHECKING:
    from cpqbridge.sync.service import SyncService

MOST_SKEW = timedelta(seconds=60)
"""Stripe's signatures are refused when clocks differ by five minutes, so people are told well before."""

SILENT = timedelta(minutes=2)
"""A worker that lives but did not turn for so long is stuck."""

_MACHINE = SystemClock()


class CheckState(StrEnum):
    """How a check ended: fine, worth a look, in the way of syncing, or not known."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of the health page: what was looked at, what was found, what to do (empty when it is fine).

    `place` is where in the app it is put right: fields, stripe, preferences or empty.
    """

    key: str
    title: str
    state: CheckState
    found: str
    fix: str = ""
    place: str = ""


def org_client(opened: OpenConnection) -> SalesforceClient:
    """Return the client of a connection's org."""
    if not isinstance(opened.salesforce, SalesforceOrg):
        raise InvariantError("This org cannot be checked.", code="check_of_fake")
    return opened.salesforce.client


def account_client(opened: OpenConnection) -> StripeBilling:
    """Return the client of a connection's Stripe account."""
    if not isinstance(opened.stripe, StripeAccountSide):
        raise InvariantError("This account cannot be checked.", code="check_of_fake")
    return opened.stripe.client


class ConnectionChecks:
    """One round of checks of one connection."""

    def __init__(self, service: SyncService, connection: Connection) -> None:
        self._service = service
        self._connection = connection
        self._opened: OpenConnection | None = None

    def all(self) -> Iterator[Check]:
        """Yield every check; of sides that do not open only that is told."""
        if self._connection.access_lost is not None:
            yield Check(
                key="stopped",
                title="Stopped",
                state=CheckState.PROBLEM,
                found=self._connection.access_lost,
                fix="Put right what is wrong below, then let it go on.",
            )
        try:
            self._opened = opened = self._service.open(self._connection.name)
        except CpqbridgeError as error:
            yield _failed("open", "Connection", error)
        else:
            yield from self._salesforce(opened)
            yield from self._stripe(opened)
            yield from self._settings(opened)
        yield self._webhook()
        yield from self._machine()

    def _salesforce(self, opened: OpenConnection) -> Iterator[Check]:
        client, facts = org_client(opened), self._connection.facts
        asks = questions(facts, client, account_client(opened), lost=lambda _error: None)
        signed_in = _asked(
            "salesforce", "Salesforce sign-in", asks["salesforce"], f"Signed in to {facts.org_name}"
        )
        yield signed_in
        if signed_in.state is not CheckState.OK:
            return
        yield Check(
            key="org",
            title="Salesforce org",
            state=CheckState.OK,
            found=f"{facts.org_id}, the one it was made with",
        )
        version = f"Version {API_VERSION} is offered"
        yield _asked("api_version", "Salesforce API version", client.require_version, version)
        yield self._allowance(client, opened)
        yield self._fields(client, opened)
        yield self._skew(client)

    def _allowance(self, client: SalesforceClient, opened: OpenConnection) -> Check:
        usage, share = client.api_usage, opened.configuration.sync.api_share
        check = Check(
            key="api_allowance",
            title="Salesforce API calls",
            state=CheckState.UNKNOWN,
            found="The org does not say how many calls it has used",
        )
        if usage is None:
            return check
        found = f"{usage.used:,} of {usage.allowed:,} of the last 24 hours are used, by everybody"
        if usage.used < share * usage.allowed:
            return _with(check, CheckState.OK, found)
        fix = (
            f"Background work waits from {share:.0%} on. Find out who uses the calls (Setup, System "
            "Overview), buy more, or let cpqbridge use a larger share in the preferences."
        )
        return _with(check, CheckState.WARNING, found, fix, place="preferences")

    def _fields(self, client: SalesforceClient, opened: OpenConnection) -> Check:
        title = "Fields of the org"
        try:
            checks = check_org(client, opened.configuration)
        except CpqbridgeError as error:
            return _failed("fields", title, error)
        check = Check(key="fields", title=title, state=CheckState.OK, found="All there", place="fields")
        if checks.blocking:
            found = f"{len(checks.blocking)} missing that orders need: {_named(checks.blocking)}"
            return _with(check, CheckState.PROBLEM, found, checks.blocking[0].fix, place="fields")
        if checks.incomplete:
            found = f"{len(checks.incomplete)} cannot be written: {_named(checks.incomplete)}"
            return _with(check, CheckState.WARNING, found, checks.incomplete[0].fix, place="fields")
        return check

    def _skew(self, client: SalesforceClient) -> Check:
        told, clock = client.server_time, self._service.clock_of(self._connection)
        check = Check(
            key="clock",
            title="Clock of this machine",
            state=CheckState.UNKNOWN,
            found="The org does not say what time it is",
        )
        if told is None:
            return check
        apart = abs(clock.now() - told)
        found = f"{apart.total_seconds():.0f} seconds apart from the org's"
        if apart <= MOST_SKEW:
            return _with(check, CheckState.OK, found)
        fix = "Let the machine set its clock by NTP: events of Stripe are refused when clocks differ."
        return _with(check, CheckState.WARNING, found, fix)

    def _stripe(self, opened: OpenConnection) -> Iterator[Check]:
        client, facts = account_client(opened), self._connection.facts
        asks = questions(facts, org_client(opened), client, lost=lambda _error: None)
        mode = "live: real customers are billed" if facts.live_mode else "test: nobody is billed"
        account = _asked(
            "stripe",
            "Stripe account",
            asks["stripe"],
            f"{facts.stripe_account_name}, {facts.stripe_account_id}",
        )
        yield account
        if account.state is not CheckState.OK:
            return
        yield Check(key="mode", title="Stripe mode", state=CheckState.OK, found=mode.capitalize())
        yield self._rights(client)

    def _rights(self, client: StripeBilling) -> Check:
        title = "Rights of the Stripe key"
        try:
            rights = rights_with(client)
        except CpqbridgeError as error:
            return _failed("key_rights", title, error)
        check = Check(
            key="key_rights", title=title, state=CheckState.OK, found="Just what is needed", place="stripe"
        )
        if rights.missing:
            named = ", ".join(f"{each.right.name} ({each.right.access})" for each in rights.missing)
            fix = "Edit the restricted key in Stripe's Dashboard (Developers, API keys) and give it these."
            return _with(check, CheckState.PROBLEM, f"Missing: {named}", fix, place="stripe")
        if not rights.restricted:
            fix = "Make a restricted key with the rights that are listed, and give it to the connection."
            return _with(check, CheckState.WARNING, "A secret key may do everything", fix, place="stripe")
        if rights.unproven:
            named = ", ".join(each.right.name for each in rights.unproven)
            fix = "Check again later; Stripe's answer proved neither that it has them nor that it lacks them."
            return _with(check, CheckState.UNKNOWN, f"Not known: {named}", fix, place="stripe")
        if rights.needless:
            named = ", ".join(right.name for right in rights.needless)
            fix = "Take from the restricted key what nothing needs."
            return _with(check, CheckState.WARNING, f"More than needed: {named}", fix, place="stripe")
        return check

    def _settings(self, opened: OpenConnection) -> Iterator[Check]:
        configuration, facts = opened.configuration, self._connection.facts
        currency = Check(
            key="currency",
            title="Currency",
            state=CheckState.OK,
            found="The currency of each order" if facts.multi_currency else "",
        )
        if configuration.currency is not None:
            currency = _with(currency, CheckState.OK, configuration.currency.upper())
        elif not facts.multi_currency:
            currency = _with(
                currency,
                CheckState.PROBLEM,
                "Not set, and the org has one currency that it does not name",
                "Set the currency in the preferences.",
                place="preferences",
            )
        yield currency
        confirmed = configuration.policy.prorate_precision_confirmed
        precision = configuration.policy.prorate_precision.value
        yield Check(
            key="precision",
            title="Prorate precision",
            state=CheckState.OK if confirmed else CheckState.WARNING,
            found=precision if confirmed else f"{precision} is assumed; nobody has confirmed it",
            fix="" if confirmed else "Compare it with CPQ's setting and confirm it in the preferences.",
            place="preferences",
        )

    def _webhook(self) -> Check:
        title = "Events of Stripe"
        try:
            standing = WebhookSetup(self._service).standing(self._connection.name)
        except CpqbridgeError as error:
            return _failed("webhook", title, error)
        check = Check(key="webhook", title=title, state=CheckState.OK, found="")
        if standing.way is EventsWay.OFF:
            fix = "A change made in Stripe is seen a night later; switch them on in the preferences."
            return _with(check, CheckState.WARNING, "Switched off", fix, place="preferences")
        last = (
            f"; the last one came {standing.last_event_at:%Y-%m-%d %H:%M} UTC"
            if standing.last_event_at
            else ""
        )
        way = "Listed by the worker every few minutes"
        if standing.way is EventsWay.WEBHOOK:
            way = "By webhook" if standing.secrets_added_at else "Listed by the worker once an hour"
        return _with(check, CheckState.OK, way + last)

    def _machine(self) -> Iterator[Check]:
        alive = [each for each in workers(self._service.store.home) if each.alive]
        check = Check(key="worker", title="Worker", state=CheckState.OK, found="")
        stuck = [each.name for each in alive if _MACHINE.now() - each.turned_at > SILENT]
        if not alive:
            fix = "Start one: cpqbridge serve (with these pages) or cpqbridge worker."
            yield _with(check, CheckState.WARNING, "None runs on this machine; nothing syncs by itself", fix)
        elif stuck:
            fix = "Look into its log, then stop and start it; nothing is done twice."
            yield _with(check, CheckState.PROBLEM, f"{', '.join(stuck)} lives but does nothing", fix)
        else:
            yield _with(check, CheckState.OK, f"{', '.join(each.name for each in alive)} runs")


def _asked(key: str, title: str, ask: Callable[[], object], found: str) -> Check:
    try:
        ask()
    except CpqbridgeError as error:
        return _failed(key, title, error)
    return Check(key=key, title=title, state=CheckState.OK, found=found)


def _failed(key: str, title: str, error: CpqbridgeError) -> Check:
    return Check(key=key, title=title, state=CheckState.PROBLEM, found=error.message, fix=error.fix)


def _with(check: Check, state: CheckState, found: str, fix: str = "", *, place: str = "") -> Check:
    return Check(key=check.key, title=check.title, state=state, found=found, fix=fix, place=place)


def _named(checks: tuple[Any, ...]) -> str:
    names = [each.name for each in checks[:3]]
    return ", ".join(names) + (", …" if len(checks) > len(names) else "")
