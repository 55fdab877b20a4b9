"""The real client against the simulated org: calls counted, families whole, writing back harmless to repeat."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from cpqbridge.errors import AccessLostError, ConfigurationError, TransientError
from cpqbridge.mapping.configuration import default_configuration, parse_configuration
from cpqbridge.mapping.needs import FieldNeeds, field_needs
from cpqbridge.mapping.policies import DEFAULT_ACTIVATED_CONDITION
from cpqbridge.mapping.raw import OrderNotice, RawContract, WriteBackRecord
from cpqbridge.salesforce.client import SalesforceClient
from cpqbridge.salesforce.reader import SalesforceReader
from cpqbridge.salesforce.selection import load_needed_schema
from cpqbridge.salesforce.writer import write
from cpqbridge_sim.hosting import host
from cpqbridge_sim.salesforce.cpq.export import write_directory
from cpqbridge_sim.salesforce.cpq.sample import sample_org
from cpqbridge_sim.salesforce.org import Org
from cpqbridge_sim.salesforce.server import create_app

NOW = datetime(2027, 6, 1, tzinfo=UTC)
RECORDS = sample_org()
NEEDED_IN_AN_EXPORT = ("Order", "OrderItem", "Product2", "PricebookEntry", "Account", "SBQQ__Quote__c")


@dataclass(frozen=True, kw_only=True)
class Side:
    """A hosted org and a client on it."""

    org: Org
    client: SalesforceClient
    reader: SalesforceReader
    needs: FieldNeeds

    def orders(self, **changes: Any) -> list[OrderNotice]:
        wanted = {"filter": None, "since": None, "activated_since": None} | changes
        condition = wanted.pop("condition", DEFAULT_ACTIVATED_CONDITION)
        return list(self.reader.qualifying_orders(condition, **wanted))

    def read(self, notice: OrderNotice) -> tuple[RawContract, int]:
        """Return the contract and how many API calls it took."""
        before = self.org.usage()
        raw = self.reader.read_contract(notice, self.needs, condition=DEFAULT_ACTIVATED_CONDITION)
        return raw, self.org.usage() - before


NEEDS = field_needs(default_configuration())


@contextmanager
def opened(org: Org, *, token: str = "token", timeout_seconds: float = 30) -> Iterator[SalesforceClient]:
    """Host the org and open a client on it; both are closed again."""
    with (
        host(create_app(org)) as hosted,
        SalesforceClient(hosted.url, token, timeout_seconds=timeout_seconds) as client,
    ):
        yield client


@contextmanager
def connected(org: Org) -> Iterator[Side]:
    with opened(org) as client:
        reader = SalesforceReader(client, load_needed_schema(client, NEEDS))
        yield Side(org=org, client=client, reader=reader, needs=NEEDS)


def sample(**switches: Any) -> Org:
    org = Org(NOW, **switches)
    org.load(RECORDS)
    return org


@pytest.fixture(scope="module")
def whole() -> Iterator[Side]:
    """The sample org as it is; tests only read it."""
    with connected(sample()) as side:
        yield side


@pytest.fixture(scope="module", params=["lines name their contract", "lines revise each other"])
def bare(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Side]:
    """An export of the sample org that has only the objects an export must have."""
    folder = tmp_path_factory.mktemp("export")
    records = {name: RECORDS[name] for name in NEEDED_IN_AN_EXPORT}
    if request.param == "lines revise each other":
        lines = records["OrderItem"]
        records["OrderItem"] = [
            {key: line[key] for key in line if key != "SBQQ__Contract__c"} for line in lines
        ]
    write_directory(records, folder)
    org = Org(NOW)
    org.load_directory(folder)
    with connected(org) as side:
        yield side


@pytest.fixture
def small() -> Iterator[Side]:
    """An org of its own for tests that write."""
    with connected(sample()) as side:
        yield side


def ids(records: tuple[Any, ...]) -> set[str]:
    return {record["Id"] for record in records}


def test_schema_and_organization_are_one_call_each() -> None:
    org = sample()
    with connected(org) as side:
        assert org.usage() == 1
        organization = side.reader.organization()
        assert org.usage() == 2
    assert organization.org_id == org.organization_id
    assert organization.sandbox


def test_version_is_offered(whole: Side) -> None:
    whole.client.require_version()


def contracts_made(raw: RawContract) -> int:
    """Return how many quotes of amendments contracts of the family were made from."""
    made_from = {(item["SBQQ__Contract__r"] or {}).get("SBQQ__Quote__c") for item in raw.items}
    return len(made_from - {None, raw.root_id})


def further_calls(raw: RawContract) -> int:
    """Return the calls beyond the first: what is renewed, tiers of products, contracts of amendments."""
    return (raw.renewed is not None) + bool(raw.extra["ConsumptionRate"]) + contracts_made(raw)


def test_every_contract_is_read_in_one_call_and_alike_from_each_of_its_orders(whole: Side) -> None:
    families: dict[str, list[RawContract]] = {}
    for notice in whole.orders():
        raw, calls = whole.read(notice)
        assert calls == 1 + further_calls(raw), notice
        assert notice.order_id in ids(raw.orders)
        assert {item["OrderId"] for item in raw.items} <= ids(raw.orders)
        families.setdefault(raw.root_id, []).append(raw)
    assert all(raw == found[0] for found in families.values() for raw in found)
    assert sum(len(found[0].orders) > 1 for found in families.values()) >= 3


def amending(order: dict[str, Any], *, by_opportunity: str | None, by_quote: str) -> dict[str, list[dict]]:
    """Return an amendment in the shape of an export, whose opportunity and quote name contracts."""
    quote = {
        "Id": "a0zQy00000AmEnDIAF",
        "SBQQ__Type__c": "Amendment",
        "SBQQ__MasterContract__c": by_quote,
    }
    opportunity = {"Id": "006Qy00000AmEnDIAF", "SBQQ__AmendedContract__c": by_opportunity}
    changed = {
        "Id": "801Qy00000AmEnDIAF",
        "OrderNumber": "AMENDMENT",
        "SBQQ__Quote__c": quote["Id"],
        "OpportunityId": opportunity["Id"],
    }
    return {"SBQQ__Quote__c": [quote], "Opportunity": [opportunity], "Order": [order | changed]}


@pytest.mark.parametrize("by_opportunity", [True, False])
def test_amendment_when_opportunity_and_quote_differ_belongs_to_the_opportunitys_contract(
    by_opportunity: bool,
) -> None:
    first, second = [contract for contract in RECORDS["Contract"] if contract["SBQQ__Quote__c"]][:2]
    order = next(order for order in RECORDS["Order"] if order["StatusCode"] == "Activated")
    extra = amending(order, by_opportunity=first["Id"] if by_opportunity else None, by_quote=second["Id"])
    org = Org(NOW)
    org.load({name: [*rows, *extra.get(name, [])] for name, rows in RECORDS.items()})
    with connected(org) as side:
        families = {
            raw.root_id
            for notice in side.orders()
            if extra["Order"][0]["Id"] in ids((raw := side.read(notice)[0]).orders)
        }
    assert families == {(first if by_opportunity else second)["SBQQ__Quote__c"]}


def test_renewal_brings_the_records_of_the_contract_it_renews(whole: Side, bare: Side) -> None:
    found = {raw.root_id: raw for notice in whole.orders() if (raw := whole.read(notice)[0]).renewed}
    assert found
    for raw in found.values():
        old = raw.renewed
        assert old is not None
        # An amendment of the renewed contract names the new contract, not the old one.
        (renewal,) = {order["Opportunity"]["SBQQ__RenewedContract__c"] for order in raw.orders} - {None}
        assert old.contract is not None
        assert old.contract["Id"] == renewal
        assert old.contract["SBQQ__Quote__c"] == old.root_id
        expected, _ = whole.read(next(each for each in whole.orders() if each.root_quote_id == old.root_id))
        assert ids(old.orders) == ids(expected.orders)
        assert ids(old.items) == ids(expected.items)
        assert (old.extra, old.renewed) == ({}, None)
    for notice in bare.orders():
        expected = found.get(notice.root_quote_id)
        raw, _ = bare.read(notice)
        if expected is None or expected.renewed is None:
            assert raw.renewed is None
        elif any(item.get("SBQQ__Contract__c") for item in raw.items):
            assert raw.renewed is not None
            assert ids(raw.renewed.items) == ids(expected.renewed.items)


def test_numbers_come_exact(whole: Side) -> None:
    stored = {record["Id"]: record for record in RECORDS["OrderItem"]}
    raw, _ = whole.read(whole.orders()[0])
    for item in raw.items:
        for name in ("UnitPrice", "TotalPrice", "SBQQ__ProrateMultiplier__c"):
            value = item[name]
            assert value is None or isinstance(value, Decimal | int)
            assert value is None or Decimal(value) == Decimal(str(stored[item["Id"]][name]))


def adds_lines_only(raw: RawContract) -> bool:
    """Whether an amendment of the contract revises no line, so that nothing but the contract ties it there."""
    revising = {item["OrderId"] for item in raw.items if item["SBQQ__RevisedOrderProduct__c"]}
    return any(
        order["Opportunity"]
        and order["Opportunity"]["SBQQ__AmendedContract__c"]
        and order["Id"] not in revising
        for order in raw.orders
    )


def test_contracts_without_the_contract_object_are_found_through_their_lines(whole: Side, bare: Side) -> None:
    expected = {notice.order_id: whole.read(notice)[0] for notice in whole.orders()}
    notices = bare.orders()
    assert {notice.order_id for notice in notices} == set(expected)
    names_contracts = any(item.get("SBQQ__Contract__c") for item in bare.org.records("OrderItem"))
    for notice in notices:
        if not names_contracts and adds_lines_only(expected[notice.order_id]):
            continue
        raw, calls = bare.read(notice)
        renews, further = (
            expected[notice.order_id].renewed is not None,
            contracts_made(expected[notice.order_id]),
        )
        assert calls <= (5 if renews else 2) + further, notice
        assert raw.root_id == expected[notice.order_id].root_id
        assert ids(raw.orders) == ids(expected[notice.order_id].orders), notice
        assert ids(raw.items) == ids(expected[notice.order_id].items)
        assert raw.contract is None
        assert "Contract" in bare.reader._schema.absent


def test_orders_qualify_by_condition_filter_and_day(whole: Side) -> None:
    activated = whole.orders()
    everything = whole.orders(condition="")
    assert {notice.order_id for notice in activated} < {notice.order_id for notice in everything}
    assert all(notice.status_code == "Activated" for notice in activated)
    stamps = [notice.activated_at for notice in activated if notice.activated_at]
    assert stamps == sorted(stamps)
    later = whole.orders(activated_since=datetime(2026, 6, 1, tzinfo=UTC))
    assert {notice.order_id for notice in later} == {
        notice.order_id
        for notice in activated
        if notice.activated_at and notice.activated_at >= datetime(2026, 6, 1, tzinfo=UTC)
    }
    number = activated[0].order_number
    assert [notice.order_number for notice in whole.orders(filter=f"OrderNumber = '{number}'")] == [number]


def test_orders_changed_since_come_in_the_order_they_were_saved(small: Side) -> None:
    first, second = small.orders()[:2]
    small.org.set_clock(datetime(2027, 7, 1, tzinfo=UTC))
    small.org.update("Order", second.order_id, {"Description": "x"})
    small.org.update("Order", first.order_id, {"Description": "x"})
    found = small.orders(since=datetime(2027, 6, 30, tzinfo=UTC))
    assert [notice.order_id for notice in found] == [second.order_id, first.order_id]


@pytest.mark.parametrize("text", ["Typo__c = 'x'", "EffectiveDate = 'x'", "Account.Typo__c > 5"])
def test_filter_when_salesforce_cannot_read_it_is_named(whole: Side, text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        whole.orders(filter=text)
    assert caught.value.code == "filter_refused"
    with pytest.raises(ConfigurationError) as caught:
        whole.reader.read_contract(whole.orders()[0], whole.needs, filter=text)
    assert caught.value.code == "filter_refused"


def test_orders_that_qualify_are_told_by_salesforce(whole: Side) -> None:
    notice = next(notice for notice in whole.orders() if len(whole.read(notice)[0].orders) > 1)
    before = whole.org.usage()
    raw = whole.reader.read_contract(
        notice, whole.needs, condition="", filter=f"OrderNumber = '{notice.order_number}'"
    )
    assert whole.org.usage() - before == 1
    assert raw.qualifying_order_ids == {notice.order_id}
    assert len(raw.orders) > 1


def test_find_order_knows_long_and_short_ids_numbers_and_drafts(whole: Side) -> None:
    for notice in whole.orders(condition="")[:5] + whole.orders(condition="StatusCode = 'Draft'"):
        assert whole.reader.find_order(notice.order_id) == notice
        assert whole.reader.find_order(notice.order_id[:15]) == notice
        assert whole.reader.find_order(notice.order_number) == notice
    assert whole.reader.find_order("no such order' OR Id != '") is None


def test_stamps_move_when_an_order_is_saved(small: Side) -> None:
    notice = small.orders()[0]
    assert small.reader.read_stamps([notice.order_id]) == {notice.order_id: notice.modified_at}
    small.org.update("Order", notice.order_id, {"Description": "x"})
    assert small.reader.read_stamps([notice.order_id])[notice.order_id] > notice.modified_at


def write_back(side: Side, notice: OrderNotice) -> list[WriteBackRecord]:
    raw, _ = side.read(notice)
    lines = [
        WriteBackRecord(object_name="OrderItem", record_id=item["Id"], fields={"Stripe_ID__c": "price_1"})
        for item in raw.items
    ]
    return [
        *lines,
        WriteBackRecord(
            object_name="Order",
            record_id=notice.order_id,
            fields={
                "Stripe_ID__c": "sub_sched_1",
                "Stripe_Sync_Status__c": "Synced",
                "Stripe_Sync_Message__c": None,
            },
        ),
        WriteBackRecord(
            object_name="Stripe_Sync_Record__c",
            record_id=f"{notice.order_id}|{notice.order_id}",
            fields={"Order__c": notice.order_id, "Status__c": "Success"},
            external_id_field="Key__c",
        ),
    ]


def test_write_is_one_call_is_read_back_and_can_be_repeated(small: Side) -> None:
    notice = small.orders()[0]
    records = write_back(small, notice)
    before = small.org.usage()
    assert write(small.client, records) == ()
    assert small.org.usage() - before == 1
    assert write(small.client, records) == ()
    raw, _ = small.read(notice)
    (order,) = [order for order in raw.orders if order["Id"] == notice.order_id]
    assert (order["Stripe_ID__c"], order["Stripe_Sync_Status__c"]) == ("sub_sched_1", "Synced")
    assert {item["Stripe_ID__c"] for item in raw.items} == {"price_1"}
    (record,) = raw.extra["Stripe_Sync_Record__c"]
    assert (record["Key__c"], record["Status__c"]) == (f"{notice.order_id}|{notice.order_id}", "Success")


def test_write_when_one_record_is_wrong_saves_the_others(small: Side) -> None:
    notice = small.orders()[0]
    records = [
        *write_back(small, notice),
        WriteBackRecord(object_name="Account", record_id="001000000000000AAA", fields={"Stripe_ID__c": "x"}),
    ]
    (failure,) = write(small.client, records)
    assert (failure.object_name, failure.record_id, failure.retryable) == (
        "Account",
        "001000000000000AAA",
        False,
    )
    assert failure.fix
    order = small.org.record("Order", notice.order_id)
    assert order is not None
    assert order["Stripe_Sync_Status__c"] == "Synced"


def test_write_when_activated_orders_are_locked_keeps_the_sync_record() -> None:
    with connected(sample(edit_activated_orders=False)) as side:
        failures = write(side.client, write_back(side, side.orders()[0]))
    assert {failure.object_name for failure in failures} == {"Order", "OrderItem"}
    assert all("permission" in failure.fix for failure in failures)


def test_hidden_field_when_it_is_needed_is_named() -> None:
    org = sample(hidden_fields={"OrderItem": ["SBQQ__BillingFrequency__c"]})
    with connected(org) as side, pytest.raises(ConfigurationError) as caught:
        side.read(side.orders()[0])
    assert caught.value.field == "OrderItem.SBQQ__BillingFrequency__c"


def test_field_hidden_after_the_schema_was_read_is_a_configuration_error(small: Side) -> None:
    notice = small.orders()[0]
    with opened(sample(hidden_fields={"OrderItem": ["ServiceDate"]})) as client:
        reader = SalesforceReader(client, small.reader._schema)
        with pytest.raises(ConfigurationError) as caught:
            reader.read_contract(notice, small.needs)
    assert caught.value.field == "OrderItem.ServiceDate"
    assert caught.value.message.startswith("Salesforce refused the request: No such column 'ServiceDate'")


def test_token_when_unknown_loses_access() -> None:
    org = Org(NOW, tokens={"right"})
    with opened(org, token="wrong") as client, pytest.raises(AccessLostError):
        load_needed_schema(client, NEEDS)
    with opened(org, token="right") as client:
        assert load_needed_schema(client, NEEDS).objects


def test_daily_limit_when_reached_can_be_waited_out() -> None:
    with connected(sample(daily_limit=1)) as side, pytest.raises(TransientError) as caught:
        side.orders()
    assert caught.value.code == "salesforce_limit"


def test_dead_server_is_named_with_what_to_do() -> None:
    with host(create_app(Org(NOW))) as hosted:
        url = hosted.url
    with SalesforceClient(url, "token", timeout_seconds=2) as client, pytest.raises(TransientError) as caught:
        client.query("SELECT Id FROM Order")
    assert (caught.value.code, url.split("//")[1] in caught.value.message) == ("salesforce_unreachable", True)
    assert caught.value.fix


def test_prefixed_fields_are_read() -> None:
    needs = field_needs(parse_configuration({"mapping": {"salesforce_prefix": "Acme_"}}))
    with opened(sample(field_prefix="Acme_")) as client:
        schema = load_needed_schema(client, needs)
    assert schema.has("Order", "Acme_Stripe_ID__c")
    assert "Acme_Stripe_ID__c" in schema.writable()["OrderItem"]


def test_token_is_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    # Another test may have begun our own log, which quiets the library.
    caplog.set_level(logging.DEBUG, logger="httpx2")
    with caplog.at_level(logging.DEBUG), opened(sample(), token="00DQy!very-secret") as client:
        client.query("SELECT Id FROM Order LIMIT 1")
        with pytest.raises(ConfigurationError):
            client.query("SELECT Nothing__c FROM Order")
    assert caplog.records
    assert "very-secret" not in caplog.text
