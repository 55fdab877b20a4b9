"""What is wrong with preferences, all at once, and which filters are asked for before a save."""

from __future__ import annotations

import pytest

from cpqbridge.errors import ConfigurationError
from cpqbridge.mapping.configuration import configuration_document, default_configuration
from cpqbridge.mapping.policies import Filters
from cpqbridge.mapping.policy_words import POLICY_WORDS
from cpqbridge.sync.filter_check import changed_filters, checked_filters
from cpqbridge.sync.preferences import _REACHES_RUNNING, problems


def test_a_document_without_mistakes_has_no_problems():
    assert problems(configuration_document(default_configuration())) == {}


def test_every_mistake_is_found_and_the_document_stays_as_it_is():
    document = configuration_document(default_configuration())
    document["sync"] |= {"poll_seconds": 0, "api_share": "all"}
    document["policy"]["credits"] = "perhaps"
    document["caps"]["bill_per_order"] = "much"
    document["currency"] = "dollars"
    document["colour"] = "red"
    before = repr(document)
    found = problems(document)
    assert sorted(found) == [
        *("caps.bill_per_order", "colour", "currency", "policy.credits"),
        *("sync.api_share", "sync.poll_seconds"),
    ]
    assert repr(document) == before


def test_what_is_no_file_at_all_is_one_problem():
    (error,) = problems({"sync": "often"}).values()
    assert "section" in (error.fix or "") + error.message


def test_only_filters_that_are_set_and_changed_are_asked_for():
    before = Filters(order="A = 1", account="B = 1")
    after = Filters(order="A = 2", account="B = 1", product="C = 1", activated=None)
    assert changed_filters(before, after) == ("filters.Order", "filters.Product2")
    assert changed_filters(after, Filters(activated=None)) == ()


def test_an_error_about_something_else_than_the_filter_is_not_taken_for_it():
    class Org:
        def count_matching(self, filters, setting):
            raise ConfigurationError(
                "No field.", code="salesforce_field_missing", field="OrderItem.X", fix="x"
            )

    with pytest.raises(ConfigurationError) as caught:
        checked_filters(Org(), Filters(order="A = 1"))
    assert caught.value.code == "salesforce_field_missing"


def test_every_policy_that_reaches_running_contracts_says_so_before_it_is_saved():
    reaching = {f"policy.{words.name}" for words in POLICY_WORDS if words.reaches_running}
    assert reaching <= _REACHES_RUNNING.keys()
    assert {"filters.Account", "filters.Product2", "policy.time_zone", "currency"} <= _REACHES_RUNNING.keys()
