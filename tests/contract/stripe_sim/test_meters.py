"""Meters and what they are told: their own rules, apart from billing."""

import pytest
from tests.contract.stripe_sim.stripe_driver import at, day

METERS = "/v1/billing/meters"
EVENTS = "/v1/billing/meter_events"
ADJUSTMENTS = "/v1/billing/meter_event_adjustments"
METER = {"display_name": "Calls", "event_name": "calls", "default_aggregation": {"formula": "sum"}}


@pytest.fixture
def customer(api) -> str:
    return api.customer()


def total(api, meter: str, customer: str, **params) -> float:
    asked = {"customer": customer, "start_time": at(2026, 1, 1), "end_time": at(2026, 2, 1), **params}
    (summary,) = api.get(f"{METERS}/{meter}/event_summaries", asked)["data"]
    return summary["aggregated_value"]


def test_a_meter_shows_how_it_counts(api):
    meter = api.post(METERS, METER)
    assert meter["id"].startswith("mtr_")
    assert meter["customer_mapping"] == {"event_payload_key": "stripe_customer_id", "type": "by_id"}
    assert meter["value_settings"] == {"event_payload_key": "value"}
    assert (meter["status"], meter["event_time_window"]) == ("active", None)
    assert api.get(f"{METERS}/{meter['id']}") == meter


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"default_aggregation": {"formula": "max"}}, "default_aggregation[formula]"),
        ({"event_time_window": "week"}, "event_time_window"),
        ({"event_name": "e" * 101}, "event_name"),
        ({"display_name": "d" * 251}, "display_name"),
        ({"customer_mapping": {"type": "by_id"}}, "customer_mapping[event_payload_key]"),
    ],
)
def test_meters_that_are_refused(api, params, param):
    assert api.refused("POST", METERS, {**METER, **params})["param"] == param


def test_one_active_meter_counts_events_of_one_name(api):
    first = api.post(METERS, METER)["id"]
    assert api.refused("POST", METERS, METER)["param"] == "event_name"
    api.post(f"{METERS}/{first}/deactivate")
    second = api.post(METERS, METER)["id"]
    assert api.refused("POST", f"{METERS}/{first}/reactivate")["param"] == "event_name"
    listed = {
        status: [meter["id"] for meter in api.get(METERS, {"status": status})["data"]]
        for status in ("active", "inactive")
    }
    assert listed == {"active": [second], "inactive": [first]}
    assert len(api.get(METERS)["data"]) == 2


def test_only_the_name_of_a_meter_changes(api):
    meter = api.meter()
    assert api.post(f"{METERS}/{meter}", {"display_name": "Requests"})["display_name"] == "Requests"
    params = {"default_aggregation": {"formula": "last"}}
    assert api.refused("POST", f"{METERS}/{meter}", params)["code"] == "parameter_unknown"
    assert "250" in api.refused("POST", f"{METERS}/{meter}", {"display_name": "d" * 251})["message"]


def test_an_inactive_meter_takes_no_events_and_no_prices(api, customer):
    meter = api.meter()
    api.post(f"{METERS}/{meter}/deactivate")
    assert "inactive" in api.refused("POST", f"{METERS}/{meter}/deactivate")["message"]
    event = {"event_name": "calls", "payload": {"stripe_customer_id": customer, "value": "1"}}
    assert "No active meter" in api.refused("POST", EVENTS, event)["message"]
    adjustment = {"event_name": "calls", "type": "cancel", "cancel": {"identifier": "x"}}
    assert "No active meter" in api.refused("POST", ADJUSTMENTS, adjustment)["message"]
    price = {"currency": "usd", "unit_amount": 1, "product_data": {"name": "Calls"}}
    recurring = {"interval": "month", "usage_type": "metered", "meter": meter}
    assert api.refused("POST", "/v1/prices", {**price, "recurring": recurring})["param"] == "recurring[meter]"
    active = api.post(f"{METERS}/{meter}/reactivate")
    assert (active["status"], active["status_transitions"]) == ("active", {"deactivated_at": None})
    assert "active" in api.refused("POST", f"{METERS}/{meter}/reactivate")["message"]
    api.metered(1, meter)
    kinds = [event["type"] for event in api.get("/v1/events", {"type": "billing.meter.*"})["data"]]
    assert kinds == ["billing.meter.reactivated", "billing.meter.deactivated", "billing.meter.created"]


@pytest.mark.parametrize(
    ("recurring", "param", "code"),
    [
        ({"usage_type": "metered"}, "recurring[meter]", "parameter_missing"),
        ({"usage_type": "metered", "meter": "mtr_nope"}, "recurring[meter]", "resource_missing"),
        ({"meter": "mtr_nope"}, "recurring[meter]", None),
    ],
)
def test_metered_prices_that_are_refused(api, recurring, param, code):
    params = {"currency": "usd", "unit_amount": 1, "product_data": {"name": "Calls"}}
    error = api.refused("POST", "/v1/prices", {**params, "recurring": {"interval": "month", **recurring}})
    assert (error["param"], error.get("code")) == (param, code)


def test_prices_are_found_by_their_meter(api):
    meter = api.meter()
    price = api.metered(1, meter)
    api.price(100)
    found = api.get("/v1/prices", {"recurring": {"meter": meter}})["data"]
    assert [body["id"] for body in found] == [price]
    assert found[0]["recurring"]["usage_type"] == "metered"


def test_an_event_is_answered_as_it_was_told(api, customer):
    api.meter()
    event = api.use(customer, "2.5", timestamp=at(2026, 1, 1), identifier="e1")
    assert event == {
        "object": "billing.meter_event",
        "created": at(2026, 1, 1),
        "event_name": "calls",
        "identifier": "e1",
        "livemode": False,
        "payload": {"stripe_customer_id": customer, "value": "2.5"},
        "timestamp": at(2026, 1, 1),
    }
    assert api.use(customer, 1)["identifier"]


@pytest.mark.parametrize(
    ("params", "param", "code"),
    [
        ({"event_name": "other"}, "event_name", None),
        ({"timestamp": at(2026, 1, 1) - 35 * 86400 - 1}, "timestamp", "timestamp_too_far_in_past"),
        ({"timestamp": at(2026, 1, 1) + 301}, "timestamp", "timestamp_in_future"),
        ({"identifier": "i" * 101}, "identifier", None),
        ({"payload": {"value": "1"}}, "payload", None),
        ({"payload": {"stripe_customer_id": "cus_nope", "value": "1"}}, "payload[stripe_customer_id]", "resource_missing"),
    ],
)  # fmt: skip
def test_events_that_are_refused(api, customer, params, param, code):
    api.meter()
    event = {"event_name": "calls", "payload": {"stripe_customer_id": customer, "value": "1"}, **params}
    error = api.refused("POST", EVENTS, event)
    assert (error["param"], error.get("code")) == (param, code)


@pytest.mark.parametrize("value", ["many", "", "nan", "1e15", "0.0000000000000001"])
def test_values_that_are_refused(api, customer, value):
    api.meter()
    event = {"event_name": "calls", "payload": {"stripe_customer_id": customer, "value": value}}
    assert api.refused("POST", EVENTS, event)["param"] == "payload[value]"


def test_events_reach_back_35_days_and_ahead_5_minutes(api, customer):
    api.meter()
    api.use(customer, 1, timestamp=at(2026, 1, 1) - 35 * 86400)
    api.use(customer, 1, timestamp=at(2026, 1, 1) + 300)


def test_an_identifier_counts_once_in_24_hours(api, customer):
    meter = api.meter()
    api.use(customer, 5, identifier="once")
    event = {"event_name": "calls", "payload": {"stripe_customer_id": customer, "value": "5"}}
    assert "already exists" in api.refused("POST", EVENTS, {**event, "identifier": "once"})["message"]
    assert total(api, meter, customer) == 5
    api.go(2026, 1, 2)
    api.use(customer, 7, identifier="once")
    assert total(api, meter, customer) == 12


def test_other_words_may_name_customer_and_value(api, customer):
    mapping = {"event_payload_key": "who", "type": "by_id"}
    meter = api.meter(customer_mapping=mapping, value_settings={"event_payload_key": "tokens"})
    event = {"event_name": "calls", "payload": {"who": customer, "tokens": "40"}}
    api.post(EVENTS, event)
    assert "who" in api.refused("POST", EVENTS, {**event, "payload": {"tokens": "1"}})["message"]
    assert "tokens" in api.refused("POST", EVENTS, {**event, "payload": {"who": customer}})["message"]
    assert total(api, meter, customer) == 40


@pytest.mark.parametrize(("formula", "expected"), [("sum", 9.5), ("count", 3), ("last", 1)])
def test_formulas(api, customer, formula, expected):
    meter = api.meter(formula=formula)
    api.use(customer, 6, timestamp=at(2026, 1, 1))
    api.use(customer, 1, timestamp=at(2026, 1, 1) + 60)
    api.use(customer, "2.5", timestamp=at(2026, 1, 1) + 30)
    assert total(api, meter, customer) == expected


def test_a_meter_that_counts_needs_no_value(api, customer):
    meter = api.meter(formula="count")
    api.post(EVENTS, {"event_name": "calls", "payload": {"stripe_customer_id": customer}})
    assert total(api, meter, customer) == 1


def test_the_last_event_of_one_second_is_the_one_received_last(api, customer):
    meter = api.meter(formula="last")
    for value in (3, 8):
        api.use(customer, value, timestamp=at(2026, 1, 1))
    assert total(api, meter, customer) == 8


def test_nothing_told_is_nothing(api, customer):
    assert total(api, api.meter(formula="last"), customer) == 0


def test_totals_told_for_a_window_replace_each_other(api, customer):
    meter = api.meter(event_time_window="day")
    api.go(2026, 1, 10)
    for value, timestamp in ((5, at(2026, 1, 8, 9)), (9, at(2026, 1, 8, 3)), (1, at(2026, 1, 9))):
        api.use(customer, value, timestamp=timestamp)
    assert total(api, meter, customer) == 10


def test_corrections_may_be_negative(api, customer):
    meter = api.meter()
    api.use(customer, 10)
    api.use(customer, -4)
    assert total(api, meter, customer) == 6


class TestAdjustments:
    def cancel(self, identifier: str = "e1", **params) -> dict:
        return {"event_name": "calls", "type": "cancel", "cancel": {"identifier": identifier}, **params}

    def test_a_canceled_event_does_not_count(self, api, customer):
        meter = api.meter()
        api.use(customer, 5, identifier="e1")
        api.use(customer, 2, identifier="e2")
        adjustment = api.post(ADJUSTMENTS, self.cancel())
        assert adjustment == {
            "object": "billing.meter_event_adjustment",
            "cancel": {"identifier": "e1"},
            "event_name": "calls",
            "livemode": False,
            "status": "complete",
            "type": "cancel",
        }
        assert total(api, meter, customer) == 2
        assert api.refused("POST", ADJUSTMENTS, self.cancel())["code"] == "resource_missing"

    def test_only_within_24_hours_of_its_receipt(self, api, customer):
        meter = api.meter()
        api.use(customer, 5, identifier="e1")
        api.go(2026, 1, 2)
        api.post(ADJUSTMENTS, self.cancel())
        api.use(customer, 5, identifier="e2")
        api.go(2026, 1, 3, 1)
        assert "24 hours" in api.refused("POST", ADJUSTMENTS, self.cancel("e2"))["message"]
        assert total(api, meter, customer) == 5

    def test_of_an_identifier_used_again_the_later_event(self, api, customer):
        meter = api.meter()
        api.use(customer, 5, identifier="e1")
        api.go(2026, 1, 2)
        api.use(customer, 7, identifier="e1")
        api.post(ADJUSTMENTS, self.cancel())
        assert total(api, meter, customer) == 5

    def test_it_must_say_which(self, api, customer):
        api.meter()
        error = api.refused("POST", ADJUSTMENTS, {"event_name": "calls", "type": "cancel"})
        assert error["code"] == "parameter_missing"
        assert api.refused("POST", ADJUSTMENTS, self.cancel("nope"))["code"] == "resource_missing"
        assert api.refused("POST", ADJUSTMENTS, self.cancel(type="undo"))["param"] == "type"


class TestSummaries:
    def test_windows_in_use_newest_first(self, api, customer):
        meter = api.meter()
        api.go(2026, 1, 20)
        for value, timestamp in ((1, at(2026, 1, 5, 3)), (2, at(2026, 1, 5, 4)), (4, at(2026, 1, 7))):
            api.use(customer, value, timestamp=timestamp)
        asked = {"customer": customer, "start_time": at(2026, 1, 1), "end_time": at(2026, 2, 1)}
        path = f"{METERS}/{meter}/event_summaries"
        days = api.get(path, {**asked, "value_grouping_window": "day"})["data"]
        assert [(day(body["start_time"]), body["aggregated_value"]) for body in days] == [
            ("2026-01-07", 4),
            ("2026-01-05", 3),
        ]
        assert len(api.get(path, {**asked, "value_grouping_window": "hour"})["data"]) == 3
        assert api.get(path, {**asked, "end_time": at(2026, 1, 7)})["data"][0]["aggregated_value"] == 3

    @pytest.mark.parametrize(
        ("params", "param"),
        [
            ({"start_time": at(2026, 1, 1) + 1}, "start_time"),
            ({"end_time": at(2026, 2, 1) + 1}, "end_time"),
            ({"end_time": at(2026, 1, 1)}, "end_time"),
            ({"value_grouping_window": "hour", "start_time": at(2026, 1, 1) + 60}, "start_time"),
            ({"value_grouping_window": "day", "end_time": at(2026, 1, 2, 1)}, "end_time"),
            ({"value_grouping_window": "week"}, "value_grouping_window"),
        ],
    )
    def test_ranges_that_are_refused(self, api, customer, params, param):
        meter = api.meter()
        asked = {"customer": customer, "start_time": at(2026, 1, 1), "end_time": at(2026, 2, 1), **params}
        assert api.refused("GET", f"{METERS}/{meter}/event_summaries", asked)["param"] == param

    def test_the_usage_of_others_does_not_count(self, api, customer):
        meter = api.meter()
        api.use(api.customer(), 5)
        assert total(api, meter, customer) == 0


def test_the_clock_of_a_customer_dates_its_events(api):
    clock = api.post("/v1/test_helpers/test_clocks", {"frozen_time": at(2026, 6, 1)})["id"]
    customer = api.customer(test_clock=clock)
    api.meter()
    assert api.use(customer, 1)["timestamp"] == at(2026, 6, 1)
    event = {"event_name": "calls", "payload": {"stripe_customer_id": customer, "value": "1"}}
    assert api.refused("POST", EVENTS, {**event, "timestamp": at(2026, 1, 1)})["param"] == "timestamp"
