"""Keys of every kind: what each may do, and how it is refused."""

import httpx2
import pytest
import stripe


def refusal(account, method: str, path: str, key: str, **params) -> tuple[int, dict]:
    status, body = account.request(method, path, params, api_key=key)
    return status, body.get("error", {})


@pytest.mark.parametrize(
    ("method", "path", "permission"),
    [
        ("GET", "/v1/subscriptions", "rak_subscription_read"),
        ("POST", "/v1/subscription_schedules", "rak_subscription_write"),
        ("GET", "/v1/subscription_schedules/sub_sched_x", "rak_subscription_read"),
        ("POST", "/v1/prices", "rak_plan_write"),
        ("POST", "/v1/invoices/in_x/void", "rak_invoice_write"),
        ("DELETE", "/v1/invoiceitems/ii_x", "rak_invoice_write"),
        ("GET", "/v1/events", "rak_event_read"),
        ("POST", "/v1/webhook_endpoints", "rak_webhook_write"),
        ("GET", "/v1/test_helpers/test_clocks", "rak_billing_clock_read"),
        ("POST", "/v1/credit_notes", "rak_credit_note_write"),
    ],
)
def test_a_restricted_key_is_told_what_it_lacks(account, method, path, permission):
    account.credentials.restrict("rk_test_narrow", {"rak_customer_write"})
    status, error = refusal(account, method, path, "rk_test_narrow")
    assert (status, error["type"]) == (403, "invalid_request_error")
    assert error["message"] == (
        "The provided key 'rk_test_********rrow' does not have the required permissions for this endpoint on "
        f"account '{account.state.account_id}'. Having the '{permission}' permission would allow this request to "
        "continue."
    )


def test_who_may_write_may_read_and_others_are_not_concerned(account):
    account.credentials.restrict("rk_test_one", {"rak_customer_write", "rak_product_read"})
    assert account.request("POST", "/v1/customers", {}, api_key="rk_test_one")[0] == 200
    assert account.request("GET", "/v1/customers", api_key="rk_test_one")[0] == 200
    assert account.request("GET", "/v1/products", api_key="rk_test_one")[0] == 200
    assert account.request("POST", "/v1/products", {"name": "x"}, api_key="rk_test_one")[0] == 403
    assert account.request("POST", "/v1/products", {"name": "x"}, api_key="rk_test_two")[0] == 200


def test_what_was_forbidden_does_not_use_up_its_key(account):
    account.credentials.restrict("rk_test_one", {"rak_customer_read"})
    call = {"idempotency_key": "order-1"}
    assert account.request("POST", "/v1/customers", {}, api_key="rk_test_one", **call)[0] == 403
    assert account.request("POST", "/v1/customers", {}, api_key="sk_test_x", **call)[0] == 200


def test_publishable_and_expired_keys(account):
    status, error = refusal(account, "GET", "/v1/customers", "pk_test_x")
    assert (status, error["code"]) == (401, "secret_key_required")
    account.credentials.expire("sk_test_old1")
    status, error = refusal(account, "GET", "/v1/customers", "sk_test_old1")
    assert (status, error["code"]) == (401, "api_key_expired")
    assert error["message"] == "Expired API Key provided: sk_test_********old1"


def test_the_sdk_tells_refused_keys_apart(server):
    with httpx2.Client(base_url=server.url) as controls:
        controls.post("/_sim/keys", json={"key": "rk_test_one", "permissions": ["rak_event_read"]})
        controls.post("/_sim/keys", json={"key": "sk_test_old", "expired": True})
        for wrong in ({}, {"key": "x"}, {"key": 3, "permissions": []}, []):
            assert controls.post("/_sim/keys", json=wrong).status_code == 400
    with pytest.raises(stripe.PermissionError, match="rak_customer_read"):
        server.client("rk_test_one").v1.customers.list()
    assert server.client("rk_test_one").v1.events.list().data == []
    with pytest.raises(stripe.AuthenticationError, match="Expired API Key"):
        server.client("sk_test_old").v1.customers.list()


def test_a_key_may_come_as_the_name_of_basic_authentication(server):
    with httpx2.Client(base_url=server.url) as raw:
        assert raw.get("/v1/account", auth=("sk_test_x", "")).status_code == 200
        assert raw.get("/v1/account", headers={"Authorization": "Basic !"}).status_code == 401
        assert raw.get("/v1/account", headers={"Authorization": "Digest x"}).status_code == 401
