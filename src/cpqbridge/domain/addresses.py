"""Which addresses a client may talk to: https, or plain http to this very machine."""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Address, IPv6Address, ip_address
from urllib.parse import SplitResult, urlsplit

_IPV6_LOOPBACK = IPv6Address("::1")


def is_loopback_url(url: str) -> bool:
    """Return whether `url` is an http(s) address of 127.0.0.0/8 or ::1, written as a number.

    The name localhost does not count: what it resolves to is not ours to trust.
    """
    parts = split_address(url)
    return parts is not None and is_loopback_host(parts.hostname or "")


def is_loopback_host(host: str) -> bool:
    """Return whether `host` is an address of 127.0.0.0/8 or ::1, written as a number."""
    try:
        return IPv4Address(host).is_loopback
    except AddressValueError:
        pass
    try:
        return IPv6Address(host) == _IPV6_LOOPBACK
    except AddressValueError:
        return False


def is_internet_address(number: str) -> bool:
    """Return whether an IP address, written as a number, lies in the internet: not inside of any network.

    Private, loopback, link-local, reserved and multicast addresses do not, also where IPv6 carries one of
    IPv4, or its interface after a percent sign.
    """
    address = ip_address(number.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_global and not address.is_multicast


def split_address(url: str) -> SplitResult | None:
    """Return the parts of an http(s) address with a host, a valid port and no user in it, else None."""
    try:
        parts = urlsplit(url)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        return None
    plain = parts.scheme in {"http", "https"} and bool(parts.hostname) and "@" not in parts.netloc
    return parts if plain and port_is_valid else None


def origin(parts: SplitResult) -> str:
    """Return scheme, host and port of an address, without a path and without a trailing slash."""
    return f"{parts.scheme}://{parts.netloc.lower()}"
