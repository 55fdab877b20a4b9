"""Which addresses count as this machine."""

from __future__ import annotations

import pytest

from cpqbridge.domain.addresses import is_internet_address, is_loopback_url


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000", "http://127.200.3.4", "http://[::1]:99/x", "https://127.0.0.1"]
)
def test_is_loopback_url_when_numeric_loopback_is_true(url: str) -> None:
    assert is_loopback_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8000",
        "http://127.0.0.1.example.com",
        "http://user@127.0.0.1",
        "http://10.0.0.1",
        "http://[::2]",
        "http://2130706433",
        "http://127.1",
        "ftp://127.0.0.1",
        "127.0.0.1",
        "http://127.0.0.1:99999",
        "http://[::1",
        "",
    ],
)
def test_is_loopback_url_when_anything_else_is_false(url: str) -> None:
    assert not is_loopback_url(url)


@pytest.mark.parametrize("number", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34"])
def test_is_internet_address_of_a_public_one_is_true(number: str) -> None:
    assert is_internet_address(number)


@pytest.mark.parametrize(
    "number",
    [
        "127.0.0.1",
        "10.1.2.3",
        "169.254.169.254",
        "192.168.0.1",
        "100.64.0.1",
        "224.0.0.1",
        "0.0.0.0",
        "::1",
        "::ffff:10.0.0.1",
        "fe80::1%eth0",
        "fd00::1",
        "ff02::1",
    ],
)
def test_is_internet_address_of_an_inner_one_is_false(number: str) -> None:
    assert not is_internet_address(number)
