"""Where Stripe's API may be, and what a secret key looks like."""

from __future__ import annotations

import re

from cpqbridge.domain.addresses import is_loopback_url, origin, split_address
from cpqbridge.errors import ConfigurationError

API_BASE = "https://api.stripe.com"

_KEY = re.compile(r"(sk|rk)_(test|live)_[!-~]+")


def api_address(text: str | None) -> str:
    """Return the origin of the API: Stripe's own, or one at 127.0.0.0/8 or ::1 (a simulated account).

    Raises:
        ConfigurationError: It is any other address (code `stripe_address`); the key goes nowhere else.
    """
    if text is None or text.rstrip("/") == API_BASE:
        return API_BASE
    parts = split_address(text)
    if parts is None or not is_loopback_url(text):
        raise ConfigurationError(
            f"The Stripe API address {text.rsplit('@', 1)[-1]!r} is neither {API_BASE} nor on this machine.",
            code="stripe_address",
            field="stripe_api_base",
            fix="Leave the address out for Stripe itself; a simulated account is at http://127.0.0.1:<port>.",
        )
    return origin(parts)


def key_is_live(api_key: str) -> bool:
    """Return whether a secret or restricted key is for live mode.

    Raises:
        ConfigurationError: It is no such key (code `stripe_key`); the key itself is not repeated.
    """
    found = _KEY.fullmatch(api_key)
    if found is None:
        published = " It looks like a publishable key, which cannot write." if api_key[:3] == "pk_" else ""
        raise ConfigurationError(
            f"The Stripe key is not a secret or restricted key.{published}",
            code="stripe_key",
            field="stripe_key",
            fix="Use a restricted key (rk_test_…, rk_live_…) or a secret key (sk_…), in one line.",
        )
    return found[2] == "live"
