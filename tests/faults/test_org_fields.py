"""The org's check list against the simulated org: what is missing, what may not be written, what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.faults.two_sides import NOW, TOKEN, one_line_orders

from cpqbridge.mapping.configuration import default_configuration, parse_configuration
from cpqbridge.mapping.fields import SYNC_RECORD_OBJECT, CouponFields
from cpqbridge.salesforce.client import SalesforceClient
from cpqbridge.sync.org_fields import FieldState, OrgCheck, OrgChecks, check_org
from cpqbridge_sim.hosting import host
from cpqbridge_sim.salesforce.org import Org
from cpqbridge_sim.salesforce.server import create_app


@contextmanager
def checked(org: Org, **configuration: object) -> Iterator[OrgChecks]:
    settings = parse_configuration({"version": 1, **configuration}) if configuration else None
    with host(create_app(org)) as hosted, SalesforceClient(hosted.url, TOKEN) as client:
        yield check_org(client, settings or default_configuration())


def an_org(**options: object) -> Org:
    org = Org(NOW, **options)
    org.load(one_line_orders()[0])
    return org


def found(checks: OrgChecks, name: str) -> OrgCheck:
    return next(each for each in checks.all if each.name == name)


def test_an_org_with_everything_needs_nothing() -> None:
    org = an_org()
    with checked(org) as checks:
        assert (checks.blocking, checks.incomplete) == ((), ())
        assert {each.state for each in checks.all} == {FieldState.OK}
        assert not any(each.fix for each in checks.all)


def test_an_org_without_the_package_says_so_first() -> None:
    org = an_org()
    org.metadata.limit_to(["Order", "OrderItem", "Account", "Product2", "PricebookEntry"])
    with checked(org) as checks:
        first = checks.blocking[0]
        assert (first.name, first.state) == ("SBQQ__Quote__c", FieldState.HIDDEN)
        assert "Install Salesforce CPQ" in first.fix
        assert "Assign the Salesforce CPQ licence" in first.fix


def test_a_field_that_prices_hang_on_blocks_when_it_is_hidden() -> None:
    org = an_org(hidden_fields={"OrderItem": ["SBQQ__BillingFrequency__c"]})
    with checked(org) as checks:
        assert [each.name for each in checks.blocking] == ["OrderItem.SBQQ__BillingFrequency__c"]
        assert "licence" in checks.blocking[0].fix


def test_a_field_of_the_mapping_that_is_not_there_blocks_and_names_the_mapping() -> None:
    mapping = {"mapping": {"customer": {"metadata.region": {"field": "Order.Account.Region__c"}}}}
    org = an_org()
    with checked(org, **mapping) as checks:
        (missing,) = checks.blocking
        assert missing.name.endswith("Account.Region__c")
        assert "mapping" in missing.fix


def test_our_fields_that_are_missing_are_named_and_nothing_is_blocked() -> None:
    with checked(an_org(), mapping={"salesforce_prefix": "Acme_"}) as checks:
        assert checks.blocking == ()
        missing = {each.name for each in checks.incomplete}
        assert {"Order.Acme_Stripe_ID__c", "Order.Acme_Stripe_Sync_Status__c"} <= missing
        assert not [name for name in missing if name.startswith(SYNC_RECORD_OBJECT)]
        skip = found(checks, "OrderItem.Acme_Skip_Line_Item__c")
        assert (skip.state, skip.is_fine) == (FieldState.HIDDEN, True)
        assert "Deploy our fields" in skip.fix


def test_coupons_are_nobodys_duty() -> None:
    org = an_org()
    names = [item.name for item in org.metadata.all() if "Coupon" not in item.name]
    org.metadata.limit_to(names)
    with checked(org) as checks:
        assert (checks.blocking, checks.incomplete) == ((), ())
        assert found(checks, CouponFields.OBJECT).state is FieldState.HIDDEN


@pytest.mark.parametrize("told", [True, False])
def test_who_may_not_edit_activated_orders_is_told(told: bool) -> None:
    org = an_org(edit_activated_orders=False)
    if not told:
        org.object_type("UserPermissionAccess").hidden = frozenset({"PermissionsEditActivatedOrders"})
    with checked(org) as checks:
        right = found(checks, "Edit Activated Orders")
        assert right.state is (FieldState.READ_ONLY if told else FieldState.UNKNOWN)
        assert (right in checks.incomplete) is told
        assert "Edit Activated Orders" in right.fix
