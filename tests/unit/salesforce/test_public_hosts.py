"""Names that lead into this machine's own network are refused before anything is sent."""

from __future__ import annotations

import httpx2
import pytest

from cpqbridge.errors import ConfigurationError
from cpqbridge.salesforce.public_hosts import PublicHostsOnly, require_public

INSIDE = [
    "10.0.0.1",
    "127.0.0.1",
    "172.16.5.4",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "::1",
    "fe80::1%eth0",
    "fd00::1",
    "::ffff:10.0.0.1",
]


@pytest.mark.parametrize("address", INSIDE)
def test_require_public_when_the_name_leads_inside_is_refused(address: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        require_public("https://acme.my.salesforce.com", resolve=lambda _: ["96.43.144.1", address])
    assert (caught.value.code, caught.value.field) == ("salesforce_private_address", "salesforce_url")
    assert address in caught.value.message


@pytest.mark.parametrize("found", [[], ["96.43.144.1"], ["2606:4700::1111"]])
def test_require_public_when_the_name_leads_outside_or_nowhere_passes(found: list[str]) -> None:
    require_public("https://acme.my.salesforce.com", resolve=lambda _: found)


def test_a_simulated_org_is_on_this_machine() -> None:
    require_public("http://127.0.0.1:4000", resolve=lambda _: ["127.0.0.1"])


def test_nothing_is_sent_to_a_host_inside_and_each_host_is_looked_up_once() -> None:
    asked: list[str] = []

    def resolve(host: str) -> list[str]:
        asked.append(host)
        return ["10.0.0.1"] if host.startswith("inside") else ["96.43.144.1"]

    sent: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        sent.append(request.url.host)
        return httpx2.Response(200)

    hooks = {"request": [PublicHostsOnly(resolve)]}
    with httpx2.Client(transport=httpx2.MockTransport(answer), event_hooks=hooks) as client:
        for _ in range(3):
            client.get("https://acme.my.salesforce.com/")
        with pytest.raises(ConfigurationError):
            client.get("https://inside.my.salesforce.com/")
    assert sent == ["acme.my.salesforce.com"] * 3
    assert asked == ["acme.my.salesforce.com", "inside.my.salesforce.com"]
