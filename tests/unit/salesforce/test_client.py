"""The REST client: what it sends, what it makes of answers and of silence, and what it never shows."""

from __future__ import annotations

import copy
import traceback
from datetime import UTC, datetime
from decimal import Decimal

import httpx2
import pytest
from tests.unit.salesforce.fake_org import (
    BASE,
    TOKEN,
    FakeOrg,
    answering,
    failing,
    page,
    querying,
    refusal,
    soql_of,
)

from cpqbridge.domain.calls import ApiUsage
from cpqbridge.errors import (
    AccessLostError,
    ConfigurationError,
    InvariantError,
    OutcomeUnknownError,
    RecordError,
    TransientError,
)
from cpqbridge.salesforce.client import SalesforceClient, Subrequest, query_path

READ = Subrequest(method="GET", path=query_path("SELECT Id FROM Order"), reference="a")
WRITE = Subrequest(method="PATCH", path="/composite/sobjects", reference="a", body={"records": []})


def composite_answer(*parts: tuple[int, object]) -> dict[str, object]:
    return {"compositeResponse": [{"httpStatusCode": status, "body": body} for status, body in parts]}


def test_query_sends_the_version_the_token_and_the_text() -> None:
    org = querying(lambda soql: page({"Id": soql}))
    answered = org.client().query("SELECT Id FROM Order WHERE Name = 'A&B+C'")
    assert answered["records"] == [{"Id": "SELECT Id FROM Order WHERE Name = 'A&B+C'"}]
    (request,) = org.requests
    assert request.url.path == "/services/data/v68.0/query/"
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"
    assert request.url.host == "acme.my.salesforce.com"


def test_query_when_long_travels_in_a_body() -> None:
    org = querying(lambda _: page({"Id": "1"}))
    org.client().query("SELECT Id FROM Order WHERE Name = '" + "x" * 20_000 + "'")
    (request,) = org.requests
    assert (request.method, request.url.path) == ("POST", "/services/data/v68.0/composite")
    assert len(str(request.url)) < 200


def test_query_when_long_and_refused_raises_what_the_part_says() -> None:
    body = composite_answer((400, refusal("MALFORMED_QUERY", "unexpected token")))
    with pytest.raises(InvariantError, match="unexpected token"):
        answering(200, body).client().query("x" * 20_000)


def test_numbers_are_decimals() -> None:
    client = answering(200, '{"totalSize":1,"done":true,"records":[{"TotalPrice":431.23}]}').client()
    assert client.query("x")["records"][0]["TotalPrice"] == Decimal("431.23")


def test_composite_sends_parts_in_order_and_independent() -> None:
    org = answering(200, composite_answer((200, page()), (404, refusal("NOT_FOUND"))))
    parts = [READ, Subrequest(method="GET", path="/sobjects/X/describe", reference="b")]
    first, second = org.client().composite(parts, writes=False)
    assert (first.is_success, second.is_success) == (True, False)
    assert second.problem_codes == {"NOT_FOUND"}
    assert isinstance(second.failure(writes=False), RecordError)
    (body,) = org.bodies
    assert body["allOrNone"] is False
    assert soql_of(body["compositeRequest"][0]["url"]) == "SELECT Id FROM Order"
    assert [part["referenceId"] for part in body["compositeRequest"]] == ["a", "b"]


@pytest.mark.parametrize(
    "parts", [[READ] * 6, [WRITE] * 6, [Subrequest(method="GET", path="/x", reference="x")] * 26]
)
def test_composite_when_too_large_is_not_sent(parts: list[Subrequest]) -> None:
    org = answering(200, {})
    with pytest.raises(InvariantError) as caught:
        org.client().composite(parts, writes=False)
    assert caught.value.code == "salesforce_composite_too_large"
    assert org.requests == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        "null",
        {"compositeResponse": []},
        {"compositeResponse": [{"body": 1}]},
        {"compositeResponse": [7]},
        "<html>ok</html>",
    ],
)
def test_composite_when_the_answer_has_another_shape_stops(body: object) -> None:
    with pytest.raises(RecordError) as caught:
        answering(200, body).client().composite([READ], writes=False)
    assert caught.value.code == "salesforce_unexpected"


@pytest.mark.parametrize("body", [{}, {"records": []}, {"records": {}, "done": True}, [], "7"])
def test_query_when_the_answer_has_another_shape_stops(body: object) -> None:
    with pytest.raises(RecordError) as caught:
        answering(200, body).client().query("x")
    assert caught.value.code == "salesforce_unexpected"


@pytest.mark.parametrize(
    "url", [None, "", "https://evil.com/services/x", "//evil.com/services/", "services/x", "/services/a b", 7]
)
def test_next_page_when_it_leads_elsewhere_is_not_followed(url: object) -> None:
    org = answering(200, page())
    with pytest.raises(RecordError):
        org.client().next_page(url)
    assert org.requests == []


def test_redirect_is_not_followed() -> None:
    org = answering(302, "", location="https://evil.com/")
    with pytest.raises(RecordError):
        org.client().query("x")
    assert len(org.requests) == 1


@pytest.mark.parametrize("error", [httpx2.ConnectError("refused"), httpx2.ConnectTimeout("slow")])
@pytest.mark.parametrize("writes", [True, False])
def test_unreachable_when_reading_or_writing_can_be_tried_again(error: Exception, writes: bool) -> None:
    with pytest.raises(TransientError) as caught:
        failing(error).client().composite([READ], writes=writes)
    assert caught.value.code == "salesforce_unreachable"
    assert "acme.my.salesforce.com" in caught.value.message
    assert caught.value.fix


@pytest.mark.parametrize(
    "error", [httpx2.ReadTimeout("slow"), httpx2.ReadError("reset"), httpx2.RemoteProtocolError("cut")]
)
def test_lost_answer_is_unknown_for_a_write_and_repeatable_for_a_read(error: Exception) -> None:
    with pytest.raises(TransientError):
        failing(error).client().composite([READ], writes=False)
    with pytest.raises(OutcomeUnknownError):
        failing(error).client().composite([WRITE], writes=True)


def test_token_when_refused_loses_access() -> None:
    org = answering(401, refusal("INVALID_SESSION_ID", "Session expired or invalid"))
    with pytest.raises(AccessLostError) as caught:
        org.client().query("x")
    assert caught.value.fix


def test_retry_after_of_the_answer_is_kept() -> None:
    with pytest.raises(TransientError) as caught:
        answering(503, "<html>", **{"Retry-After": "12"}).client().query("x")
    assert caught.value.retry_after_seconds == 12


def test_usage_and_server_time_of_the_last_answer_are_kept() -> None:
    headers = {
        "Sforce-Limit-Info": "api-usage=18/115000, per-app-api-usage=17/250(appName=x)",
        "Date": "Fri, 20 Nov 2026 09:30:00 GMT",
    }
    client = answering(200, page(), **headers).client()
    assert client.api_usage is None
    client.query("x")
    assert client.api_usage == ApiUsage(used=18, allowed=115000)
    assert client.server_time == datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


def test_usage_when_headers_are_missing_or_odd_is_left_alone() -> None:
    client = answering(200, page(), **{"Sforce-Limit-Info": "per-app-api-usage=1/2", "Date": "soon"}).client()
    client.query("x")
    assert (client.api_usage, client.server_time) == (None, None)


def test_require_version_when_the_org_has_it_passes() -> None:
    answering(200, [{"version": "67.0"}, {"version": "68.0"}]).client().require_version()


@pytest.mark.parametrize("body", [[], [{"version": "66.0"}], {"x": 1}, "null", "[3]"])
def test_require_version_when_the_org_lags_is_refused(body: object) -> None:
    with pytest.raises(ConfigurationError) as caught:
        answering(200, body).client().require_version()
    assert caught.value.code == "salesforce_version"


@pytest.mark.parametrize("token", ["", "a b", "a\nb", "tökén", "a\x00"])
def test_token_when_no_token_can_look_like_it_is_refused(token: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        SalesforceClient(BASE, token)
    assert caught.value.code == "salesforce_token"
    assert token == "" or token not in str(caught.value)


def test_values_that_cannot_be_sent_are_our_mistake() -> None:
    part = Subrequest(method="PATCH", path="/x", reference="a", body={"records": [{"A": object()}]})
    with pytest.raises(InvariantError):
        answering(200, {}).client().composite([part], writes=True)


def test_decimals_and_dates_are_sent_exact() -> None:
    org = answering(200, composite_answer((200, [])))
    body = {"records": [{"A": Decimal("1E+2"), "B": datetime(2026, 1, 1, tzinfo=UTC).date(), "C": None}]}
    org.client().composite(
        [Subrequest(method="PATCH", path="/x", reference="a", body=copy.deepcopy(body))], writes=True
    )
    assert org.bodies[0]["compositeRequest"][0]["body"]["records"] == [
        {"A": "100", "B": "2026-01-01", "C": None}
    ]


@pytest.mark.parametrize(
    "org",
    [
        failing(httpx2.ConnectError("no")),
        failing(httpx2.ReadTimeout("no")),
        answering(401, refusal("INVALID_SESSION_ID")),
        answering(500, "<html>"),
        answering(200, "nonsense"),
    ],
)
def test_token_is_shown_nowhere(org: FakeOrg) -> None:
    client = org.client()
    assert TOKEN not in repr(client)
    with pytest.raises(Exception) as caught:
        client.composite([READ], writes=True)
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + str(vars(caught.value))
    assert TOKEN not in shown
