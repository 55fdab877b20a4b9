"""A key's rights against the simulated account: found without an effect, named as in the Dashboard."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from cpqbridge.errors import AccessLostError, TransientError
from cpqbridge.sync.key_rights import KeyRights, RightState, key_rights
from cpqbridge_sim.hosting import host
from cpqbridge_sim.stripe.account import Account
from cpqbridge_sim.stripe.server import create_app

NOW = datetime(2026, 1, 28, 15, 4, 5, tzinfo=UTC)
KEY = "rk_test_narrow"
ENOUGH = frozenset(
    {
        "rak_accounts_kyc_basic_read",
        "rak_event_read",
        "rak_customer_write",
        "rak_product_write",
        "rak_plan_write",
        "rak_coupon_write",
        "rak_subscription_write",
        "rak_invoice_write",
        "rak_credit_note_write",
        "rak_meter_write",
    }
)


@pytest.fixture
def account() -> Account:
    return Account(NOW)


@pytest.fixture
def url(account: Account) -> Iterator[str]:
    with host(create_app(account)) as hosted:
        yield hosted.url


def states(found: KeyRights) -> dict[str, str]:
    return {each.right.name: each.state.value for each in found.rights}


def test_a_key_with_just_what_is_needed_is_fine_and_nothing_was_written(account: Account, url: str) -> None:
    account.credentials.restrict(KEY, ENOUGH)
    found = key_rights(KEY, stripe_api_base=url)
    assert set(states(found).values()) == {"ok"}
    assert (found.missing, found.unproven, found.needless) == ((), (), ())
    assert (found.restricted, found.live, found.account_id) == (True, False, account.state.account_id)
    assert account.all_objects() == {}
    assert not [entry for entry in account.log.after() if entry["method"] == "POST" and entry["status"] < 400]
    assert KEY not in repr(found) + str(found.as_document())


@pytest.mark.parametrize(
    ("lacked", "name"),
    [
        ("rak_event_read", "Events"),
        ("rak_customer_write", "Customers"),
        ("rak_plan_write", "Prices"),
        ("rak_subscription_write", "Subscriptions"),
        ("rak_credit_note_write", "Credit notes"),
    ],
)
def test_a_right_that_is_missing_is_named_as_people_know_it(
    account: Account, url: str, lacked: str, name: str
) -> None:
    account.credentials.restrict(KEY, ENOUGH - {lacked})
    found = key_rights(KEY, stripe_api_base=url)
    assert [(each.right.name, each.permission) for each in found.missing] == [(name, lacked)]


def test_who_may_only_read_cannot_write(account: Account, url: str) -> None:
    account.credentials.restrict(KEY, {right.replace("_write", "_read") for right in ENOUGH})
    lacking = {each.right.name for each in key_rights(KEY, stripe_api_base=url).missing}
    always = {"Customers", "Products", "Prices", "Subscriptions", "Invoices", "Invoice items", "Credit notes"}
    assert lacking == always


def test_rights_that_only_some_need_do_not_stop_anybody(account: Account, url: str) -> None:
    account.credentials.restrict(KEY, ENOUGH - {"rak_coupon_write", "rak_meter_write"})
    found = key_rights(KEY, stripe_api_base=url)
    assert found.missing == ()
    assert states(found)["Coupons"] == states(found)["Billing meters"] == "missing"


def test_the_account_is_known_from_a_refusal_too(account: Account, url: str) -> None:
    account.credentials.restrict(KEY, ENOUGH - {"rak_accounts_kyc_basic_read"})
    found = key_rights(KEY, stripe_api_base=url)
    assert (found.account_id, found.account_name) == (account.state.account_id, account.state.account_id)
    assert found.missing == ()


def test_a_right_nobody_needs_is_told(account: Account, url: str) -> None:
    account.credentials.restrict(KEY, {*ENOUGH, "rak_webhook_read"})
    assert [right.name for right in key_rights(KEY, stripe_api_base=url).needless] == ["Webhook endpoints"]


def test_a_secret_key_may_do_everything_and_is_asked_nothing(account: Account, url: str) -> None:
    found = key_rights("sk_test_simulated", stripe_api_base=url)
    assert (found.restricted, found.missing, found.needless) == (False, (), ())
    assert account.log.count == 1


def test_what_stripe_cannot_tell_now_stays_unknown(account: Account, url: str) -> None:
    account.credentials.restrict(KEY, ENOUGH)
    account.faults.read(
        {"faults": [{"kind": "server_error", "path": "/v1/products/prod_cpqbridge_rights_check"}]}
    )
    found = key_rights(KEY, stripe_api_base=url)
    assert [each.right.name for each in found.unproven] == ["Products"]
    assert found.unproven[0].state is RightState.UNKNOWN
    assert found.unproven[0].told


def test_a_key_that_is_not_accepted_and_an_account_out_of_reach_are_errors(
    account: Account, url: str
) -> None:
    account.credentials.expire(KEY)
    with pytest.raises(AccessLostError):
        key_rights(KEY, stripe_api_base=url)
    with pytest.raises(TransientError):
        key_rights(KEY, stripe_api_base="http://127.0.0.1:9")
