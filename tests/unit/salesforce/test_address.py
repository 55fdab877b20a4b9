"""What people type or copy for an org, and what of it is an API address."""

from __future__ import annotations

import pytest

from cpqbridge.errors import ConfigurationError
from cpqbridge.salesforce.address import answered_address, api_address, sign_in_address


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("https://acme.my.salesforce.com", "https://acme.my.salesforce.com"),
        ("https://ACME.my.salesforce.com/", "https://acme.my.salesforce.com"),
        (" acme.my.salesforce.com ", "https://acme.my.salesforce.com"),
        ("https://acme.my.salesforce.com:443/x?y=1", "https://acme.my.salesforce.com"),
        ("https://acme--dev.sandbox.my.salesforce.com", "https://acme--dev.sandbox.my.salesforce.com"),
        ("https://acme.lightning.force.com/lightning/page/home", "https://acme.my.salesforce.com"),
        (
            "https://acme--dev.sandbox.lightning.force.com",
            "https://acme--dev.sandbox.my.salesforce.com",
        ),
        ("https://acme.my.salesforce-setup.com/lightning", "https://acme.my.salesforce.com"),
        ("http://127.0.0.1:4000/", "http://127.0.0.1:4000"),
        ("http://[::1]:4000", "http://[::1]:4000"),
    ],
)
def test_api_address_when_an_org_is_meant_returns_its_origin(typed: str, address: str) -> None:
    assert api_address(typed) == address


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "http://acme.my.salesforce.com",
        "https://acme.my.salesforce.com:8443",
        "https://login.salesforce.com",
        "https://test.salesforce.com",
        "https://my.salesforce.com",
        "https://.my.salesforce.com",
        "https://evil.com/.my.salesforce.com",
        "https://acme.my.salesforce.com.evil.com",
        "https://evilmy.salesforce.com",
        "https://acme.my.salesforce.com@evil.com",
        "http://localhost:4000",
        "http://10.0.0.1",
        "http://169.254.169.254",
        "file:///etc/passwd",
        "https://[bad",
    ],
)
def test_api_address_when_not_an_org_is_refused_with_a_hint(typed: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        api_address(typed)
    assert caught.value.code == "salesforce_address"
    assert "my.salesforce.com" in caught.value.fix


def test_api_address_when_refused_repeats_no_password() -> None:
    with pytest.raises(ConfigurationError) as caught:
        api_address("https://user:hunter2@acme.example.com")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("login.salesforce.com", "https://login.salesforce.com"),
        ("https://test.salesforce.com/?locale=de", "https://test.salesforce.com"),
        ("https://acme.lightning.force.com/lightning", "https://acme.my.salesforce.com"),
        ("http://127.0.0.1:4000", "http://127.0.0.1:4000"),
    ],
)
def test_sign_in_address_when_people_sign_in_there_returns_its_origin(typed: str, address: str) -> None:
    assert sign_in_address(typed) == address


@pytest.mark.parametrize(
    "typed",
    [
        "http://login.salesforce.com",
        "https://login.salesforce.com:8443",
        "https://login.salesforce.com.evil.com",
        "https://login.salesforce.com@evil.com",
        "https://user:password@login.salesforce.com",
        "https://eu.salesforce.com",
        "https://192.168.0.1",
    ],
)
def test_sign_in_address_when_elsewhere_is_refused(typed: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        sign_in_address(typed)
    assert caught.value.code == "salesforce_address"
    assert "password" not in str(caught.value)


@pytest.mark.parametrize(
    ("named", "sign_in"),
    [
        ("http://127.0.0.1:9", "https://login.salesforce.com"),
        ("https://acme.my.salesforce.com", "http://127.0.0.1:4000"),
        ("https://login.salesforce.com", "https://login.salesforce.com"),
        ("https://evil.com", "https://login.salesforce.com"),
        (None, "https://login.salesforce.com"),
        ("", "https://login.salesforce.com"),
    ],
)
def test_answered_address_when_it_leads_elsewhere_is_refused(named: object, sign_in: str) -> None:
    with pytest.raises(ConfigurationError):
        answered_address(named, sign_in=sign_in)


def test_answered_address_when_an_org_moved_returns_its_origin() -> None:
    moved = answered_address("https://acme2.my.salesforce.com/", sign_in="https://login.salesforce.com")
    assert moved == "https://acme2.my.salesforce.com"
