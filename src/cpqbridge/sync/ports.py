"""What a sync asks of the two sides. The real ones are in `sides`; tests hand in their own."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from cpqbridge.domain.billing import BilledInvoice, StepAction
from cpqbridge.domain.order import OrderHistory, OrderLine, Parameters
from cpqbridge.domain.schedule_standing import ScheduleStanding
from cpqbridge.mapping.configuration import Configuration
from cpqbridge.mapping.policies import Filters
from cpqbridge.mapping.raw import OrderNotice, RawContract, WatchedGroup, WriteBackRecord
from cpqbridge.salesforce.changes import ChangesPage
from cpqbridge.salesforce.inspection import MatchCount
from cpqbridge.salesforce.schema import OrgSchema
from cpqbridge.salesforce.sync_records import Deleted
from cpqbridge.salesforce.writer import WriteFailure
from cpqbridge.store.connections import Connection
from cpqbridge.stripe_billing.client import EventsPage
from cpqbridge.stripe_billing.customer_records import CustomerRecords
from cpqbridge.sync.find_again import SentCall


class SalesforceSide(Protocol):
    """One org, read and written for one connection; calls that may pass are tried again inside."""

    def find_order(self, id_or_number: str) -> OrderNotice | None:
        """Return the notice of an order by id or number, None when there is none."""
        ...

    def qualifying_orders(
        self, *, since: datetime | None, activated_since: datetime | None = None
    ) -> Iterator[OrderNotice]:
        """Yield the orders that qualify (B1.1), changed at or after `since`.

        `activated_since` takes the place of the configured start date.
        """
        ...

    def changes(
        self, *, since: datetime | None, watched: Sequence[WatchedGroup] = ()
    ) -> Iterator[ChangesPage]:
        """Yield what changed at or after `since`, page by page, one call each.

        These are the orders that qualify and, on the first page, the stamps of `watched`, whenever saved: up
        to four groups of up to 500 ids.
        """
        ...

    def stamps_since(self, since: datetime) -> Mapping[str, str]:
        """Return the stamp of every order saved or deleted at or after `since` by id, qualifying or not."""
        ...

    def read_contract(self, notice: OrderNotice) -> RawContract:
        """Return every record of the order's contract, read now."""
        ...

    def history(self, raw: RawContract) -> OrderHistory:
        """Return the contract as the mapper understands it with this org's fields and the configuration."""
        ...

    def describe(self, object_names: Collection[str]) -> OrgSchema:
        """Return the fields of these objects, with everything else that is known of the org."""
        ...

    def drafted(self, configuration: Configuration) -> SalesforceSide:
        """Return the same org read with another configuration, which is not saved."""
        ...

    def read_stamps(self, order_ids: Collection[str]) -> Mapping[str, str]:
        """Return each order's present modification stamp by id."""
        ...

    def write(self, records: Sequence[WriteBackRecord], *, root_id: str) -> Sequence[WriteFailure]:
        """Write records of a contract in one call and return those that were not taken."""
        ...

    def count_matching(self, filters: Filters, setting: str) -> MatchCount:
        """Return how many records meet one of these filters, as the org counts them."""
        ...

    def lines_that_tell_precision(self) -> Sequence[OrderLine]:
        """Return the newest order lines that can show the org's prorate precision."""
        ...

    def delete_sync_records(self, *, keep: int) -> Deleted:
        """Delete the oldest resolved Sync Records beyond `keep`, at most a thousand at a time."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...

    def writable(self) -> Mapping[str, frozenset[str]]:
        """Return the names of the fields that may be written, by object."""
        ...


class StripeSide(Protocol):
    """One account; calls that may pass are tried again inside, with the same idempotency key."""

    def perform(
        self,
        action: StepAction,
        parameters: Mapping[str, object],
        *,
        target: str | None,
        idempotency_key: str,
    ) -> Mapping[str, Any]:
        """Make one call and return the object it made or changed."""
        ...

    def find_taken(self, action: StepAction, parameters: Mapping[str, object]) -> Mapping[str, Any] | None:
        """Return the object that holds the caller-chosen id or lookup key of `parameters`."""
        ...

    def find_made(self, sent: SentCall) -> Mapping[str, Any] | None:
        """Look for what an earlier call made or changed, by its key or by listing, not by search."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...

    def find_shown(self, stripe_id: str) -> Mapping[str, Any] | None:
        """Return the schedule, subscription or invoice of this id, None when the account has none."""
        ...

    def made_for(self, *, customer_id: str) -> Sequence[Mapping[str, Any]]:
        """Return the schedules and invoices (drafts too, with their lines) of a customer."""
        ...

    def verified_prices(self, price_ids: Collection[str]) -> Mapping[str, Parameters]:
        """Return what Stripe says about these prices, without those it does not know."""
        ...

    def contract_invoices(
        self, *, customer_id: str, order_item_ids: Collection[str]
    ) -> tuple[BilledInvoice, ...]:
        """Return the customer's invoices with a line for one of these order lines, drafts too, oldest first.

        Void and uncollectible ones are left out.
        """
        ...

    def customer_records(self, *, customer_id: str) -> CustomerRecords:
        """Return everything that bills a customer; see `cpqbridge.stripe_billing.customer_records`."""
        ...

    def balance_transactions(self, *, customer_id: str) -> Sequence[Mapping[str, Any]]:
        """Return what moved a customer's balance, newest first."""
        ...

    def running_schedules(self) -> Iterator[Mapping[str, Any]]:
        """Yield every schedule of the account that has not ended, page by page."""
        ...

    def events_page(self, types: Sequence[str], *, since: datetime, after: str | None) -> EventsPage:
        """Return events of these types made at or after `since`, newest first, those older than `after`."""
        ...

    def schedule_standing(self, schedule_id: str) -> ScheduleStanding:
        """Return a schedule as it stands in Stripe, one call; a missing one has the status missing."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenConnection:
    """A connection with its configuration and both sides, ready for use."""

    connection: Connection
    configuration: Configuration
    salesforce: SalesforceSide
    stripe: StripeSide

    @property
    def connection_id(self) -> int:
        """Return the id every row carries."""
        return self.connection.connection_id

    @property
    def namespace(self) -> str:
        """Return what keeps idempotency keys of two orgs or accounts apart."""
        facts = self.connection.facts
        return f"{facts.org_id}:{facts.stripe_account_id}"
