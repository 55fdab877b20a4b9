"""Where a name leads: never into this machine's own network.

The allowed hosts are all Salesforce's; a name server that answers with an address of the inside is refused
before anything is sent, so that no token reaches it.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

import httpx2

from cpqbridge.domain.addresses import is_internet_address, is_loopback_url
from cpqbridge.errors import ConfigurationError

Resolve = Callable[[str], Iterable[str]]
"""Returns the IP addresses of a host name, none where it has none or nobody can be asked."""


def addresses_of(host: str) -> tuple[str, ...]:
    """Return the IP addresses that this machine's name server gives for a host, none when it has none."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        # Behind a proxy of the company's only the proxy may know; an unknown name leads nowhere anyway.
        return ()
    return tuple(sorted({str(entry[4][0]) for entry in found}))


def require_public(url: str, *, resolve: Resolve = addresses_of) -> None:
    """Check that the host of an https address lies in the internet; simulated orgs are on loopback.

    Raises:
        ConfigurationError: The host's name leads to a private, loopback, link-local or reserved address
            (code `salesforce_private_address`).
    """
    if is_loopback_url(url):
        return
    host = urlsplit(url).hostname or ""
    inside = [text for text in resolve(host) if not is_internet_address(text)]
    if inside:
        raise ConfigurationError(
            f"The name {host} leads to {inside[0]}, which is not an address of the internet.",
            code="salesforce_private_address",
            field="salesforce_url",
            fix="Check the address; if it is right, have the name server of this machine put in order. "
            "Nothing was sent.",
        )


class PublicHostsOnly:
    """An httpx2 request hook that lets requests out to public hosts only; each host is looked up once."""

    def __init__(self, resolve: Resolve = addresses_of) -> None:
        """Look hosts up with `resolve`."""
        self._resolve = resolve
        self._known: set[str] = set()

    def __call__(self, request: httpx2.Request) -> None:
        """Check the host of a request before it is sent; see `require_public`."""
        host = request.url.host
        if host in self._known:
            return
        require_public(str(request.url), resolve=self._resolve)
        self._known.add(host)
