"""Keys and addresses that cannot be Stripe's are refused before anything is sent."""

from __future__ import annotations

import pytest

from cpqbridge.errors import ConfigurationError
from cpqbridge.stripe_billing.address import API_BASE, api_address, key_is_live


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        (None, API_BASE),
        ("https://api.stripe.com/", API_BASE),
        ("http://127.0.0.1:5000/", "http://127.0.0.1:5000"),
        ("http://[::1]:5000", "http://[::1]:5000"),
    ],
)
def test_api_address_when_stripe_or_this_machine_is_accepted(typed: str | None, address: str) -> None:
    assert api_address(typed) == address


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "http://api.stripe.com",
        "https://evil.com",
        "http://localhost:1",
        "https://api.stripe.com@evil.com",
    ],
)
def test_api_address_when_anything_else_is_refused(typed: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        api_address(typed)
    assert caught.value.code == "stripe_address"


@pytest.mark.parametrize(
    ("key", "live"),
    [("sk_test_1", False), ("rk_test_a-b_C", False), ("sk_live_1", True), ("rk_live_1", True)],
)
def test_key_is_live_reads_the_mode(key: str, live: bool) -> None:
    assert key_is_live(key) is live


@pytest.mark.parametrize(
    "key",
    ["", "sk_test_", "pk_test_51Abc", "sk_prod_51Abc", "sk_test_51\nAbc", " sk_test_51Abc", "whsec_51Abc"],
)
def test_key_when_it_cannot_be_one_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        key_is_live(key)
    assert caught.value.code == "stripe_key"
    assert "51" not in str(caught.value)
    assert ("publishable" in caught.value.message) is key.startswith("pk_")
