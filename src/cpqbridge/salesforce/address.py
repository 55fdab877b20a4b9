"""The addresses an org's API and its sign-in may be reached at.

What a person types and what Salesforce names in an answer is input: it leads to Salesforce's own hosts or is
refused. Source: Salesforce help, "My Domain URL Formats", as restated in the project's design notes,
section 1.2 (20 Nov 2026).
"""

from __future__ import annotations

from urllib.parse import SplitResult

from cpqbridge.domain.addresses import is_loopback_url, origin, split_address
from cpqbridge.errors import ConfigurationError

PRODUCTION_SIGN_IN = "https://login.salesforce.com"
SANDBOX_SIGN_IN = "https://test.salesforce.com"

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
    """
    parts = _parts(text)
    if is_loopback_url(parts.geturl()):
        return origin(parts)
    host = _host(parts, text)
    if host in _SIGN_IN_HOSTS:
        raise _refused(text, "is where people sign in, not where an org's API answers")
    for suffix in _BROWSER_SUFFIXES:
        if host.endswith(suffix) and len(host) > len(suffix):
            host = host.removesuffix(suffix) + _API_SUFFIX
    if not host.endswith(_API_SUFFIX) or len(host) == len(_API_SUFFIX):
        raise _refused(text, "is not the My Domain address of a Salesforce org")
    return f"https://{host}"


def sign_in_address(text: str) -> str:
    """Return the origin at which people sign in: Salesforce's two general ones, or an org's own.

    Raises:
        ConfigurationError: It is neither (code `salesforce_address`).
    """
    parts = _parts(text)
    if not is_loopback_url(parts.geturl()) and _host(parts, text) in _SIGN_IN_HOSTS:
        return f"https://{_host(parts, text)}"
    return api_address(text)


def answered_address(text: object, *, sign_in: str) -> str:
    """Return the origin of the API that an answer to a sign-in at `sign_in` names.

    A simulated org leads to this machine and no other org does, whatever an answer says.

    Raises:
        ConfigurationError: It is no address of an org, or one on the other side of that border.
    """
    named = text if isinstance(text, str) else ""
    address = api_address(named)
    if is_loopback_url(address) != is_loopback_url(sign_in):
        raise _refused(named, f"is not one that a sign-in at {sign_in} may lead to")
    return address


def _parts(text: str) -> SplitResult:
    text = text.strip()
    parts = split_address(text if "://" in text else f"https://{text}")
    if parts is None:
        raise _refused(text, "is not an https address")
    return parts


def _host(parts: SplitResult, text: str) -> str:
    if parts.scheme != "https" or parts.port not in {None, _HTTPS_PORT}:
        raise _refused(text, "is not an https address on the usual port")
    return (parts.hostname or "").rstrip(".")


def _refused(text: str, why: str) -> ConfigurationError:
    return ConfigurationError(
        # What stands before an @ may be a password: it is not repeated.
        f"The Salesforce address {text.rsplit('@', 1)[-1]!r} {why}.",
        code="salesforce_address",
        field="salesforce_url",
        fix="Use the org's own address, like https://acme.my.salesforce.com "
        "(Setup, My Domain shows it); plain http is for a simulated org at 127.0.0.1 only.",
    )
