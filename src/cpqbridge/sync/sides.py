"""The real two sides of a connection, with retries; opened once per process and kept."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from cpqbridge.domain.billing import BilledInvoice, StepAction
from cpqbridge.domain.order import OrderHistory, OrderLine, Parameters
from cpqbridge.domain.parameters import fingerprint
from cpqbridge.domain.schedule_standing import ENDED, ScheduleStanding
from cpqbridge.errors import ConfigurationError, TransientError
from cpqbridge.mapping.configuration import Configuration
from cpqbridge.mapping.fields import SYNC_RECORD_OBJECT
from cpqbridge.mapping.history import order_history
from cpqbridge.mapping.needs import FieldNeeds, field_needs
from cpqbridge.mapping.policies import Filters
from cpqbridge.mapping.precision_lines import lines_that_tell_precision
from cpqbridge.mapping.raw import OrderNotice, RawContract, WatchedGroup, WriteBackRecord
from cpqbridge.salesforce.changes import ChangesPage, Wanted
from cpqbridge.salesforce.client import SalesforceClient
from cpqbridge.salesforce.inspection import Inspection, MatchCount
from cpqbridge.salesforce.qualification import Qualification
from cpqbridge.salesforce.reader import SalesforceReader
from cpqbridge.salesforce.schema import OrgSchema, load_schema
from cpqbridge.salesforce.selection import load_needed_schema
from cpqbridge.salesforce.sync_records import Deleted, delete_oldest
from cpqbridge.salesforce.writer import WriteFailure
from cpqbridge.store.intents import call_of_key
from cpqbridge.stripe_billing.billed import contract_invoices
from cpqbridge.stripe_billing.client import EventsPage, StripeBilling
from cpqbridge.stripe_billing.customer_records import CustomerRecords, read_customer
from cpqbridge.stripe_billing.reader import price_parameters, schedule_standing
from cpqbridge.sync.find_again import SentCall, find_again
from cpqbridge.sync.retry import Retries
from cpqbridge.sync.task import root_of
from cpqbridge.sync.writing import write_all

Result = TypeVar("Result")

_MULTIPLIER = "SBQQ__ProrateMultiplier__c"
_OTHER_FIELDS_NOW = frozenset({"salesforce_configuration", "salesforce_field_missing"})
_NO_SUCH_FIELD = "INVALID_FIELD"
_MOST_BEGINNINGS = 3


class OrgFields:
    """What is known about the org's fields; described again when the org says that they are others now."""

    def __init__(
        self, client: SalesforceClient, schema: OrgSchema, *, describe: Callable[[], OrgSchema]
    ) -> None:
        """Begin with what was known; `describe` asks the org and keeps its answer."""
        self._client = client
        self._describe = describe
        self._known = (schema, SalesforceReader(client, schema))
        # Objects that no query reads: they are shown to people who map fields.
        self._further = OrgSchema()

    @property
    def schema(self) -> OrgSchema:
        """Return the fields as they are known now."""
        return self._known[0]

    def describe_again(self) -> None:
        """Ask the org for its fields."""
        schema = self._describe()
        self._known = (schema, SalesforceReader(self._client, schema))
        self._further = OrgSchema()

    def with_objects(
        self, object_names: Collection[str], describe: Callable[[Collection[str]], OrgSchema]
    ) -> OrgSchema:
        """Return what is known, with these objects too; `describe` asks the org for those that are not."""
        known = self._further.merged(self.schema)
        unknown = set(object_names) - known.objects.keys() - known.absent
        if unknown:
            self._further = self._further.merged(describe(sorted(unknown)))
        return self._further.merged(self.schema)

    def reading(self, read: Callable[[SalesforceReader], Result]) -> Result:
        """Return what `read` returns; it is done again with fresh knowledge when a field was not there.

        Raises:
            ConfigurationError: the field is really missing.
        """
        try:
            return read(self._known[1])
        except ConfigurationError as error:
            if error.code not in _OTHER_FIELDS_NOW:
                raise
        self.describe_again()
        return read(self._known[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class SalesforceOrg:
    """`SalesforceSide` over the real client."""

    client: SalesforceClient
    fields: OrgFields
    needs: FieldNeeds
    configuration: Configuration
    retries: Retries

    def find_order(self, id_or_number: str) -> OrderNotice | None:
        """Return the notice of an order by id or number, None when there is none."""
        return self._read(lambda reader: reader.find_order(id_or_number))

    def qualifying_orders(
        self, *, since: datetime | None, activated_since: datetime | None = None
    ) -> Iterator[OrderNotice]:
        """Yield the orders that qualify (B1.1), changed at or after `since`.

        `activated_since` takes the place of the configured start date.
        """
        filters = self.configuration.filters
        return iter(
            self._read(
                lambda reader: tuple(
                    reader.qualifying_orders(
                        filters.activated or "",
                        filter=filters.order,
                        since=since,
                        activated_since=activated_since or self.configuration.activated_since,
                    )
                )
            )
        )

    def changes(
        self, *, since: datetime | None, watched: Sequence[WatchedGroup] = ()
    ) -> Iterator[ChangesPage]:
        """Yield what changed at or after `since`, page by page, one call each."""
        wanted = Wanted(
            qualification=Qualification.of(self.configuration.filters),
            since=since,
            activated_since=self.configuration.activated_since,
            watched=watched,
        )
        page = self._read(lambda reader: reader.changes.first(wanted))
        yield page
        again = 0
        while (further := page.next_page) is not None:
            found = self._read(partial(_next_page, further))
            if found is None and again == _MOST_BEGINNINGS:
                raise TransientError(
                    f"Salesforce gave up a long list in the middle {again + 1} times.",
                    code="salesforce_pages_ended",
                    fix="Nothing was changed; the list is read again by itself.",
                )
            if found is None:
                # Pages end with the session. What was yielded comes again, and is known by its stamp.
                again += 1
                found = self._read(lambda reader: reader.changes.first(replace(wanted, watched=())))
            page = found
            yield page

    def stamps_since(self, since: datetime) -> Mapping[str, str]:
        """Return the stamp of every order saved or deleted at or after `since` by id, qualifying or not."""
        return self._read(lambda reader: reader.changes.all_orders(since))

    def read_contract(self, notice: OrderNotice) -> RawContract:
        """Return every record of the order's contract, read now."""
        filters = self.configuration.filters
        return self._read(
            lambda reader: reader.read_contract(
                notice,
                self.needs,
                condition=filters.activated or "",
                filter=filters.order,
                further=filters,
            ),
            step=f"contract {root_of(notice)}",
        )

    def history(self, raw: RawContract) -> OrderHistory:
        """Return the contract as the mapper understands it with this org's fields and the configuration."""
        multiplier = self.fields.schema.field("OrderItem", _MULTIPLIER)
        return order_history(
            raw, self.configuration, multiplier_decimals=multiplier.scale if multiplier else None
        )

    def describe(self, object_names: Collection[str]) -> OrgSchema:
        """Return the fields of these objects, with everything else that is known of the org.

        Each object is asked for once while the connection is open.
        """
        return self.fields.with_objects(
            object_names,
            lambda names: self.retries.call(partial(load_schema, self.client, names), step="describe"),
        )

    def drafted(self, configuration: Configuration) -> SalesforceOrg:
        """Return the same org read with another configuration, which is not saved."""
        needs = field_needs(configuration)
        fields = OrgFields(
            self.client,
            self.describe(()),
            describe=lambda: self.retries.call(partial(load_needed_schema, self.client, needs)),
        )
        return replace(self, configuration=configuration, needs=needs, fields=fields)

    def read_stamps(self, order_ids: Collection[str]) -> Mapping[str, str]:
        """Return each order's present modification stamp by id."""
        asked = sorted(order_ids)
        return self._read(
            lambda reader: reader.read_stamps(asked), step=f"stamps {asked[0] if asked else ''}"
        )

    def write(self, records: Sequence[WriteBackRecord], *, root_id: str) -> Sequence[WriteFailure]:
        """Write records of a contract and return those that were not taken; see `writing.write_all`."""
        failures = write_all(self.client, records, self.retries, step=f"write {root_id}")
        if any(failure.code == _NO_SUCH_FIELD for failure in failures):
            # The next write leaves out what the org no longer has.
            self.fields.describe_again()
        return failures

    def count_matching(self, filters: Filters, setting: str) -> MatchCount:
        """Return how many records meet one of these filters; see `Inspection.count`."""
        inspection = Inspection(self.client, self.fields.schema)
        return self.retries.call(partial(inspection.count, filters, setting), step=f"count {setting}")

    def lines_that_tell_precision(self) -> Sequence[OrderLine]:
        """Return the newest order lines that can show the org's prorate precision, one call."""
        schema = self.fields.schema
        items = self.retries.call(Inspection(self.client, schema).precision_items, step="precision")
        multiplier = schema.field("OrderItem", _MULTIPLIER)
        return lines_that_tell_precision(items, multiplier_decimals=multiplier.scale if multiplier else None)

    def delete_sync_records(self, *, keep: int) -> Deleted:
        """Delete the oldest resolved Sync Records beyond `keep`, at most a thousand at a time."""
        if SYNC_RECORD_OBJECT not in self.writable():
            return Deleted(count=0)
        return self.retries.call(partial(delete_oldest, self.client, keep=keep), step="delete sync records")

    def close(self) -> None:
        """Close the connections."""
        self.client.close()

    def writable(self) -> Mapping[str, frozenset[str]]:
        """Return the names of the fields that may be written, by object."""
        return self.fields.schema.writable()

    def _read(self, read: Callable[[SalesforceReader], Result], *, step: str = "") -> Result:
        return self.fields.reading(lambda reader: self.retries.call(partial(read, reader), step=step))


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeAccountSide:
    """`StripeSide` over the real client."""

    client: StripeBilling
    retries: Retries

    def perform(
        self,
        action: StepAction,
        parameters: Mapping[str, object],
        *,
        target: str | None,
        idempotency_key: str,
    ) -> Mapping[str, Any]:
        """Make one call and return the object it made or changed."""
        return self.retries.call(
            lambda: self.client.perform(action, parameters, target=target, idempotency_key=idempotency_key),
            step=call_of_key(idempotency_key),
        )

    def find_taken(self, action: StepAction, parameters: Mapping[str, object]) -> Mapping[str, Any] | None:
        """Return the object that holds the caller-chosen id or lookup key of `parameters`."""
        return self.retries.call(
            lambda: self.client.find_by_key(action, parameters), step=f"find {fingerprint(parameters)}"
        )

    def find_made(self, sent: SentCall) -> Mapping[str, Any] | None:
        """Look for what an earlier call made or changed, by its key or by listing, not by search."""
        return self.retries.call(partial(find_again, self.client, sent), step=f"find {_place_of(sent)}")

    def find_shown(self, stripe_id: str) -> Mapping[str, Any] | None:
        """Return the schedule or invoice of this id; of any other kind what is known: its id."""
        client = self.client
        if stripe_id.startswith("sub_sched_"):
            return self.retries.call(partial(client.retrieve_schedule, stripe_id), step=f"read {stripe_id}")
        if stripe_id.startswith("in_"):
            return self.retries.call(partial(client.retrieve_invoice, stripe_id), step=f"read {stripe_id}")
        return {"id": stripe_id}

    def made_for(self, *, customer_id: str) -> Sequence[Mapping[str, Any]]:
        """Return the schedules and invoices (drafts too, with their lines) of a customer."""
        client = self.client
        schedules = self.retries.call(
            lambda: tuple(client.list_schedules(customer_id=customer_id)), step=f"schedules {customer_id}"
        )
        invoices = self.retries.call(
            lambda: tuple(client.list_invoices(customer_id=customer_id, drafts=True)),
            step=f"invoices {customer_id}",
        )
        return (*schedules, *invoices)

    def verified_prices(self, price_ids: Collection[str]) -> Mapping[str, Parameters]:
        """Return what Stripe says about these prices, without those it does not know."""
        found: dict[str, Parameters] = {}
        for price_id in sorted(price_ids):
            price = self.retries.call(partial(self.client.retrieve_price, price_id), step=f"read {price_id}")
            if price is not None:
                found[price_id] = price_parameters(price)
        return found

    def contract_invoices(
        self, *, customer_id: str, order_item_ids: Collection[str]
    ) -> tuple[BilledInvoice, ...]:
        """Return the customer's invoices with a line for one of these order lines, drafts too, oldest first.

        Void and uncollectible ones are left out; see `cpqbridge.stripe_billing.billed` for the calls made.
        """
        return self.retries.call(
            partial(contract_invoices, self.client, customer_id=customer_id, order_item_ids=order_item_ids),
            step=f"billed {customer_id}",
        )

    def customer_records(self, *, customer_id: str) -> CustomerRecords:
        """Return everything that bills a customer; see `cpqbridge.stripe_billing.customer_records`."""
        return self.retries.call(
            partial(read_customer, self.client, customer_id), step=f"customer {customer_id}"
        )

    def balance_transactions(self, *, customer_id: str) -> Sequence[Mapping[str, Any]]:
        """Return what moved a customer's balance, newest first."""
        return self.retries.call(
            lambda: tuple(self.client.list_balance_transactions(customer_id=customer_id)),
            step=f"balance {customer_id}",
        )

    def running_schedules(self) -> Iterator[Mapping[str, Any]]:
        """Yield every schedule of the account that has not ended, page by page."""
        return (each for each in self.client.list_schedules() if each.get("status") not in ENDED)

    def events_page(self, types: Sequence[str], *, since: datetime, after: str | None) -> EventsPage:
        """Return events of these types made at or after `since`, newest first, those older than `after`."""
        return self.retries.call(
            lambda: self.client.events_page(types, since=since, after=after), step=f"events {types[0]}"
        )

    def schedule_standing(self, schedule_id: str) -> ScheduleStanding:
        """Return a schedule as it stands in Stripe, one call; a missing one has the status missing."""
        read = partial(self.client.retrieve_schedule, schedule_id, with_prices=True)
        return schedule_standing(schedule_id, self.retries.call(read, step=f"read {schedule_id}"))

    def close(self) -> None:
        """Close the connections."""
        self.client.close()


def _next_page(next_page: str, reader: SalesforceReader) -> ChangesPage | None:
    """Return a further page, None where the list was given up and has to begin anew."""
    try:
        return reader.changes.next(next_page)
    except TransientError as error:
        if error.code == "salesforce_pages_ended":
            return None
        raise


def _place_of(sent: SentCall) -> str:
    return sent.target or fingerprint(sent.parameters)
