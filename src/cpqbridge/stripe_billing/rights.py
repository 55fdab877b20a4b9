"""What a key may do, found out without reading or writing anything: by asking for objects that do not exist.

Stripe looks at a key's permissions before it looks for the object: a key that lacks one is answered 403 with
the permission's name, one that has it is answered 404 for an id nobody has. Source: docs.stripe.com/keys/
restricted-api-keys (a request beyond the permissions is refused) and real answers quoted in public issues
(stripe-node 2246, dj-stripe 1131), read 21 Nov 2026; the order of the two checks is not documented.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from cpqbridge.errors import AccessLostError, CpqbridgeError, RecordError
from cpqbridge.stripe_billing.client import StripeBilling
from cpqbridge.stripe_billing.error_codes import GONE, LACKS_PERMISSION, MISSING

_NOBODY = "cpqbridge_rights_check"
_PERMISSION = re.compile(r"'(rak_[a-z0-9_]+)'")


class Access(StrEnum):
    """What a restricted key can be given for a kind of object; write includes read."""

    READ = "read"
    WRITE = "write"


class RightState(StrEnum):
    """Whether a key has a right; unknown where the answer proves neither."""

    OK = "ok"
    MISSING = "missing"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """A permission by its name in Stripe's Dashboard, and what it is for.

    `only_if` says who needs it, empty for everybody. `call` is the request that shows whether a key has it:
    method and path, about an object that does not exist.
    """

    name: str
    access: Access
    used_for: str
    call: tuple[str, str]
    only_if: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRight:
    """A right and whether a key has it; `told` is what Stripe said where it has not or nothing is proven.

    `permission` is Stripe's technical name of the missing permission, empty where it was not told.
    """

    right: Right
    state: RightState
    told: str = ""
    permission: str = ""


def _on(name: str, place: str, used_for: str, *, ending: str = "", only_if: str = "") -> Right:
    """Return a right to write objects at `place`, which a change of one that does not exist shows."""
    call = ("POST", f"/v1/{place}_{_NOBODY}{ending}")
    return Right(name=name, access=Access.WRITE, used_for=used_for, call=call, only_if=only_if)


NEEDED: tuple[Right, ...] = (
    Right(
        name="Accounts",
        access=Access.READ,
        used_for="showing the name of the account",
        call=("GET", "/v1/account"),
        only_if="you want to see the account's name; without it only its id is shown",
    ),
    Right(
        name="Events",
        access=Access.READ,
        used_for="seeing what is changed in Stripe by others",
        call=("GET", f"/v1/events/evt_{_NOBODY}"),
    ),
    _on("Customers", "customers/cus", "making customers and crediting their balance"),
    _on("Products", "products/prod", "making products"),
    _on("Prices", "prices/price", "making prices"),
    _on("Coupons", "coupons/coupon", "making discounts", only_if="you sell with coupons"),
    _on(
        "Subscriptions",
        "subscription_schedules/sub_sched",
        "making and changing subscription schedules",
        ending="/release",
    ),
    _on("Invoices", "invoices/in", "billing one-time charges"),
    _on("Invoice items", "invoiceitems/ii", "lines of invoices, and what waits for the next one"),
    _on("Credit notes", "credit_notes/cn", "crediting what amendments and terminations take back"),
    _on("Billing meters", "billing/meters/mtr", "billing usage", only_if="you bill usage"),
)
"""The permissions that the calls of `cpqbridge.stripe_billing.client` need, in the Dashboard's order."""

NOT_NEEDED: tuple[Right, ...] = tuple(
    Right(name=name, access=Access.READ, used_for="nothing", call=("GET", f"/v1/{place}_{_NOBODY}"))
    for name, place in (
        ("Charges and refunds", "charges/ch"),
        ("Payouts", "payouts/po"),
        ("Webhook endpoints", "webhook_endpoints/we"),
    )
)
"""A sample of what cpqbridge never asks for: a key that may do these was given too much."""


def rights_of(client: StripeBilling) -> tuple[KeyRight, ...]:
    """Return every needed right and whether the key has it; about a dozen requests, none with an effect.

    A secret key may do everything, so nothing is asked for one.

    Raises:
        AccessLostError: Stripe does not accept the key at all.
        TransientError: Stripe cannot be reached.
    """
    if not client.restricted:
        return tuple(KeyRight(right=right, state=RightState.OK) for right in NEEDED)
    return tuple(_looked_at(client, right) for right in NEEDED)


def needless_rights(client: StripeBilling) -> Iterator[Right]:
    """Yield what a restricted key may do although nothing needs it, as far as that is looked at."""
    if client.restricted:
        for right in NOT_NEEDED:
            if _looked_at(client, right).state is RightState.OK:
                yield right


def _looked_at(client: StripeBilling, right: Right) -> KeyRight:
    method, path = right.call
    # A key of its own each time: Stripe would repeat yesterday's answer for one that it knows.
    once = f"{_NOBODY}:{secrets.token_hex(8)}" if method == "POST" else None
    try:
        client.ask(method, path, idempotency_key=once)
    except AccessLostError as error:
        if error.code != LACKS_PERMISSION:
            raise
        named = _PERMISSION.search(error.message)
        return KeyRight(
            right=right,
            state=RightState.MISSING,
            told=error.message,
            permission=named[1] if named else "",
        )
    except RecordError as error:
        if error.code not in {GONE, MISSING}:
            return KeyRight(right=right, state=RightState.UNKNOWN, told=error.message)
    except CpqbridgeError as error:
        if error.code == "stripe_unreachable":
            raise
        return KeyRight(right=right, state=RightState.UNKNOWN, told=error.message)
    return KeyRight(right=right, state=RightState.OK)
