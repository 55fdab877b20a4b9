"""The addresses an org's API may be reached at."""

from __future__ import annotations

from cpqbridge.domain.addresses import is_loopback_url, origin, split_address
from cpqbridge.errors import ConfigurationError

_API_SUFFIX = ".my.salesforce.com"
_SIGN_IN_HOSTS = frozenset({"login.salesforce.com", "test.salesforce.com"})
_BROWSER_SUFFIXES = (".lightning.force.com", ".my.salesforce-setup.com")
_HTTPS_PORT = 443


def api_address(text: str) -> str:
    """Return the origin of the org's API for what a person typed or copied from the browser.

    An address of the Lightning or Setup pages is rewritten to the API host of the same org. Plain http is
    accepted for 127.0.0.0/8 and ::1 only (a simulated org).

    Raises:
        ConfigurationError: It is no address of an org (code `salesforce_address`).

    Source: Salesforce help, "My Domain URL Formats", as restated in the project's design notes (20 Nov 2026).
    """
    text = text.strip()
    parts = split_address(text if "://" in text else f"https://{text}")
    if parts is None:
        raise _refused(text, "is not an https address")
    if is_loopback_url(parts.geturl()):
        return origin(parts)
    host = (parts.hostname or "").rstrip(".")
    if host in _SIGN_IN_HOSTS:
        raise _refused(text, "is where people sign in, not where an org's API answers")
    if parts.scheme != "https" or parts.port not in {None, _HTTPS_PORT}:
        raise _refused(text, "is not an https address on the usual port")
    for suffix in _BROWSER_SUFFIXES:
        if host.endswith(suffix) and len(host) > len(suffix):
            host = host.removesuffix(suffix) + _API_SUFFIX
    if not host.endswith(_API_SUFFIX) or len(host) == len(_API_SUFFIX):
        raise _refused(text, "is not the My Domain address of a Salesforce org")
    return f"https://{host}"


def _refused(text: str, why: str) -> ConfigurationError:
    return ConfigurationError(
        # What stands before an @ may be a password: it is not repeated.
        f"The Salesforce address {text.rsplit('@', 1)[-1]!r} {why}.",
        code="salesforce_address",
        field="salesforce_url",
        fix="Use the org's own address, like https://acme.my.salesforce.com "
        "(Setup, My Domain shows it); plain http is for a simulated org at 127.0.0.1 only.",
    )
