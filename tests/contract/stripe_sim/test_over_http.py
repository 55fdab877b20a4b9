"""The simulated account as the vendor's own SDK sees it, over HTTP."""

from datetime import UTC, datetime
from decimal import Decimal

import httpx2
import pytest
import stripe
from tests.contract.stripe_sim.stripe_driver import at


def test_sdk_creates_a_schedule_and_reads_its_invoices(server):
    client = server.client()
    customer = client.v1.customers.create({"name": "Acme", "payment_method": "pm_card_visa"})
    schedule = client.v1.subscription_schedules.create(
        {
            "customer": customer.id,
            "start_date": "now",
            "end_behavior": "cancel",
            "phases": [
                {
                    "items": [
                        {
                            "price_data": {
                                "currency": "usd",
                                "product": client.v1.products.create({"id": "p1", "name": "Pro"}).id,
                                "unit_amount": 10000,
                                "recurring": {"interval": "month"},
                            },
                            "quantity": 3,
                        }
                    ],
                    "duration": {"interval": "year", "interval_count": 1},
                }
            ],
            "expand": ["subscription.latest_invoice", "phases.items.price"],
        }
    )
    assert schedule.subscription.latest_invoice.total == 30000
    invoices = client.v1.invoices.list({"subscription": schedule.subscription.id})
    assert [invoice.total for invoice in invoices.data] == [30000]


def test_sdk_raises_its_own_error_for_an_unknown_parameter(server):
    with pytest.raises(stripe.InvalidRequestError) as caught:
        server.client().raw_request("post", "/v1/customers", nme="x")
    assert (caught.value.code, caught.value.param) == ("parameter_unknown", "nme")
    assert caught.value.request_id.startswith("req_")


def test_a_wrong_key_and_a_wrong_version_are_refused(server):
    with pytest.raises(stripe.AuthenticationError):
        server.client("sk_live_x").v1.customers.list()
    with pytest.raises(stripe.InvalidRequestError, match="Invalid Stripe API version"):
        server.client().v1.customers.list(options={"stripe_version": "2024-06-20"})


def test_the_same_idempotency_key_replays_its_answer(server):
    client = server.client()
    options = {"idempotency_key": "order-1"}
    first = client.v1.customers.create({"name": "Acme"}, options)
    again = client.v1.customers.create({"name": "Acme"}, options)
    assert again.id == first.id
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    with pytest.raises(stripe.IdempotencyError):
        client.v1.customers.create({"name": "Other"}, options)


def test_a_test_clock_runs_on_its_own(server):
    client = server.client()
    clock = client.v1.test_helpers.test_clocks.create({"frozen_time": at(2026, 6, 1)})
    customer = client.v1.customers.create({"test_clock": clock.id, "payment_method": "pm_card_visa"})
    price = client.v1.prices.create(
        {
            "currency": "usd",
            "unit_amount_decimal": Decimal("1234.5"),
            "recurring": {"interval": "month"},
            "product_data": {"name": "Pro"},
        }
    )
    assert price.unit_amount_decimal == Decimal("1234.5")
    subscription = client.v1.subscriptions.create(
        {"customer": customer.id, "items": [{"price": price.id, "quantity": 2}]}
    )
    client.v1.test_helpers.test_clocks.advance(clock.id, {"frozen_time": at(2026, 7, 2)})
    invoices = client.v1.invoices.list({"subscription": subscription.id})
    assert [invoice.total for invoice in invoices.data] == [2469, 2469]
    assert [invoice.status for invoice in invoices.data] == ["paid", "paid"]
    assert server.account.now.year == 2026
    assert server.account.now.month == 1


def test_lists_page_through_everything_newest_first(server):
    client = server.client()
    made = [client.v1.customers.create({"name": str(number)}).id for number in range(5)]
    page = client.v1.customers.list({"limit": 2})
    assert ([body.id for body in page.data], page.has_more) == ([made[4], made[3]], True)
    assert [body.id for body in page.auto_paging_iter()] == made[::-1]


def test_the_controls_are_not_counted_and_move_the_clock(server):
    client = server.client()
    client.v1.customers.create({"name": "Acme"}, {"idempotency_key": "k"})
    with httpx2.Client(base_url=server.url) as controls:
        logged = controls.get("/_sim/requests").json()["requests"]
        assert len(logged) == 1
        assert {name: logged[0][name] for name in ("number", "method", "path", "parameters", "status")} == {
            "number": 1,
            "method": "POST",
            "path": "/v1/customers",
            "parameters": {"name": "Acme"},
            "status": 200,
        }
        assert logged[0]["idempotency_key"] == "k"
        assert logged[0]["response"]["object"] == "customer"
        moved = controls.post("/_sim/clock", json={"now": "2026-03-01T00:00:00Z"})
        assert moved.json() == {"now": "2026-03-01T00:00:00Z"}
        assert controls.post("/_sim/clock", json={"now": "2026-01-01T00:00:00Z"}).status_code == 400
        assert controls.post("/_sim/clock", content=b"[]").status_code == 400
        assert controls.get("/_sim/clock").json() == {"now": "2026-03-01T00:00:00Z"}
        assert controls.get("/_sim/requests", params={"counts": "1"}).json() == {"count": 1}
        assert controls.get("/_sim/requests", params={"after": "1"}).json() == {"requests": []}
        assert controls.get("/_sim/requests", params={"after": "x"}).status_code == 400
        assert controls.get("/_sim/requests", params={"after": "9" * 5000}).status_code == 400
        assert [body["name"] for body in controls.get("/_sim/state").json()["customer"]] == ["Acme"]
        assert controls.get("/_sim/nope").status_code == 404
        assert controls.delete("/_sim/clock").status_code in (404, 405)
        assert controls.get("/_sim/requests", params={"counts": "1"}).json() == {"count": 1}


@pytest.mark.parametrize(
    "body",
    [
        b"\xff\xfe",
        b"a[b=1",
        b"a=1&a[b]=2",
        b"name=%ff%fe",
        b"a" + b"[b]" * 3000 + b"=1",
        b"expand[0]=a&expand[" + b"9" * 5000 + b"]=b",
    ],
    ids=["no text", "open bracket", "value and object", "escaped", "deep", "long index"],
)
def test_a_body_that_cannot_be_read_is_answered_with_an_error(server, body):
    with httpx2.Client(base_url=server.url) as raw:
        answer = raw.post("/v1/customers", content=body, headers={"Authorization": "Bearer sk_test_x"})
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert answer.headers["Request-Id"].startswith("req_")


def test_account_names_itself(server):
    account = server.client().v1.accounts.retrieve_current()
    assert account.id.startswith("acct_")
    assert account.settings.dashboard.display_name


def test_sdk_meters_usage_by_tiers(server):
    v1 = server.client().v1
    meter = v1.billing.meters.create(
        {"display_name": "Calls", "event_name": "calls", "default_aggregation": {"formula": "sum"}}
    )
    price = v1.prices.create(
        {
            "currency": "usd",
            "product_data": {"name": "Calls"},
            "billing_scheme": "tiered",
            "tiers_mode": "graduated",
            "tiers": [
                {"up_to": 100, "flat_amount": 500},
                {"up_to": "inf", "unit_amount_decimal": Decimal("2.5")},
            ],
            "recurring": {"interval": "month", "usage_type": "metered", "meter": meter.id},
            "expand": ["tiers"],
        }
    )
    assert [tier.unit_amount_decimal for tier in price.tiers] == [None, Decimal("2.5")]
    customer = v1.customers.create({"name": "Acme"})
    v1.subscriptions.create({"customer": customer.id, "items": [{"price": price.id}]})
    payload = {"stripe_customer_id": customer.id, "value": "110.5"}
    v1.billing.meter_events.create({"event_name": "calls", "payload": payload, "identifier": "e1"})
    v1.billing.meter_events.create({"event_name": "calls", "payload": payload, "identifier": "e2"})
    cancel = {"event_name": "calls", "type": "cancel", "cancel": {"identifier": "e1"}}
    assert v1.billing.meter_event_adjustments.create(cancel).status == "complete"
    bounds = {"customer": customer.id, "start_time": at(2026, 1, 1), "end_time": at(2026, 2, 1)}
    (summary,) = v1.billing.meters.event_summaries.list(meter.id, bounds).data
    assert summary.aggregated_value == 110.5
    server.account.advance(datetime(2026, 2, 1, tzinfo=UTC))
    (invoice,) = v1.invoices.list({"customer": customer.id}).data
    assert [line.amount for line in invoice.lines.data] == [500, 26]
    assert [line.quantity_decimal for line in invoice.lines.data] == [Decimal(100), Decimal("10.5")]
