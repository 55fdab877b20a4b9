"""What a poll asks for: one call, watched records with it, and what failing parts of it mean."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import httpx2
import pytest
from tests.unit.salesforce.fake_org import FakeOrg, page, querying, refusal, soql_of
from tests.unit.salesforce.test_reader import NOTICE_FIELDS, a_row, schema_of

from cpqbridge.errors import AccessLostError, ConfigurationError, TransientError
from cpqbridge.mapping.raw import GONE, WatchedGroup
from cpqbridge.salesforce.changes import Changes, Wanted
from cpqbridge.salesforce.qualification import Qualification

SINCE = datetime(2026, 1, 28, 14, 49, 5, tzinfo=UTC)
ACCOUNTS = WatchedGroup(object_name="Account", record_ids=("001A", "001B"))


def changes_of(org: FakeOrg) -> Changes:
    stamped = ("Id", "SystemModstamp")
    return Changes(org.client(), schema_of(Order=NOTICE_FIELDS, Account=stamped, Hidden=("Id",)))


def wanted(*groups: WatchedGroup, filter_text: str | None = None) -> Wanted:
    return Wanted(qualification=Qualification(filter=filter_text), since=SINCE, watched=groups)


def composite(*parts: tuple[int, object]) -> FakeOrg:
    answers = [
        {"body": body, "httpHeaders": {}, "httpStatusCode": status, "referenceId": f"query_{number}"}
        for number, (status, body) in enumerate(parts)
    ]
    headers = {"Date": "Wed, 28 Jan 2026 15:04:05 GMT"}
    return FakeOrg(lambda _: httpx2.Response(200, json={"compositeResponse": answers}, headers=headers))


def test_orders_and_watched_records_are_one_call() -> None:
    org = composite((200, page(a_row())), (200, page({"Id": "001A", "SystemModstamp": "s"})))
    found = changes_of(org).first(wanted(ACCOUNTS))
    assert [notice.order_id for notice in found.notices] == ["801A"]
    assert found.stamps == {"001A": "s", "001B": GONE}
    assert found.answered_at == datetime(2026, 1, 28, 15, 4, 5, tzinfo=UTC)
    assert found.next_page is None
    (body,) = org.bodies
    orders, accounts = (soql_of(part["url"]) for part in body["compositeRequest"])
    assert "SystemModstamp >= 2026-01-28T14:49:05Z" in orders
    assert accounts == "SELECT Id, SystemModstamp FROM Account WHERE Id IN ('001A', '001B')"


def test_without_anything_to_watch_it_is_a_plain_query() -> None:
    org = querying(lambda _: page())
    hidden = WatchedGroup(object_name="Hidden", record_ids=("a",))
    found = changes_of(org).first(wanted(hidden))
    assert (found.notices, found.stamps, found.answered_at) == ((), {}, None)
    assert [request.method for request in org.requests] == ["GET"]


def test_an_object_that_went_out_of_sight_is_passed_over_and_the_poll_goes_on() -> None:
    org = composite((200, page(a_row())), (400, refusal("INVALID_TYPE", "sObject type 'Account'")))
    found = changes_of(org).first(wanted(ACCOUNTS))
    assert (len(found.notices), found.stamps) == (1, {})


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [(401, "INVALID_SESSION_ID", AccessLostError), (503, "SERVER_UNAVAILABLE", TransientError)],
)
def test_a_part_that_may_pass_or_says_that_access_is_lost_fails_the_poll(
    status: int, code: str, kind: type[Exception]
) -> None:
    org = composite((200, page()), (status, refusal(code)))
    with pytest.raises(kind):
        changes_of(org).first(wanted(ACCOUNTS))


def test_a_filter_that_is_refused_beside_watched_records_is_blamed() -> None:
    org = composite((400, refusal("MALFORMED_QUERY", "Row:1:Column:9 unexpected token")), (200, page()))
    with pytest.raises(ConfigurationError) as caught:
        changes_of(org).first(wanted(ACCOUNTS, filter_text="Typo__c LIKE 'x'"))
    assert caught.value.code == "filter_refused"


def test_every_order_of_a_span_is_asked_for_with_the_deleted_ones() -> None:
    org = querying(lambda _: page({"Id": "801A", "SystemModstamp": "s"}))
    assert changes_of(org).all_orders(SINCE) == {"801A": "s"}
    (request,) = org.requests
    assert request.url.path.endswith("/queryAll/")
    assert json.dumps(soql_of(str(request.url))).count("SystemModstamp >= 2026-01-28T14:49:05Z") == 1
