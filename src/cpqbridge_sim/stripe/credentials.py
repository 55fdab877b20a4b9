"""API keys: which are accepted, what a restricted one may do.

Source: docs.stripe.com/keys and /keys/restricted-api-keys, read 20 Nov 2026.
"""

from collections.abc import Collection

from cpqbridge_sim.stripe.errors import StripeApiError

_TEST_PREFIXES = ("sk_test_", "rk_test_")
_LIVE_PREFIXES = ("sk_live_", "rk_live_")
# One permission covers several groups of addresses; the vendor still calls prices plans. Where the vendor's
# word was not found, it is the last word of the address in the singular.
_RESOURCES = {
    # Source: a real refusal quoted in github.com/stripe/stripe-node/issues/2246 and later ones, 21 Nov 2026.
    "account": "accounts_kyc_basic",
    "invoiceitems": "invoice",
    "prices": "plan",
    "subscription_items": "subscription",
    "subscription_schedules": "subscription",
    "test_clocks": "billing_clock",
    "webhook_endpoints": "webhook",
}


class Credentials:
    """The keys of one account in one mode.

    Args:
        keys: the keys that are accepted; any key of the account's mode when not given.
        live: whether live keys are accepted, otherwise test keys.
        account_id: the account that the keys belong to.
    """

    def __init__(self, keys: Collection[str] | None, *, live: bool, account_id: str) -> None:
        self._keys = None if keys is None else frozenset(keys)
        self._prefixes = _LIVE_PREFIXES if live else _TEST_PREFIXES
        self._account_id = account_id
        self._permissions: dict[str, frozenset[str]] = {}
        self._expired: set[str] = set()

    def restrict(self, key: str, permissions: Collection[str]) -> None:
        """Let a key do only this, for example `rak_subscription_write` (which allows reading too)."""
        self._permissions[key] = frozenset(permissions)

    def expire(self, key: str) -> None:
        """Accept a key no longer."""
        self._expired.add(key)

    def check(self, key: str | None, wanted_account: str | None) -> None:
        """Refuse a request without a valid key of this account.

        Raises:
            StripeApiError: 401 for the key, 403 for another account.
        """
        if not key:
            raise StripeApiError(
                "You did not provide an API key. You need to provide your API key in the "
                "Authorization header, "
                "using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
                status=401,
            )
        if key.startswith("pk_"):
            raise StripeApiError(
                "This API call cannot be made with a publishable API key. Please use a secret API key.",
                status=401,
                code="secret_key_required",
            )
        if key in self._expired:
            raise StripeApiError(
                f"Expired API Key provided: {_hidden(key)}", status=401, code="api_key_expired"
            )
        known = self._keys is None or key in self._keys
        if not known or not any(key.startswith(prefix) and key != prefix for prefix in self._prefixes):
            raise StripeApiError(f"Invalid API Key provided: {_hidden(key)}", status=401)
        if wanted_account not in (None, self._account_id):
            raise StripeApiError(
                f"The provided key does not have access to account '{wanted_account}' (or that account does "
                "not exist).",
                status=403,
                code="account_invalid",
            )

    def check_permission(self, key: str | None, method: str, path: str) -> None:
        """Refuse what a restricted key may not do.

        Raises:
            StripeApiError: 403 that names the missing permission.
        """
        granted = self._permissions.get(key or "")
        if granted is None:
            return
        resource = _resource(path)
        needed = f"rak_{resource}_{'read' if method == 'GET' else 'write'}"
        if needed not in granted and f"rak_{resource}_write" not in granted:
            raise StripeApiError(
                f"The provided key '{_hidden(key or '')}' does not have the required permissions for this "
                f"endpoint on account '{self._account_id}'. Having the '{needed}' permission would allow "
                "this request to continue.",
                status=403,
            )


def _resource(path: str) -> str:
    parts = path.strip("/").split("/")[1:]
    group = parts[1] if parts[0] in ("billing", "test_helpers") else parts[0]
    return _RESOURCES.get(group, group.removesuffix("s"))


def _hidden(key: str) -> str:
    return f"{key[:8]}{'*' * 8}{key[-4:]}"
