"""What differs between two configuration documents, by dotted path."""

from __future__ import annotations

from cpqbridge.mapping.configuration_changes import configuration_changes


def test_settings_that_an_older_document_does_not_name_are_no_change() -> None:
    assert configuration_changes({"version": 1}, {"version": 1, "caps": {"cancels_per_hour": 20}}) == ()
    (change,) = configuration_changes({"unknown": {"of": 1}}, {"unknown": {"of": 2}})
    assert (change.path, change.before, change.after) == ("unknown.of", 1, 2)


def test_the_rule_of_a_parameter_is_one_value() -> None:
    """Its dots and those of metadata keys stay in the path; going from a field to a value is one change."""
    before = {"mapping": {"customer": {"metadata.region": {"field": "Account.Region__c"}}}}
    after = {"mapping": {"customer": {"metadata.region": {"value": "EMEA"}}}}
    (change,) = configuration_changes(before, after)
    assert change.path == "mapping.customer.metadata.region"
    assert (change.before, change.after) == ({"field": "Account.Region__c"}, {"value": "EMEA"})
