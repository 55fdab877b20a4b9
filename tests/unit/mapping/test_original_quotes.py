"""Which original quote a contract's family is known by (B1.4)."""

from __future__ import annotations

import pytest

from cpqbridge.mapping.original_quotes import original_quote

PATH = "Opportunity.SBQQ__AmendedContract__r"


def a_row(**contract):
    return {"Opportunity": {"SBQQ__AmendedContract__r": contract}}


def made_by(kind, *, amended="a0zRoot"):
    master = {"SBQQ__Quote__c": amended} if amended else None
    return {
        "SBQQ__Quote__c": "a0zOwn",
        "SBQQ__Quote__r": {"SBQQ__Type__c": kind, "SBQQ__MasterContract__r": master},
    }


@pytest.mark.parametrize(
    ("row", "found"),
    [
        (a_row(SBQQ__Quote__c="a0zOwn"), "a0zOwn"),
        (a_row(**made_by("Quote", amended=None)), "a0zOwn"),
        # A renewal quote names the old contract too, but begins a family of its own.
        (a_row(**made_by("Renewal")), "a0zOwn"),
        (a_row(**made_by("Amendment")), "a0zRoot"),
        (a_row(**made_by("amendment")), "a0zRoot"),
        (a_row(**made_by("Amendment", amended=None)), "a0zOwn"),
        (a_row(SBQQ__Quote__c=" "), None),
        (a_row(SBQQ__Quote__c=7), None),
        ({"Opportunity": None}, None),
    ],
)
def test_original_quote_when_an_amendment_made_the_contract_is_that_of_the_amended_one(row, found):
    assert original_quote(row, PATH) == found
