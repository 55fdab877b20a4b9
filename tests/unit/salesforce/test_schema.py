"""What the org has: one call, absent objects remembered, paths followed through lookups."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest
from tests.unit.salesforce.fake_org import FakeOrg, refusal

from cpqbridge.errors import AccessLostError, ConfigurationError, RecordError
from cpqbridge.mapping.needs import FieldNeeds, ObjectNeeds
from cpqbridge.salesforce.schema import FieldSchema, ObjectSchema, OrgSchema, load_schema
from cpqbridge.salesforce.selection import load_needed_schema, selected_fields


def described(*fields: dict[str, Any], children: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {"fields": list(fields), "childRelationships": children or []}


def text_field(name: str) -> dict[str, Any]:
    return {"name": name, "type": "string", "length": 80, "updateable": True, "createable": True}


def lookup(name: str, relationship: str | None, *targets: str) -> dict[str, Any]:
    return {"name": name, "type": "reference", "relationshipName": relationship, "referenceTo": list(targets)}


def org_with(objects: dict[str, dict[str, Any]], *, refused: Any = None, status: int = 404) -> FakeOrg:
    """An org that describes these objects and refuses to describe any other."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        parts = json.loads(request.content)["compositeRequest"]
        names = [part["url"].split("/")[-2] for part in parts]
        answered = [
            {"httpStatusCode": 200, "body": objects[name]}
            if name in objects
            else {"httpStatusCode": status, "body": refused or refusal("NOT_FOUND")}
            for name in names
        ]
        return httpx2.Response(200, json={"compositeResponse": answered})

    return FakeOrg(answer)


ORDER = described(
    text_field("OrderNumber"),
    lookup("AccountId", "Account", "Account"),
    lookup("OwnerId", "Owner", "Group", "User"),
    {"name": "TotalAmount", "type": "currency", "scale": 2},
    children=[
        {"childSObject": "Note__c", "field": "Order__c", "relationshipName": "Notes__r"},
        {"childSObject": "Hidden__c", "field": "Order__c", "relationshipName": None},
    ],
)
ACCOUNT = described(text_field("Name"), lookup("ParentId", "Parent", "Account"))
USER = described(text_field("Email"))


def test_load_schema_asks_once_and_remembers_what_is_absent() -> None:
    org = org_with({"Order": ORDER, "Account": ACCOUNT})
    schema = load_schema(org.client(), ["Order", "Account", "Opportunity", "Order"])
    assert len(org.requests) == 1
    assert sorted(schema.objects) == ["Account", "Order"]
    assert schema.absent == {"Opportunity"}
    assert schema.has_object("Order")
    assert not schema.has_object("Opportunity")


def test_load_schema_when_more_than_a_composite_holds_asks_again() -> None:
    org = org_with({})
    schema = load_schema(org.client(), [f"Object{number}__c" for number in range(26)])
    assert (len(org.requests), len(schema.absent)) == (2, 26)


def test_load_schema_when_the_session_is_lost_raises() -> None:
    org = org_with({}, refused=refusal("INVALID_SESSION_ID"), status=401)
    with pytest.raises(AccessLostError):
        load_schema(org.client(), ["Order"])


def test_load_schema_when_a_describe_is_no_describe_stops() -> None:
    with pytest.raises(RecordError):
        load_schema(org_with({"Order": {"x": 1}}).client(), ["Order"])


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("OrderNumber", True),
        ("Account.Name", True),
        ("Account.Parent.Parent.Name", True),
        ("Owner.Email", True),
        ("Owner.Phone", False),
        ("AccountId.Name", False),
        ("Account", False),
        ("Opportunity.Name", False),
        ("Account.Parent.Parent.Parent.Parent.Parent.Name", False),
        ("", False),
        (".", False),
    ],
)
def test_has_follows_lookups_to_objects_that_exist(path: str, found: bool) -> None:
    schema = load_schema(
        org_with({"Order": ORDER, "Account": ACCOUNT, "User": USER}).client(), ["Order", "Account", "User"]
    )
    assert schema.has("Order", path) is found


def test_field_tells_type_and_scale() -> None:
    schema = load_schema(org_with({"Order": ORDER}).client(), ["Order"])
    field = schema.field("Order", "TotalAmount")
    assert field is not None
    assert (field.kind, field.scale, field.updateable) == ("currency", 2, False)
    assert schema.writable() == {"Order": {"OrderNumber"}}
    assert schema.child_list("Order", "Note__c", "Order__c") == "Notes__r"
    assert schema.child_list("Order", "Hidden__c", "Order__c") is None
    assert schema.child_list("Nothing", "Note__c", "Order__c") is None


def test_schema_when_stored_and_read_is_the_same() -> None:
    schema = load_schema(org_with({"Order": ORDER, "Account": ACCOUNT}).client(), ["Order", "Account", "X"])
    assert OrgSchema.from_dict(json.loads(json.dumps(schema.to_dict()))) == schema


def test_is_multi_currency_when_orders_have_a_currency() -> None:
    single = load_schema(org_with({"Order": ORDER}).client(), ["Order"])
    multi = load_schema(org_with({"Order": described(text_field("CurrencyIsoCode"))}).client(), ["Order"])
    assert (single.is_multi_currency, multi.is_multi_currency) == (False, True)


def need(*, required: tuple[str, ...], optional: tuple[str, ...] = (), name: str = "Order") -> ObjectNeeds:
    return ObjectNeeds(object_name=name, required=required, optional=optional)


def a_schema() -> OrgSchema:
    account = ObjectSchema(name="Account", fields={"Name": FieldSchema(name="Name", kind="string")})
    order = ObjectSchema(
        name="Order",
        fields={
            "Id": FieldSchema(name="Id", kind="id"),
            "Status": FieldSchema(name="Status", kind="picklist"),
            "AccountId": FieldSchema(
                name="AccountId", kind="reference", relationship="Account", targets=("Account",)
            ),
        },
    )
    return OrgSchema(objects={"Order": order, "Account": account}, absent=frozenset({"Opportunity"}))


def test_selected_fields_when_optional_ones_are_absent_leaves_them_out() -> None:
    wanted = need(required=("Status",), optional=("Account.Name", "Account.Phone", "Opportunity.Name"))
    assert selected_fields(a_schema(), wanted) == ("Account.Name", "Id", "Status")


@pytest.mark.parametrize(
    ("wanted", "field", "said"),
    [
        (need(required=("Account.Phone",)), "Order.Account.Phone", "The field Order.Account.Phone"),
        (need(required=("Id",), name="Opportunity"), "Opportunity.Id", "The object Opportunity"),
    ],
)
def test_selected_fields_when_a_required_one_is_absent_names_it(
    wanted: ObjectNeeds, field: str, said: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        selected_fields(a_schema(), wanted)
    assert (caught.value.code, caught.value.field) == ("salesforce_field_missing", field)
    assert caught.value.message.startswith(said)
    assert "permission set" in caught.value.fix


def test_load_needed_schema_follows_mapped_paths_to_further_objects() -> None:
    org = org_with({"Order": ORDER, "Account": ACCOUNT, "User": USER})
    mapped = need(required=("Owner.Email",))
    schema = load_needed_schema(org.client(), FieldNeeds(objects={"Order": mapped}))
    assert schema.has("Order", "Owner.Email")
    assert "Group" in schema.absent
    assert len(org.requests) == 2


def test_load_needed_schema_when_nothing_is_mapped_beyond_is_one_call() -> None:
    org = org_with({"Order": ORDER, "Account": ACCOUNT})
    load_needed_schema(org.client(), FieldNeeds(objects={"Order": need(required=("Account.Name",))}))
    assert len(org.requests) == 1
