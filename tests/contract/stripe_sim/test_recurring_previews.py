"""`preview_mode=recurring`: what a subscription costs in the long run."""

from tests.contract.stripe_sim.stripe_driver import at, items, metered, phase

PREVIEW = "/v1/invoices/create_preview"


def recurring(api, **params) -> dict:
    return api.post(PREVIEW, {"preview_mode": "recurring", **params})


def test_one_time_items_prorations_and_discounts_of_once_do_not_count(api):
    once = api.coupon(percent_off=15, duration="once")
    subscription = api.subscribe(*items(api.price(4900)), discounts=[{"coupon": once}], trial_period_days=9)
    extra = [{"price": api.one_time(250)}]
    preview = recurring(api, subscription=subscription["id"], invoice_items=extra)
    assert (preview["total"], preview["total_discount_amounts"]) == (4900, [])
    api.go(2026, 1, 20)
    details = {"items": items(api.price(100))}
    preview = recurring(api, subscription=subscription["id"], subscription_details=details)
    assert [line["amount"] for line in preview["lines"]["data"]] == [4900, 100]


def test_discounts_that_last_and_all_intervals_count(api):
    forever = api.coupon(percent_off=10, duration="forever")
    details = {"items": items(api.price(1000), api.price(12000, "year"), quantity=2)}
    params = {"customer": api.customer(), "subscription_details": details}
    preview = recurring(api, **params, discounts=[{"coupon": forever}])
    assert preview["total"] == 23400
    assert api.invoices() == []


def test_discounts_of_a_preview_replace_those_of_the_subscription(api):
    half, tenth = (api.coupon(percent_off=off, duration="forever") for off in (50, 10))
    subscription = api.subscribe(*items(api.price(1000)), discounts=[{"coupon": half}])
    params = {"subscription": subscription["id"], "discounts": [{"coupon": tenth}]}
    assert (api.post(PREVIEW, params)["total"], recurring(api, **params)["total"]) == (900, 900)
    assert api.get(f"/v1/subscriptions/{subscription['id']}")["discounts"] == subscription["discounts"]


def test_usage_is_not_estimated(api):
    customer, meter = api.customer(), api.meter()
    subscription = api.subscribe(*items(api.price(1000)), *metered(api.metered(10, meter)), customer=customer)
    api.go(2026, 1, 5)
    api.use(customer, 7)
    assert recurring(api, subscription=subscription["id"])["total"] == 1000


def test_a_schedule_has_no_long_run(api):
    schedule = api.schedule(phase(api.price(100), end=at(2027, 1, 1)), start=at(2026, 1, 1))
    params = {"preview_mode": "recurring", "schedule": schedule["id"]}
    assert api.refused("POST", PREVIEW, params)["param"] == "preview_mode"
