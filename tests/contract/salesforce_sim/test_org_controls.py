from tests.contract.salesforce_sim.simulated_org import CONTRACT, DATA, ORDER_1, Rest, error_of


def test_requests_are_listed_in_order_with_decoded_parameters(rest):
    rest.query("SELECT COUNT() FROM Order")
    rest.patch(f"sobjects/Order/{ORDER_1}", {"Stripe_ID__c": "a"})
    rest.query("SELECT Nope FROM Order")
    listed = rest.get("/_sim/requests").json()["requests"]
    assert [(item["number"], item["method"], item["path"], item["status"]) for item in listed] == [
        (1, "GET", f"{DATA}/query", 200),
        (2, "PATCH", f"{DATA}/sobjects/Order/{ORDER_1}", 204),
        (3, "GET", f"{DATA}/query", 400),
    ]
    assert listed[0]["parameters"] == {"q": "SELECT COUNT() FROM Order"}
    assert listed[0]["response"] == {"totalSize": 3, "done": True, "records": []}
    assert listed[0]["at"] == "2026-11-20T10:00:00.000+0000"
    assert listed[1]["parameters"] == {"Stripe_ID__c": "a"}
    assert [item["number"] for item in rest.get("/_sim/requests?after=2").json()["requests"]] == [3]
    assert rest.get("/_sim/requests?counts=1").json() == {"count": 3}
    for wrong in ("x", "-1", "9" * 5000):
        assert error_of(rest.get(f"/_sim/requests?after={wrong}")) == (400, "INVALID_NUMBER")


def test_controls_need_no_token_and_are_not_counted(org, serve):
    rest = serve(org, token="")
    for path in ("requests", "clock", "state"):
        assert rest.get(f"/_sim/{path}").status_code == 200
    assert rest.get("/_sim/requests?counts=1").json() == {"count": 0}
    assert rest.usage(rest.get("/_sim/clock")) == 0


def test_clock_is_read_and_moved(rest):
    assert rest.get("/_sim/clock").json() == {"now": "2026-11-20T10:00:00+00:00"}
    moved = rest.call("POST", "/_sim/clock", json={"now": "2026-12-01T00:00:00+01:00"})
    assert moved.json() == {"now": "2026-11-30T23:00:00+00:00"}
    assert rest.get("limits").headers["date"] == "Mon, 30 Nov 2026 23:00:00 GMT"
    for wrong in ("2026-01-01T00:00:00Z", "tomorrow", 5):
        assert error_of(rest.call("POST", "/_sim/clock", json={"now": wrong})) == (400, "INVALID_CLOCK")


def test_state_shows_every_record_as_it_is(rest):
    rest.call("DELETE", f"sobjects/Contract/{CONTRACT}")
    state = rest.get("/_sim/state").json()
    assert state["now"] == "2026-11-20T10:00:00.000+0000"
    assert state["usage"] == {"calls": 1, "limit": 115000}
    assert state["objects"]["Contract"][0]["IsDeleted"] is True
    assert len(state["objects"]["OrderItem"]) == 5


def test_two_sessions_share_one_org(org, serve):
    first = serve(org)
    second = Rest(str(first.http.base_url), "other")
    first.patch(f"sobjects/Order/{ORDER_1}", {"Stripe_ID__c": "shared"})
    assert second.get(f"sobjects/Order/{ORDER_1}").json()["Stripe_ID__c"] == "shared"
    second.http.close()


def test_number_without_measure_is_logged_as_it_came(rest):
    body = b'{"Stripe_ID__c": 1E+99999999}'
    assert error_of(rest.call("PATCH", f"sobjects/Order/{ORDER_1}", content=body)) == (
        400,
        "JSON_PARSER_ERROR",
    )
    assert len(rest.get("/_sim/requests").content) < 1_000
