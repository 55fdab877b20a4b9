"""Troubles of an org: planned by control or in process, and what a client then sees."""

from __future__ import annotations

from datetime import timedelta

import httpx2
import pytest
from tests.contract.salesforce_sim.simulated_org import DATA, NOW, ORDER_1, ORDER_2, ORDER_3, Rest

from cpqbridge_sim.fault_plan import planned_of
from cpqbridge_sim.hosting import host
from cpqbridge_sim.salesforce.org import Org
from cpqbridge_sim.salesforce.server import create_app

ORDER = f"{DATA}/sobjects/Order/{ORDER_1}"
OURS = "Stripe_Sync_Status__c"
SOON = timedelta(minutes=5)


def saved(org: Org) -> object:
    return org.record("Order", ORDER_1).get(OURS)


def write(rest: Rest, **options) -> httpx2.Response:
    return rest.patch(ORDER, {OURS: "Synced"}, **options)


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ({"kind": "bad_request"}, 400, "MALFORMED_QUERY"),
        ({"kind": "unauthorized"}, 401, "INVALID_SESSION_ID"),
        ({"kind": "forbidden"}, 403, "INSUFFICIENT_ACCESS_OR_READONLY"),
        ({"kind": "not_found"}, 404, "NOT_FOUND"),
        ({"kind": "conflict"}, 409, "CONFLICT"),
        ({"kind": "rate_limit"}, 429, "REQUEST_LIMIT_EXCEEDED"),
        ({"kind": "request_limit"}, 403, "REQUEST_LIMIT_EXCEEDED"),
        ({"kind": "request_limit", "reason": "concurrent"}, 403, "REQUEST_LIMIT_EXCEEDED"),
        ({"kind": "row_lock"}, 400, "UNABLE_TO_LOCK_ROW"),
        ({"kind": "server_error"}, 500, "UNKNOWN_EXCEPTION"),
        ({"kind": "server_error", "status": 503}, 503, "SERVER_UNAVAILABLE"),
        ({"kind": "query_timeout"}, 400, "QUERY_TIMEOUT"),
        ({"kind": "query_locator"}, 400, "INVALID_QUERY_LOCATOR"),
    ],
)
def test_a_whole_request_is_refused_and_nothing_is_saved(org, rest, fault, status, code):
    org.faults.add(planned_of(fault))
    answer = write(rest)
    assert (answer.status_code, answer.json()[0]["errorCode"], saved(org)) == (status, code, None)
    assert write(rest).status_code == 204
    assert saved(org) == "Synced"


def test_a_limit_says_when_to_come_back_only_if_told(org, rest):
    org.faults.plan("rate_limit", retry_after=7)
    org.faults.plan("rate_limit")
    assert [write(rest).headers.get("Retry-After") for _ in range(2)] == ["7", None]


@pytest.mark.parametrize(("when", "kept"), [("before", None), ("after", "Synced")])
@pytest.mark.parametrize("kind", ["reset", "timeout", "cut"])
def test_a_lost_answer_leaves_the_outcome_open(org, rest, kind, when, kept):
    org.faults.plan(kind, when=when, method="PATCH")
    with pytest.raises(httpx2.TransportError):
        write(rest)
    assert saved(org) == kept
    assert write(rest).status_code == 204


@pytest.mark.parametrize(("when", "kept"), [("before", None), ("after", "Synced")])
@pytest.mark.parametrize("status", [200, 502, 503])
def test_a_page_may_come_where_an_answer_should(org, rest, serve, status, when, kept):
    org.faults.plan("html", status=status, when=when)
    answer = write(rest)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "text/html; charset=UTF-8")
    assert (answer.text.startswith("<!DOCTYPE html>"), saved(org)) == (True, kept)
    shown = rest.get("/_sim/requests").json()["requests"][-1]
    assert (shown["status"], shown["fault"]) == (status, f"html {status} {when}")


def test_an_error_after_the_effect_keeps_it(org, rest):
    org.faults.plan("server_error", status=503, when="after")
    assert write(rest).status_code == 503
    assert saved(org) == "Synced"


def test_a_cut_answer_is_half_of_the_true_one(org, rest):
    org.faults.plan("cut", when="after")
    with rest.http.stream("GET", ORDER) as answer:
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
        with pytest.raises(httpx2.RemoteProtocolError):
            answer.read()
    assert 0 < answer.num_bytes_downloaded < int(answer.headers["Content-Length"])


def test_a_slow_answer_takes_its_time(org, rest):
    org.faults.plan("latency", seconds=0.05, seconds_max=0.1)
    answer = write(rest)
    assert answer.elapsed.total_seconds() >= 0.05
    assert saved(org) == "Synced"


def test_a_server_that_is_down_refuses_connections(org):
    with host(create_app(org)) as hosted, httpx2.Client() as client:
        address = f"{hosted.url}/services/data/"
        assert client.get(address).status_code == 200
        with hosted.refusing():
            for _ in range(2):
                with pytest.raises(httpx2.ConnectError):
                    httpx2.get(address)
        assert client.get(address).status_code == 200
        org.faults.plan("refused", seconds=0.2)
        with pytest.raises(httpx2.TransportError):
            client.get(address)
        with pytest.raises(httpx2.ConnectError):
            client.get(address)
    assert org.faults.told()["struck"][-1]["kind"] == "refused"


def composite(rest: Rest, *parts: dict) -> list[tuple[int, object]]:
    body = {"allOrNone": False, "compositeRequest": list(parts)}
    answered = rest.call("POST", "composite", json=body).json()["compositeResponse"]
    return [(each["httpStatusCode"], each["body"]) for each in answered]


def part(number: int, order_id: str) -> dict:
    url = f"{DATA}/sobjects/Order/{order_id}"
    return {"method": "PATCH", "url": url, "referenceId": f"part{number}", "body": {OURS: "Synced"}}


def test_a_row_lock_strikes_so_many_records_of_a_collection(org, rest):
    org.faults.plan("row_lock", sobject="Order", times=2)
    records = [
        {"attributes": {"type": "Order"}, "Id": each, OURS: "Synced"} for each in (ORDER_1, ORDER_2, ORDER_3)
    ]
    results = rest.call("PATCH", "composite/sobjects", json={"records": records}).json()
    assert [each["success"] for each in results] == [False, False, True]
    assert results[0]["errors"][0]["statusCode"] == "UNABLE_TO_LOCK_ROW"
    again = rest.call("PATCH", "composite/sobjects", json={"records": records}).json()
    assert [each["success"] for each in again] == [True] * 3


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("validation", "FIELD_CUSTOM_VALIDATION_EXCEPTION"),
        ("flow", "CANNOT_EXECUTE_FLOW_TRIGGER"),
        ("trigger", "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"),
    ],
)
def test_a_rule_refuses_one_record_in_its_own_words(org, rest, kind, code):
    org.faults.plan(kind, record=ORDER_2, message="Orders of Acme need a purchase order.")
    answers = composite(rest, part(1, ORDER_1), part(2, ORDER_2))
    assert [status for status, _ in answers] == [204, 400]
    assert answers[1][1][0] == {"errorCode": code, "message": "Orders of Acme need a purchase order."}
    assert [status for status, _ in composite(rest, part(1, ORDER_2))] == [204]


def test_a_part_of_a_composite_request_is_refused_by_itself(org, rest):
    org.faults.plan("query_timeout", part=True, path="*/query/")
    query = {"method": "GET", "url": f"{DATA}/query/?q=SELECT+Id+FROM+Order", "referenceId": "orders"}
    answers = composite(rest, query, part(1, ORDER_1))
    assert [status for status, _ in answers] == [400, 204]
    assert [status for status, _ in composite(rest, query)] == [200]


def test_short_pages_hold_every_row_once(org, rest):
    org.faults.plan("short_pages", rows=2, path="*/query*", times=9)
    page = rest.query("SELECT Id FROM OrderItem ORDER BY Id").json()
    seen = [row["Id"] for row in page["records"]]
    sizes = [len(seen)]
    while not page["done"]:
        page = rest.get(page["nextRecordsUrl"]).json()
        sizes.append(len(page["records"]))
        seen += [row["Id"] for row in page["records"]]
    assert max(sizes) == 2
    assert seen == sorted(row["Id"] for row in org.records("OrderItem"))


def orders_seen(rest: Rest, condition: str = "") -> set[str]:
    return {row["Id"] for row in rest.rows(f"SELECT Id FROM Order{condition}")}


def test_a_row_is_seen_later_than_its_stamp_says(org, rest):
    org.faults.plan("lag", sobject="Order", seconds=240)
    org.update("Order", ORDER_1, {"Name": "changed"})
    changed = " WHERE Name = 'changed'"
    org.set_clock(NOW + timedelta(seconds=239))
    assert orders_seen(rest, changed) == set()
    write(rest)
    org.set_clock(NOW + SOON)
    assert orders_seen(rest, changed) == {ORDER_1}
    # What was saved in between is kept, with its later stamp.
    assert saved(org) == "Synced"
    assert str(org.record("Order", ORDER_1)["SystemModstamp"]) == "2026-11-20T10:03:59.000+0000"
    org.update("Order", ORDER_2, {"Name": "changed"})
    assert orders_seen(rest, changed) == {ORDER_1, ORDER_2}


def test_a_new_row_is_not_there_before_it_is_seen(org, rest):
    before = orders_seen(rest)
    org.faults.plan("lag", seconds=60, seconds_max=600, times=2)
    made = org.insert("Order", {"Name": "late"})
    assert rest.get(f"sobjects/Order/{made}").status_code == 404
    assert rest.get("/_sim/faults").json()["unseen"] == 1
    org.set_clock(NOW + timedelta(minutes=10))
    assert orders_seen(rest) == {*before, made}
    stamp = str(org.record("Order", made)["SystemModstamp"])
    assert stamp < "2026-11-20T10:00:01"


def test_faults_wait_for_what_they_fit(org, rest):
    entry = {"kind": "row_lock", "method": "PATCH", "path": "*/sobjects/Order/*", "skip": 1, "times": 2}
    assert rest.call("POST", "/_sim/faults", json={"faults": [entry]}).json() == {"waiting": 1}
    assert rest.get("limits").status_code == 200
    assert [write(rest).status_code for _ in range(4)] == [204, 400, 400, 204]
    told = rest.get("/_sim/faults").json()
    assert told["waiting"] == []
    assert [each["kind"] for each in told["struck"]] == ["row_lock"] * 2
    late = {"kind": "unauthorized", "starts_at": "2026-11-20T10:05:00Z"}
    rest.call("POST", "/_sim/faults", json={"faults": [late]})
    assert write(rest).status_code == 204
    org.set_clock(NOW + SOON)
    assert write(rest).status_code == 401
    rest.call("POST", "/_sim/faults", json={"faults": [entry]})
    assert rest.call("DELETE", "/_sim/faults").json() == {"waiting": 0}
    assert rest.get("/_sim/faults").json() == {"waiting": [], "random": None, "struck": [], "unseen": 0}


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        [],
        {"faults": 3},
        {"faults": [3]},
        {"faults": [{"kind": "lock_timeout"}]},
        {"faults": [{"kind": "reset", "part": True}]},
        {"faults": [{"kind": "reset", "sobject": "Order"}]},
        {"faults": [{"kind": "reset", "times": -1}]},
        {"faults": [{"kind": "latency", "seconds": 2, "seconds_max": 1}]},
        {"seed": 7, "rate": 2, "kinds": ["reset"]},
        {"seed": 7, "rate": 0.5, "kinds": []},
        {"seed": "x", "rate": 0.5, "kinds": ["reset"]},
        {"rat": 1},
    ],
)
def test_faults_that_make_no_sense_are_refused(rest, wrong):
    answer = rest.call("POST", "/_sim/faults", json=wrong)
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "INVALID_FAULT")
    assert rest.get("/_sim/faults").json()["waiting"] == []


def test_a_request_may_bring_its_own_fault(org, rest):
    assert write(rest, headers={"Sim-Fault": "html; status=503; when=after"}).status_code == 503
    assert saved(org) == "Synced"
    assert write(rest, headers={"Sim-Fault": "mischief"}).status_code == 400


def struck_of(rest: Rest, seed: int) -> list[int]:
    rest.call("DELETE", "/_sim/faults")
    faults = {"seed": seed, "rate": 0.4, "kinds": ["server_error", "row_lock"], "until": 30}
    rest.call("POST", "/_sim/faults", json=faults)
    return [write(rest).status_code for _ in range(40)]


def test_random_faults_are_the_same_for_the_same_seed(rest):
    first = struck_of(rest, 7)
    assert struck_of(rest, 7) == first
    assert struck_of(rest, 8) != first
    assert set(first[:30]) == {204, 400, 500}
    assert set(first[30:]) == {204}


def test_the_daily_limit_and_the_tokens_are_settings(rest):
    assert rest.call("POST", "/_sim/settings", json={"daily_limit": 2}).json() == {"daily_limit": 2}
    answers = [rest.get("limits") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 403]
    assert answers[1].headers["Sforce-Limit-Info"] == "api-usage=2/2"
    rest.call("POST", "/_sim/settings", json={"daily_limit": 9, "tokens": ["another"]})
    assert rest.get("limits").status_code == 401
    rest.call("POST", "/_sim/settings", json={"tokens": None})
    assert rest.get("limits").status_code == 200
    for wrong in ({}, {"daily_limit": "9"}, {"daily_limit": -1}, {"tokens": "x"}, {"mood": 1}):
        assert rest.call("POST", "/_sim/settings", json=wrong).status_code == 400
