"""Readings of undocumented behaviour about taxes, discounts and collection, each turned round."""

from tests.contract.stripe_sim.stripe_driver import items


def test_ties_of_taxes(both):
    def story(api):
        params = {"display_name": "VAT", "percentage": "10", "inclusive": False}
        rate = api.post("/v1/tax_rates", params)["id"]
        api.subscribe(*items(api.price(1005)), default_tax_rates=[rate])
        return api.totals()

    assert both("tax_ties_round_up", story) == ([1106], [1105])


def test_whether_a_customers_payment_method_is_its_default(both):
    def story(api):
        customer = api.post("/v1/customers", {"payment_method": "pm_card_visa"})["id"]
        owned = api.get(f"/v1/customers/{customer}/payment_methods")["data"]
        body = {"customer": customer, "items": items(api.price(500))}
        return len(owned), api.account.request("POST", "/v1/subscriptions", body)[0]

    assert both("customer_payment_method_becomes_default", story) == ((1, 200), (1, 400))


def test_more_pending_items_than_an_invoice_holds(both):
    def story(api):
        subscription = api.subscribe(*items(api.price(1000)))
        for _ in range(252):
            body = {"customer": subscription["customer"], "amount": 1, "currency": "usd"}
            api.post("/v1/invoiceitems", body)
        api.go(2026, 3, 1)
        return [invoice["lines"]["total_count"] for invoice in api.get("/v1/invoices")["data"][::-1]]

    assert both("surplus_items_wait", story) == ([1, 250, 4], [1, 250, 3, 1])
