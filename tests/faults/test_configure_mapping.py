"""A mapping is checked against the org when it is saved, and what was saved reaches Stripe."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.faults.two_sides import KEY, TOKEN, connect, service, two_sides

from cpqbridge.errors import ConfigurationError
from cpqbridge.mapping.configuration import Configuration
from cpqbridge.mapping.mapping_section import parse_mapping
from cpqbridge.sync.configure import Configure
from cpqbridge.sync.service import SyncService


def with_rules(opened: SyncService, rules: dict[str, object]) -> Configuration:
    return replace(opened.configuration(None), mapping=parse_mapping(rules, "mapping"))


def test_a_field_the_org_lacks_is_refused_when_the_mapping_is_saved(tmp_path: Path) -> None:
    with two_sides() as sides, service(tmp_path) as opened:
        connect(opened, sides)
        configure = Configure(opened)
        wrong = with_rules(opened, {"customer": {"description": {"field": "Account.Naame"}}})
        with pytest.raises(ConfigurationError) as caught:
            configure.save(None, wrong)
        assert (caught.value.code, caught.value.field) == ("mapping_unfit", "mapping.customer.description")
        assert caught.value.fix == "Did you mean Name?"
        assert configure.current(None).version == 1


def test_objects_beyond_those_a_sync_reads_are_asked_for_once(tmp_path: Path) -> None:
    with two_sides() as sides, service(tmp_path) as opened:
        connect(opened, sides)
        opened.open(None)
        before = sides.org_log.count
        salesforce = opened.open(None).salesforce
        assert salesforce.describe({"Order", "Pricebook2", "SBQQ__Subscription__c"}).has_object(
            "SBQQ__Subscription__c"
        )
        salesforce.describe({"SBQQ__Subscription__c"})
        assert sides.org_log.count == before + 1


def test_what_is_mapped_reaches_stripe_with_the_next_sync(tmp_path: Path) -> None:
    with two_sides() as sides, service(tmp_path) as opened:
        connect(opened, sides)
        rules = {"customer": {"metadata.region": {"value": "EMEA"}, "description": {"field": "Account.Name"}}}
        Configure(opened).save(None, with_rules(opened, rules), based_on=1)
        opened.sync(None, sides.order_id)
        (customer,) = sides.objects("customer")
        assert customer["metadata"]["region"] == "EMEA"
        assert customer["description"] == "Customer 0"


def test_a_connection_is_not_made_with_a_mapping_that_does_not_fit(tmp_path: Path) -> None:
    with two_sides() as sides, service(tmp_path) as opened:
        with pytest.raises(ConfigurationError) as caught:
            opened.add_connection(
                name="x",
                salesforce_url=sides.salesforce_url,
                salesforce_token=TOKEN,
                stripe_key=KEY,
                stripe_api_base=sides.stripe_url,
                configuration=Configuration(
                    mapping=parse_mapping({"phase": {"trial_end": {"field": "TotalAmount"}}}, "mapping")
                ),
            )
        assert caught.value.code == "mapping_unfit"
        assert opened.connections() == ()


def test_a_rule_that_broke_since_stops_no_change_of_another_object(tmp_path: Path) -> None:
    """The org took a mapped field away: other objects can be mapped, and the rule itself is refused."""
    with two_sides() as sides, service(tmp_path) as opened:
        connect(opened, sides)
        configure = Configure(opened)
        rules = {"customer": {"description": {"field": "Account.Phone"}}}
        configure.save(None, with_rules(opened, rules))
        sides.org.object_type("Account").hidden = frozenset({"Phone"})
        rules["product"] = {"unit_label": {"value": "seat"}}
        assert configure.save(None, with_rules(opened, rules)) == 3
        rules["customer"]["metadata.phone"] = {"field": "Account.Phone"}
        with pytest.raises(ConfigurationError) as caught:
            configure.save(None, with_rules(opened, rules))
        assert caught.value.code == "mapping_unfit"
