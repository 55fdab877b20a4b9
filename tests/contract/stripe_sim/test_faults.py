"""Troubles on the way: planned or asked for by header, with what the idempotency key says afterwards."""

import threading
import time

import httpx2
import pytest
import stripe
from tests.contract.stripe_sim.stripe_driver import Api

from cpqbridge_sim.fault_plan import PlannedFault, planned_of
from cpqbridge_sim.faults import Fault, LostAnswerError, fault_of, fault_of_header
from cpqbridge_sim.stripe.errors import StripeApiError
from cpqbridge_sim.stripe.faults import KINDS
from cpqbridge_sim.stripe.rate_limits import RateLimiter

CUSTOMERS = "/v1/customers"
KEY = {"api_key": "sk_test_x"}


def plan(api: Api, kind: str, *, times: int = 1, path: str = "*", **fault) -> None:
    api.account.faults.add(PlannedFault(fault=Fault(kind=kind, **fault), times=times, path=path))


def post(api: Api, key: str | None = "order-1", **params):
    return api.account.respond("POST", CUSTOMERS, params, idempotency_key=key, **KEY)


def customers(api: Api) -> int:
    return len(api.account.all_objects().get("customer", []))


@pytest.mark.parametrize(
    ("fault", "status", "code", "headers"),
    [
        ({"kind": "conflict"}, 409, "idempotency_key_in_use", {}),
        ({"kind": "lock_timeout"}, 429, "lock_timeout", {"Stripe-Should-Retry": "true"}),
        ({"kind": "rate_limit"}, 429, "rate_limit", {"Stripe-Rate-Limited-Reason": "global-rate"}),
        (
            {"kind": "rate_limit", "reason": "endpoint-concurrency", "should_retry": False},
            429,
            "rate_limit",
            {"Stripe-Rate-Limited-Reason": "endpoint-concurrency", "Stripe-Should-Retry": "false"},
        ),
        ({"kind": "rate_limit", "retry_after": 3}, 429, "rate_limit", {"Retry-After": "3"}),
        ({"kind": "bad_request"}, 400, "parameter_invalid_empty", {}),
        ({"kind": "unauthorized"}, 401, None, {}),
        ({"kind": "forbidden"}, 403, "more_permissions_required_for_application", {}),
        ({"kind": "not_found"}, 404, "resource_missing", {}),
        ({"kind": "server_error"}, 500, None, {}),
        ({"kind": "server_error", "status": 502}, 502, None, {}),
        ({"kind": "server_error", "status": 503, "should_retry": True}, 503, None, {"Stripe-Should-Retry": "true"}),
        ({"kind": "server_error", "status": 504}, 504, None, {}),
    ],
)  # fmt: skip
def test_before_the_request_nothing_happens_and_nothing_is_stored(api, fault, status, code, headers):
    plan(api, **fault)
    answer = post(api, name="Acme")
    assert (answer.status, answer.body["error"].get("code")) == (status, code)
    special = ("Stripe-Should-Retry", "Stripe-Rate-Limited-Reason", "Retry-After")
    usual = {"Stripe-Rate-Limited-Reason": "global-rate"} if code == "rate_limit" else {}
    shown = {name: value for name, value in answer.headers.items() if name in special}
    assert shown == {**usual, **headers}
    assert answer.headers["Request-Id"].startswith("req_")
    assert customers(api) == 0
    again = post(api, name="Acme")
    assert (again.status, "Idempotent-Replayed" in again.headers, customers(api)) == (200, False, 1)


@pytest.mark.parametrize("status", [502, 503, 504])
def test_an_answer_lost_on_the_way_is_the_true_one_when_asked_again(api, status):
    plan(api, "server_error", status=status, when="after")
    assert post(api, name="Acme").status == status
    assert customers(api) == 1
    again = post(api, name="Acme")
    assert (again.status, again.headers["Idempotent-Replayed"], customers(api)) == (200, "true", 1)


def test_an_error_of_the_vendor_is_replayed_although_the_work_was_done(api):
    plan(api, "server_error", when="after")
    first = post(api, name="Acme")
    again = post(api, name="Acme")
    assert (first.status, again.status, again.body) == (500, 500, first.body)
    assert again.headers["Stripe-Should-Retry"] == "false"
    assert first.body["error"]["type"] == "api_error"
    assert customers(api) == 1
    assert post(api, "order-2", name="Acme").status == 200


@pytest.mark.parametrize("status", [500, 400])
def test_an_error_that_is_stored_is_replayed_although_nothing_was_done(api, status):
    kind = "server_error" if status == 500 else "bad_request"
    plan(api, kind, stored=True)
    answers = [post(api, name="Acme") for _ in range(2)]
    assert [answer.status for answer in answers] == [status, status]
    assert "Idempotent-Replayed" not in answers[0].headers
    assert answers[1].headers["Idempotent-Replayed"] == "true"
    assert customers(api) == 0
    assert post(api, "order-1 again", name="Acme").status == 200


@pytest.mark.parametrize("kind", ["reset", "timeout", "cut", "html"])
@pytest.mark.parametrize(("when", "made"), [("before", 0), ("after", 1)])
def test_a_lost_connection_leaves_the_outcome_open(api, kind, when, made):
    plan(api, kind, when=when)
    with pytest.raises(LostAnswerError):
        post(api, name="Acme")
    assert customers(api) == made
    logged = api.account.log.after()[-1]
    assert (logged["fault"], logged["response"]) == (f"{kind} {when}", None)
    assert logged["status"] == {"cut": 200, "html": 502}.get(kind, 0)
    assert post(api, name="Acme").status == 200
    assert customers(api) == 1


def test_a_refusal_of_the_limiter_does_not_use_up_a_key(api):
    plan(api, "rate_limit", times=3)
    assert [post(api, name="Acme").status for _ in range(4)] == [429, 429, 429, 200]


def test_a_plan_waits_for_the_requests_it_fits(api):
    path = CUSTOMERS
    api.account.faults.add(
        PlannedFault(fault=Fault(kind="conflict"), method="POST", path=path, skip=1, times=2)
    )
    assert api.get(path)["data"] == []
    api.post("/v1/products", {"name": "Pro"})
    assert [post(api, None).status for _ in range(4)] == [200, 409, 409, 200]
    assert api.account.faults.waiting == []


def test_plans_are_tried_in_order_and_can_be_dropped(api):
    plan(api, "conflict")
    plan(api, "lock_timeout", path="/v1/customers*", times=5)
    assert [post(api, None).status for _ in range(2)] == [409, 429]
    api.account.faults.clear()
    assert post(api, None).status == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"kind": "nope"},
        {"kind": "reset", "when": "during"},
        {"kind": "server_error", "status": 501},
        {"kind": "rate_limit", "reason": "mood"},
        {"kind": "timeout", "seconds": -1},
        {"kind": "timeout", "seconds": "soon"},
        {"kind": "conflict", "should_retry": "perhaps"},
        {"kind": "conflict", "colour": "red"},
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match=r".+"):
        fault_of(wrong)


def test_faults_in_words():
    text = "server_error; status=503; when=after; should_retry=false"
    wanted = Fault(kind="server_error", status=503, when="after", should_retry=False)
    assert fault_of_header(text, KINDS) == wanted
    planned = planned_of({"kind": "timeout", "seconds": 2, "method": "POST", "skip": 1})
    assert planned == PlannedFault(fault=Fault(kind="timeout", seconds=2.0), method="POST", skip=1)
    with pytest.raises(ValueError, match="times"):
        planned_of({"kind": "conflict", "times": "2"})


def in_thread(function, *args) -> threading.Thread:
    thread = threading.Thread(target=function, args=args)
    thread.start()
    return thread


def test_a_key_and_an_object_are_held_while_a_request_runs(server):
    client = server.client()
    made = client.v1.customers.create({})
    path = f"{CUSTOMERS}/{made.id}"
    head = {"Authorization": "Bearer sk_test_x"}
    slow = {**head, "Idempotency-Key": "order-1", "Sim-Fault": "latency; seconds=0.4"}
    answers = []
    with httpx2.Client(base_url=server.url) as raw:
        first = in_thread(
            lambda: answers.append(httpx2.post(f"{server.url}{path}", headers=slow, data={"name": "A"}))
        )
        while not server.account.in_flight._objects:
            time.sleep(0.005)
        same_key = raw.post(CUSTOMERS, headers={**head, "Idempotency-Key": "order-1"})
        same_object = raw.post(path, headers=head, data={"name": "B"})
        others = (
            raw.post(CUSTOMERS, headers={**head, "Idempotency-Key": "order-2"}),
            raw.get(path, headers=head),
        )
        first.join()
        again = raw.post(path, headers={**head, "Idempotency-Key": "order-1"}, data={"name": "A"})
    assert (same_key.status_code, same_key.json()["error"]["code"]) == (409, "idempotency_key_in_use")
    assert (same_object.status_code, same_object.json()["error"]["code"]) == (429, "lock_timeout")
    assert "Stripe-Rate-Limited-Reason" not in same_object.headers
    assert [answer.status_code for answer in (*others, *answers, again)] == [200] * 4
    assert (answers[0].json()["name"], again.headers["Idempotent-Replayed"]) == ("A", "true")


def test_a_preview_locks_nothing(server):
    head = {"Authorization": "Bearer sk_test_x"}
    slow = {**head, "Sim-Fault": "latency; seconds=0.2"}
    with httpx2.Client(base_url=server.url) as raw:
        first = in_thread(lambda: httpx2.post(f"{server.url}/v1/invoices/create_preview", headers=slow))
        time.sleep(0.1)
        assert raw.post("/v1/invoices/create_preview", headers=head).status_code == 400
        first.join()


def test_latency_in_process_holds_the_key_too(api):
    plan(api, "latency", seconds=0.2)
    statuses = []
    first = in_thread(lambda: statuses.append(post(api, name="Acme").status))
    time.sleep(0.05)
    assert post(api, name="Acme").status == 409
    first.join()
    assert statuses == [200]


def test_connections_break_over_http(server):
    head = {"Authorization": "Bearer sk_test_x", "Idempotency-Key": "order-1"}
    with httpx2.Client(base_url=server.url) as raw:
        for fault, made in (("reset", 0), ("reset; when=after", 1), ("timeout; seconds=0.1; when=after", 1)):
            with pytest.raises(httpx2.TransportError):
                raw.post(CUSTOMERS, headers={**head, "Sim-Fault": fault})
            assert len(server.account.all_objects().get("customer", [])) == made
        assert raw.post(CUSTOMERS, headers=head).headers["Idempotent-Replayed"] == "true"
        with pytest.raises(httpx2.ReadTimeout):
            raw.post(CUSTOMERS, headers={**head, "Sim-Fault": "timeout; seconds=0.5"}, timeout=0.1)
        refused = raw.post(CUSTOMERS, headers={**head, "Sim-Fault": "mischief"})
        assert (refused.status_code, "Sim-Fault" in refused.json()["error"]["message"]) == (400, True)


def test_answers_are_cut_and_pages_come_over_http(server):
    head = {"Authorization": "Bearer sk_test_x", "Idempotency-Key": "order-1"}
    with httpx2.Client(base_url=server.url) as raw:
        for when, made in (("before", 0), ("after", 1)):
            with raw.stream("POST", CUSTOMERS, headers={**head, "Sim-Fault": f"cut; when={when}"}) as answer:
                assert answer.status_code == 200
                with pytest.raises(httpx2.RemoteProtocolError):
                    answer.read()
            assert len(server.account.all_objects().get("customer", [])) == made
        for status in (200, 502, 503):
            fault = f"html; status={status}; when=after"
            page = raw.post(CUSTOMERS, headers={**head, "Sim-Fault": fault})
            assert (page.status_code, page.text.startswith("<!DOCTYPE html>")) == (status, True)
        with pytest.raises(httpx2.TransportError):
            raw.post(CUSTOMERS, headers={**head, "Sim-Fault": "refused"})
        assert raw.post(CUSTOMERS, headers=head).headers["Idempotent-Replayed"] == "true"
        assert raw.post(CUSTOMERS, headers={**head, "Sim-Fault": "row_lock"}).status_code == 400


def statuses_of(server, seed: int) -> list[int]:
    with httpx2.Client(base_url=server.url, headers={"Authorization": "Bearer sk_test_x"}) as raw:
        raw.delete("/_sim/faults")
        faults = {"seed": seed, "rate": 0.5, "kinds": ["server_error", "conflict"], "method": "POST"}
        assert raw.post("/_sim/faults", json=faults).json() == {"waiting": 0}
        assert {raw.get("/v1/products").status_code for _ in range(5)} == {200}
        found = [raw.post(CUSTOMERS).status_code for _ in range(20)]
        told = raw.get("/_sim/faults").json()
        assert len(told["struck"]) == sum(status != 200 for status in found)
        assert (told["random"]["seed"], told["random"]["judged"]) == (seed, 20)
    return found


def test_random_faults_are_the_same_for_the_same_seed(server):
    assert statuses_of(server, 7) == statuses_of(server, 7)
    assert statuses_of(server, 7) != statuses_of(server, 8)


def test_the_sdk_repeats_what_it_should(server):
    """The table of measured retries: plain 429 never, 409 and 500 as often as it is told."""

    def tries(retries: int, fault: str, **terms) -> int:
        before = server.account.log.count
        server.account.faults.clear()
        server.account.faults.add(PlannedFault(fault=Fault(kind=fault, **terms), times=9))
        client = stripe.StripeClient(
            "sk_test_x", base_addresses={"api": server.url}, max_network_retries=retries
        )
        with pytest.raises(stripe.StripeError):
            client.v1.customers.create({})
        return server.account.log.count - before

    assert tries(0, "server_error") == 1
    assert tries(1, "conflict") == 2
    assert tries(1, "rate_limit") == 1
    assert tries(1, "lock_timeout") == 2
    assert tries(1, "server_error", status=503, should_retry=False) == 1


def test_faults_are_planned_by_control(server):
    with httpx2.Client(base_url=server.url, headers={"Authorization": "Bearer sk_test_x"}) as raw:
        entry = {"kind": "server_error", "status": 502, "path": CUSTOMERS, "times": 2}
        assert raw.post("/_sim/faults", json={"faults": [entry]}).json() == {"waiting": 1}
        assert raw.get("/v1/products").status_code == 200
        assert [raw.post(CUSTOMERS).status_code for _ in range(3)] == [502, 502, 200]
        raw.post("/_sim/faults", json={"faults": [entry]})
        assert raw.delete("/_sim/faults").json() == {"waiting": 0}
        for wrong in ({}, {"faults": [{"kind": "x"}]}, {"faults": 3}, []):
            assert raw.post("/_sim/faults", json=wrong).status_code == 400
        assert raw.post("/_sim/faults", content=b"x").status_code == 400


def test_rate_limits_refill_by_the_second(api):
    now = [0.0]
    api.account.limiter = RateLimiter(live=False, clock=lambda: now[0])
    assert [api.account.request("GET", CUSTOMERS)[0] for _ in range(25)] == [200] * 25
    answer = api.account.respond("GET", "/v1/products", {}, **KEY)
    assert (answer.status, answer.headers["Stripe-Rate-Limited-Reason"]) == (429, "global-rate")
    assert answer.body["error"]["code"] == "rate_limit"
    assert "Retry-After" not in answer.headers
    now[0] += 0.1
    assert [api.account.request("GET", CUSTOMERS)[0] for _ in range(3)] == [200, 200, 429]


def test_a_live_account_has_a_hundred_a_second_and_each_endpoint_twenty_five(account):
    limiter = RateLimiter(live=True, clock=lambda: 0.0)

    def passes(endpoint: str) -> str | None:
        try:
            limiter.check(endpoint)
        except StripeApiError as error:
            return error.headers["Stripe-Rate-Limited-Reason"]
        return None

    for endpoint in ("GET /v1/a", "GET /v1/b", "GET /v1/c", "GET /v1/d"):
        assert {passes(endpoint) for _ in range(25)} == {None}
        expected = "global-rate" if endpoint.endswith("d") else "endpoint-rate"
        assert passes(endpoint) == expected
    assert {passes("POST /v1/billing/meter_events") for _ in range(1000)} == {None}
    assert passes("POST /v1/billing/meter_events") == "endpoint-rate"


def test_rate_limits_are_off_until_switched_on(server):
    def statuses() -> set[int]:
        return {server.account.request("GET", CUSTOMERS)[0] for _ in range(80)}

    with httpx2.Client(base_url=server.url, headers={"Authorization": "Bearer sk_test_x"}) as raw:
        assert statuses() == {200}
        assert raw.post("/_sim/settings", json={"rate_limits": True}).json() == {"rate_limits": True}
        assert statuses() == {200, 429}
        raw.post("/_sim/settings", json={"rate_limits": False, "shuffled": True, "duplicated": True})
        assert statuses() == {200}
        assert server.account.webhooks.shuffled
        assert server.account.webhooks.duplicated
        for wrong in ({}, {"rate_limits": 1}, {"mood": True}):
            assert raw.post("/_sim/settings", json=wrong).status_code == 400
