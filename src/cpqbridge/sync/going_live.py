"""Going live, and back: what would happen first is told before anything is switched."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING

from cpqbridge.errors import ConfigurationError
from cpqbridge.mapping.configuration import Configuration
from cpqbridge.salesforce.changes import Changes, Wanted
from cpqbridge.salesforce.qualification import Qualification
from cpqbridge.store import overview
from cpqbridge.sync.configure import Configure
from cpqbridge.sync.connection_checks import org_client
from cpqbridge.sync.liveness import workers
from cpqbridge.sync.sides import SalesforceOrg

if TYPE_CHECKING:
    from cpqbridge.sync.service import SyncService


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveStanding:
    """Whether a connection syncs by itself. `start_date` None: orders of any date count.

    `since` is the instant at which that day begins for the connection (aware UTC); `bills_for_real` tells
    that its Stripe key is a live one; `version` is the configuration's, for `GoingLive.switch`.
    """

    name: str
    is_live: bool
    start_date: date | None
    since: datetime | None
    time_zone: str
    bills_for_real: bool
    worker_runs: bool
    stopped_because: str | None
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What the first look for orders would find with a start date: `qualifying` orders in the org now.

    `known` of a connection's orders were seen before, `done` of those are synced; the rest is new.
    """

    qualifying: int
    known: int
    done: int

    @property
    def at_most_new(self) -> int:
        """Return how many orders would be synced first, at most."""
        return max(0, self.qualifying - self.done)


class GoingLive:
    """Switches live sync of the connections of a service."""

    def __init__(self, service: SyncService) -> None:
        """Ask nothing yet."""
        self._service = service

    def standing(self, name: str | None) -> LiveStanding:
        """Return how a connection stands; nobody is asked."""
        found = Configure(self._service).current(name)
        configuration, facts = found.configuration, found.connection.facts
        return LiveStanding(
            name=found.connection.name,
            is_live=configuration.sync.live,
            start_date=configuration.sync.start_date,
            since=configuration.activated_since,
            time_zone=configuration.policy.time_zone,
            bills_for_real=facts.live_mode and not facts.simulated,
            worker_runs=any(each.alive for each in workers(self._service.store.home)),
            stopped_because=found.connection.access_lost,
            version=found.version,
        )

    def outlook(self, name: str | None, start_date: date | None) -> Outlook:
        """Return what the first look would find with this start date; one call to the org.

        Raises:
            ConfigurationError: the org cannot read the filter.
            CpqbridgeError: the org does not answer or does not let us in.
        """
        opened = self._service.open(name)
        wanted = Wanted(
            qualification=Qualification(
                condition=opened.configuration.filters.activated or "",
                filter=opened.configuration.filters.order,
            ),
            since=None,
            activated_since=_with_start(opened.configuration, start_date).activated_since,
        )
        client = org_client(opened)
        fields = opened.salesforce.fields if isinstance(opened.salesforce, SalesforceOrg) else None
        qualifying = Changes(client, fields.schema).count(wanted) if fields else 0
        with self._service.store.read() as transaction:
            counts = overview.order_counts(transaction, connection_id=opened.connection_id)
        return Outlook(qualifying=qualifying, known=counts.seen, done=counts.done)

    def switch(
        self, name: str | None, *, on: bool, start_date: date | None, based_on: int | None = None
    ) -> LiveStanding:
        """Set the start date and switch live sync on or off; a running worker sees it within a second.

        `based_on` is the version of the configuration that the person saw.

        Raises:
            ConfigurationError: somebody changed the configuration meanwhile, or the connection is stopped.
        """
        configure = Configure(self._service)
        found = configure.current(name)
        if on and found.connection.access_lost is not None:
            raise ConfigurationError(
                f"The connection is stopped: {found.connection.access_lost}",
                code="connection_stopped",
                fix="Put that right and let the connection go on; its health page shows what is wrong.",
            )
        configuration = _with_start(found.configuration, start_date)
        configuration = replace(configuration, sync=replace(configuration.sync, live=on))
        reason = "Live sync switched on" if on else "Live sync switched off"
        if configuration.sync.live == found.configuration.sync.live:
            reason = "Start date set"
        configure.save(name, configuration, based_on=based_on, reason=reason)
        return self.standing(name)


def _with_start(configuration: Configuration, start_date: date | None) -> Configuration:
    return replace(configuration, sync=replace(configuration.sync, start_date=start_date))
