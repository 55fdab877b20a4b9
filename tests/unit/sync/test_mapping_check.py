"""Rules of the mapping against an org's schema: each mistake is named at its rule, with what to do."""

from __future__ import annotations

import pytest

from cpqbridge.mapping.mapping_section import parse_mapping
from cpqbridge.salesforce.schema import FieldSchema, ObjectSchema, OrgSchema
from cpqbridge.sync.mapping_check import MOST_METADATA_KEYS, rule_problems


def an_object(name: str, *fields: FieldSchema, **children: str) -> ObjectSchema:
    return ObjectSchema(name=name, fields={field.name: field for field in fields}, children=children)


def a_lookup(name: str, relationship: str, *targets: str) -> FieldSchema:
    return FieldSchema(name=name, kind="reference", relationship=relationship, targets=targets)


SCHEMA = OrgSchema(
    objects={
        each.name: each
        for each in (
            an_object(
                "Order",
                a_lookup("AccountId", "Account", "Account"),
                a_lookup("OwnerId", "Owner", "Group", "User"),
                a_lookup("Hidden__c", "Hidden__r", "Hidden__c"),
                FieldSchema(name="EffectiveDate", kind="date"),
                FieldSchema(name="TotalAmount", kind="currency", scale=2),
                FieldSchema(name="Seats__c", kind="double", scale=0),
                FieldSchema(name="BillingAddress", kind="address"),
                FieldSchema(name="Is_Taxed__c", kind="boolean"),
                **{"Delivery__c.Order__c": "Deliveries__r"},
            ),
            an_object(
                "Account",
                FieldSchema(name="Fax", kind="phone"),
                FieldSchema(name="Name", kind="string"),
            ),
            an_object("User", FieldSchema(name="Email", kind="email")),
        )
    },
    absent=frozenset({"Hidden__c", "Group"}),
)


def problems(stripe_object: str, parameter: str, path: str):
    rules = parse_mapping({stripe_object: {parameter: {"field": path}}}, "mapping")
    return rule_problems(rules, SCHEMA)


@pytest.mark.parametrize(
    ("stripe_object", "parameter", "path"),
    [
        ("customer", "phone", "Fax"),
        ("customer", "phone", "Order.Account.Fax"),
        ("customer", "metadata.seats", "Order.Seats__c"),
        ("customer", "email", "Order.Owner.Email"),
        ("phase", "automatic_tax.enabled", "Is_Taxed__c"),
        ("phase", "trial_end", "EffectiveDate"),
        ("subscription", "days_until_due", "Seats__c"),
        ("coupon", "duration_in_months", "Seats__c"),
        ("coupon", "amount_off", "TotalAmount"),
    ],
)
def test_a_rule_that_fits_has_no_problem(stripe_object: str, parameter: str, path: str) -> None:
    assert problems(stripe_object, parameter, path) == ()


@pytest.mark.parametrize(
    ("stripe_object", "parameter", "path", "says"),
    [
        ("customer", "phone", "Faks", "Account has no field Faks"),
        ("customer", "phone", "fax", "Did you mean Fax?"),
        ("customer", "phone", "Order.Acount.Fax", "Did you mean Account?"),
        ("customer", "phone", "Order.Deliveries__r.Name", "leads from Order to many records"),
        ("customer", "phone", "Order.Hidden__r.Name", "cannot see the object Hidden__c"),
        ("customer", "description", "Order.BillingAddress", "is of the type address"),
        ("phase", "automatic_tax.enabled", "TotalAmount", "takes true or false"),
        ("phase", "trial_end", "TotalAmount", "takes a date"),
        ("customer", "tax_exempt", "Order.Is_Taxed__c", "takes one of none, exempt, reverse"),
        ("coupon", "amount_off", "Account.Name", "takes an amount"),
    ],
)
def test_a_rule_that_does_not_fit_says_why_at_its_parameter(
    stripe_object: str, parameter: str, path: str, says: str
) -> None:
    (problem,) = problems(stripe_object, parameter, path)
    assert says in f"{problem.message} {problem.fix}"
    assert problem.path == f"mapping.{stripe_object}.{parameter}"


def test_fixed_values_need_no_org() -> None:
    assert rule_problems(parse_mapping({"customer": {"phone": {"value": "1"}}}, "mapping"), OrgSchema()) == ()


def test_more_metadata_than_stripe_takes_is_a_problem_of_each_key_too_many() -> None:
    rules = {f"metadata.key{number:02}": {"value": "x"} for number in range(MOST_METADATA_KEYS + 2)}
    found = rule_problems(parse_mapping({"customer": rules}, "mapping"), SCHEMA)
    assert [problem.parameter for problem in found] == ["metadata.key40", "metadata.key41"]
