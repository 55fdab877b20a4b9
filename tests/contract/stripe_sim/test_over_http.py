"""The simulated account as the vendor's own SDK sees it, over HTTP."""

import stripe


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
    client = server.client()
    try:
        client.raw_request("post", "/v1/customers", nme="x")
    except stripe.InvalidRequestError as error:
        assert (error.code, error.param) == ("parameter_unknown", "nme")
    else:
        raise AssertionError("the unknown parameter was accepted")


def test_account_names_itself(server):
    account = server.client().v1.accounts.retrieve_current()
    assert account.id.startswith("acct_")
    assert account.settings.dashboard.display_name
