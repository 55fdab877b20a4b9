"""The reader beside what the contract tests see: pages, odd answers, and whose fault a refused query is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from tests.unit.salesforce.fake_org import FakeOrg, answering, page, querying, refusal, soql_of

from cpqbridge.errors import ConfigurationError, InvariantError, RecordError
from cpqbridge.mapping.configuration import default_configuration
from cpqbridge.mapping.needs import field_needs
from cpqbridge.mapping.policies import DEFAULT_ACTIVATED_CONDITION
from cpqbridge.mapping.raw import OrderNotice
from cpqbridge.salesforce.notices import notice_from
from cpqbridge.salesforce.reader import SalesforceReader
from cpqbridge.salesforce.schema import FieldSchema, ObjectSchema, OrgSchema

NOTICE_FIELDS = ("Id", "OrderNumber", "StatusCode", "ActivatedDate", "SystemModstamp", "SBQQ__Quote__c")


def schema_of(**objects: tuple[str, ...]) -> OrgSchema:
    return OrgSchema(
        objects={
            name: ObjectSchema(
                name=name, fields={field: FieldSchema(name=field, kind="string") for field in fields}
            )
            for name, fields in objects.items()
        }
    )


def reader_of(org: FakeOrg) -> SalesforceReader:
    return SalesforceReader(org.client(), schema_of(Order=NOTICE_FIELDS))


def a_row(order_id: str = "801A", **fields: Any) -> dict[str, Any]:
    row = {
        "Id": order_id,
        "OrderNumber": "00000101",
        "StatusCode": "Activated",
        "ActivatedDate": "2026-01-28T15:04:05.000+0000",
        "SystemModstamp": "2026-01-28T15:06:05.000+0000",
        "SBQQ__Quote__c": "a0Q1",
    }
    return row | fields


def test_notice_of_an_initial_order_names_its_own_quote() -> None:
    assert notice_from(a_row()) == OrderNotice(
        order_id="801A",
        order_number="00000101",
        quote_id="a0Q1",
        root_quote_id="a0Q1",
        contract_id=None,
        status_code="Activated",
        activated_at=datetime(2026, 1, 28, 15, 4, 5, tzinfo=UTC),
        modified_at="2026-01-28T15:06:05.000+0000",
    )


@pytest.mark.parametrize(
    ("fields", "contract_id", "root"),
    [
        (
            {
                "Opportunity": {
                    "SBQQ__AmendedContract__c": "800A",
                    "SBQQ__AmendedContract__r": {"SBQQ__Quote__c": "a0R"},
                }
            },
            "800A",
            "a0R",
        ),
        (
            {
                "Opportunity": None,
                "SBQQ__Quote__r": {
                    "SBQQ__Type__c": "amendment",
                    "SBQQ__MasterContract__c": "800B",
                    "SBQQ__MasterContract__r": {"SBQQ__Quote__c": "a0S"},
                },
            },
            "800B",
            "a0S",
        ),
        ({"SBQQ__Quote__r": {"SBQQ__Type__c": "Renewal", "SBQQ__MasterContract__c": "800B"}}, None, "a0Q1"),
        ({"SBQQ__Quote__r": {"SBQQ__Type__c": "Amendment"}}, None, "a0Q1"),
        ({"Opportunity": {"SBQQ__AmendedContract__c": "800A"}}, "800A", None),
        ({"SBQQ__Quote__c": None}, None, None),
    ],
)
def test_notice_tells_the_contract_and_its_original_quote(
    fields: dict[str, Any], contract_id: str | None, root: str | None
) -> None:
    notice = notice_from(a_row(**fields))
    assert (notice.contract_id, notice.root_quote_id) == (contract_id, root)


@pytest.mark.parametrize("stamp", [None, "", "soon", 7])
def test_notice_when_the_activation_is_unreadable_has_none(stamp: object) -> None:
    assert notice_from(a_row(ActivatedDate=stamp)).activated_at is None


def test_qualifying_orders_reads_every_page_until_done() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("-2000"):
            return httpx2.Response(200, json=page(a_row("801C")))
        return httpx2.Response(
            200, json=page(a_row("801A"), a_row("801B"), next_url="/services/data/v68.0/query/01g-2000")
        )

    org = FakeOrg(answer)
    found = list(reader_of(org).qualifying_orders("", filter=None, since=None, activated_since=None))
    assert [notice.order_id for notice in found] == ["801A", "801B", "801C"]
    assert len(org.requests) == 2


def test_qualifying_orders_when_a_page_is_short_or_empty_goes_on() -> None:
    pages = iter([page(next_url="/services/data/v68.0/query/a-1"), page(a_row("801A"))])
    org = FakeOrg(lambda _: httpx2.Response(200, json=next(pages)))
    found = list(reader_of(org).qualifying_orders("", filter=None, since=None, activated_since=None))
    assert [notice.order_id for notice in found] == ["801A"]


def test_qualifying_orders_joins_every_condition_in_parentheses() -> None:
    org = querying(lambda _: page())
    list(
        reader_of(org).qualifying_orders(
            "StatusCode = 'Activated' OR Force__c = true",
            filter="Type = 'New'",
            since=datetime(2026, 11, 20, 9, 45, tzinfo=UTC),
            activated_since=datetime(2026, 1, 1, tzinfo=UTC),
        )
    )
    where = soql_of(str(org.requests[0].url)).split(" WHERE ")[1]
    assert where == (
        "(StatusCode = 'Activated' OR Force__c = true) AND (Type = 'New') "
        "AND SystemModstamp >= 2026-11-20T09:45:00Z AND ActivatedDate >= 2026-01-01T00:00:00Z "
        "ORDER BY SystemModstamp ASC, Id ASC"
    )


def test_qualifying_orders_when_a_filter_reaches_outside_is_refused_before_any_call() -> None:
    org = querying(lambda _: page())
    with pytest.raises(ConfigurationError):
        list(
            reader_of(org).qualifying_orders("", filter="A = 1) OR (B = 2", since=None, activated_since=None)
        )
    assert org.requests == []


@pytest.mark.parametrize(
    "problem",
    [
        refusal("MALFORMED_QUERY", "value of filter criterion must be of another type"),
        refusal("INVALID_FIELD", "No such column 'Typo__c' on entity 'Order'."),
    ],
)
def test_refused_query_when_an_admin_typed_it_is_the_filters_fault(problem: object) -> None:
    reader = reader_of(answering(400, problem))
    with pytest.raises(ConfigurationError) as caught:
        list(reader.qualifying_orders("", filter="Typo__c LIKE 'x'", since=None, activated_since=None))
    assert (caught.value.code, caught.value.field) == ("filter_refused", "filters.Order")
    assert problem[0]["message"].rstrip(".") in caught.value.message


def test_refused_query_when_nobody_typed_anything_is_ours() -> None:
    reader = reader_of(answering(400, refusal("MALFORMED_QUERY", "unexpected token")))
    with pytest.raises(InvariantError):
        list(reader.qualifying_orders("", filter=None, since=None, activated_since=None))


def test_refused_field_when_the_filter_does_not_name_it_is_not_blamed_on_it() -> None:
    reader = reader_of(
        answering(400, refusal("INVALID_FIELD", "No such column 'SBQQ__Quote__c' on entity 'Order'."))
    )
    with pytest.raises(ConfigurationError) as caught:
        list(reader.qualifying_orders("", filter="Type = 'New'", since=None, activated_since=None))
    assert caught.value.code == "salesforce_configuration"


@pytest.mark.parametrize(
    ("typed", "where"),
    [
        ("801Qy00000AbCdEIAV", "(Id = '801Qy00000AbCdEIAV' OR OrderNumber = '801Qy00000AbCdEIAV')"),
        (" 801Qy00000AbCdE ", "(Id = '801Qy00000AbCdEIAV' OR OrderNumber = '801Qy00000AbCdE')"),
        ("00000101", "OrderNumber = '00000101'"),
        ("O'Hara", "OrderNumber = 'O\\'Hara'"),
        ("801Qy00000AbCdEXXX", "OrderNumber = '801Qy00000AbCdEXXX'"),
    ],
)
def test_find_order_takes_ids_and_numbers(typed: str, where: str) -> None:
    org = querying(lambda _: page(a_row()))
    found = reader_of(org).find_order(typed)
    assert found is not None
    assert soql_of(str(org.requests[0].url)).split(" WHERE ")[1] == f"{where} ORDER BY Id"


def test_find_order_when_there_is_none_or_several() -> None:
    assert reader_of(querying(lambda _: page())).find_order("1") is None
    with pytest.raises(RecordError) as caught:
        reader_of(querying(lambda _: page(a_row("801A"), a_row("801B")))).find_order("1")
    assert caught.value.code == "order_ambiguous"


def test_read_stamps_asks_once_for_many_and_leaves_out_the_vanished() -> None:
    org = querying(lambda _: page({"Id": "801A", "SystemModstamp": "x"}))
    assert reader_of(org).read_stamps(["801A", "801B"]) == {"801A": "x"}
    assert len(org.requests) == 1


def test_read_stamps_when_more_than_a_query_takes_stays_one_call() -> None:
    org = querying(lambda _: page())
    reader_of(org).read_stamps([f"801{number:05}" for number in range(2_500)])
    assert len(org.requests) == 1
    assert reader_of(org).read_stamps([]) == {}


def test_organization_when_the_answer_names_none_stops() -> None:
    with pytest.raises(RecordError):
        reader_of(querying(lambda _: page())).organization()


def a_contract_schema() -> OrgSchema:
    """Everything that is needed, flat, without Contract, and with sync records as a child list of Order."""
    needs = field_needs(default_configuration())
    order = {path.partition(".")[0] for path in needs.of("Order").required}
    item = {path.partition(".")[0] for path in needs.of("OrderItem").required}
    related = {
        "SBQQ__Quote__r": ("SBQQ__Quote__c", needs.of("Order").required),
        "Account": ("Account", needs.of("Order").required),
        "Product2": ("Product2", needs.of("OrderItem").required),
        "PricebookEntry": ("PricebookEntry", needs.of("OrderItem").required),
    }
    plain = schema_of(
        Order=tuple(order - related.keys()),
        OrderItem=tuple(item - related.keys()),
        Stripe_Sync_Record__c=("Id", "Order__c", "Key__c"),
        **{
            target: tuple(path.split(".")[1] for path in paths if path.startswith(f"{name}."))
            for name, (target, paths) in related.items()
        },
    )
    objects = dict(plain.objects)
    for owner, names in (
        ("Order", ("SBQQ__Quote__r", "Account")),
        ("OrderItem", ("Product2", "PricebookEntry")),
    ):
        fields = dict(objects[owner].fields)
        for name in names:
            fields[f"to {name}"] = FieldSchema(
                name=f"to {name}", kind="reference", relationship=name, targets=(related[name][0],)
            )
        objects[owner] = ObjectSchema(
            name=owner,
            fields=fields,
            children={"Stripe_Sync_Record__c.Order__c": "Records__r"} if owner == "Order" else {},
        )
    return OrgSchema(objects=objects)


def a_notice() -> OrderNotice:
    return notice_from(a_row())


def test_read_contract_takes_children_out_of_their_lists_to_the_last_page() -> None:
    more = "/services/data/v68.0/query/01g-1"

    def run(soql: str) -> dict[str, Any]:
        if " FROM Order WHERE" in soql:
            return page(a_row(Records__r=page({"Id": "r1"}, next_url=more)), a_row("801B", Records__r=None))
        return page()

    inner = querying(run)

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == more:
            return httpx2.Response(200, json=page({"Id": "r2"}))
        return inner._answer(request)

    org = FakeOrg(answer)
    raw = SalesforceReader(org.client(), a_contract_schema()).read_contract(
        a_notice(), field_needs(default_configuration()), condition=DEFAULT_ACTIVATED_CONDITION
    )
    assert [record["Id"] for record in raw.extra["Stripe_Sync_Record__c"]] == ["r1", "r2"]
    assert [record["Id"] for record in raw.orders] == ["801A", "801B"]
    assert all("Records__r" not in record for record in raw.orders)
    assert raw.qualifying_order_ids == {"801A", "801B"}
    assert raw.org_url == "https://acme.my.salesforce.com"
    assert raw.contract is None


@pytest.mark.parametrize(
    ("condition", "filter_", "asked", "qualifying"),
    [
        (None, None, False, None),
        ("", None, False, {"801A", "801D"}),
        (DEFAULT_ACTIVATED_CONDITION, None, False, {"801A"}),
        (DEFAULT_ACTIVATED_CONDITION, "Type = 'New'", True, {"801D"}),
        ("Ready__c = true", None, True, {"801D"}),
    ],
)
def test_read_contract_asks_salesforce_only_where_the_rows_do_not_tell(
    condition: str | None, filter_: str | None, asked: bool, qualifying: set[str] | None
) -> None:
    seen: list[str] = []

    def run(soql: str) -> dict[str, Any]:
        seen.append(soql)
        if soql.startswith("SELECT Id FROM Order "):
            return page({"Id": "801D"})
        return page(a_row(), a_row("801D", StatusCode="Draft")) if " FROM Order WHERE" in soql else page()

    raw = SalesforceReader(querying(run).client(), a_contract_schema()).read_contract(
        a_notice(), field_needs(default_configuration()), condition=condition, filter=filter_
    )
    assert any(soql.startswith("SELECT Id FROM Order ") for soql in seen) is asked
    assert raw.qualifying_order_ids == qualifying


def test_read_contract_when_something_required_is_hidden_names_it_before_any_call() -> None:
    org = querying(lambda _: page())
    reader = SalesforceReader(org.client(), schema_of(Order=NOTICE_FIELDS, OrderItem=("Id",)))
    with pytest.raises(ConfigurationError) as caught:
        reader.read_contract(a_notice(), field_needs(default_configuration()))
    assert caught.value.code == "salesforce_field_missing"
    assert org.requests == []
