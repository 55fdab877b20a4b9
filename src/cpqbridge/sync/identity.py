"""Is it still the org, the account and the mode that the connection was made with? Asked before all else.

A sandbox that was refreshed, an address that leads elsewhere, a key of another account: each would bill the
wrong customers, so nothing but the question itself is sent until a side has said that it is the right one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from cpqbridge.domain.calls import Call, CallEnd, CallWatch, Side
from cpqbridge.errors import AccessLostError, ConfigurationError
from cpqbridge.salesforce.client import SalesforceClient
from cpqbridge.salesforce.notices import text_at
from cpqbridge.salesforce.soql import select
from cpqbridge.store.connections import ConnectionFacts
from cpqbridge.stripe_billing.client import StripeBilling

_ASK_ORG = select(["Id"], "Organization")
_SANDBOX_HOST = ".sandbox.my.salesforce.com"


class IdentityWatch:
    """Stands before another watch and lets a side be called only once it has said who it is.

    It asks once for each side, with one call, and remembers the answer in `proven`, which the next watch of
    the same secrets is given, so that opening a connection anew costs no call.
    """

    def __init__(self, inner: CallWatch, *, proven: set[Side]) -> None:
        """Ask nothing yet; `ask` is set before the first call."""
        self._inner = inner
        self._proven = proven
        self._asks: Mapping[Side, Callable[[], None]] = {}
        self._asking: set[Side] = set()
        self._guards: dict[Side, threading.RLock] = {
            "salesforce": threading.RLock(),
            "stripe": threading.RLock(),
        }

    def ask(self, asks: Mapping[Side, Callable[[], None]]) -> None:
        """Ask with these from now on; each raises when the side is another one."""
        self._asks = asks

    def before(self, call: Call) -> None:
        """Let the request through once its side is the right one.

        Raises:
            AccessLostError: it is another org, account or mode (codes `wrong_org`, `wrong_account`,
                `wrong_mode`).
        """
        if call.side not in self._proven:
            self._prove(call.side)
        self._inner.before(call)

    def after(self, end: CallEnd) -> None:
        """Pass it on."""
        self._inner.after(end)

    def _prove(self, side: Side) -> None:
        # The question goes the same way, in the same thread, and must not wait for its own answer.
        with self._guards[side]:
            if side in self._proven or side in self._asking or side not in self._asks:
                return
            self._asking.add(side)
            try:
                self._asks[side]()
                self._proven.add(side)
            finally:
                self._asking.discard(side)


def questions(
    known: ConnectionFacts,
    salesforce: SalesforceClient,
    stripe: StripeBilling,
    *,
    lost: Callable[[AccessLostError], None],
) -> Mapping[Side, Callable[[], None]]:
    """Return what to ask each side; a wrong one is told to `lost`, which stops the connection, and raised."""

    def guarded(ask: Callable[[], None]) -> Callable[[], None]:
        def asked() -> None:
            try:
                ask()
            except AccessLostError as error:
                if error.code in WRONG_SIDE:
                    lost(error)
                raise

        return asked

    def ask_org() -> None:
        rows = salesforce.query(_ASK_ORG)["records"]
        found = text_at(rows[0], "Id") if rows else None
        if found is not None and found != known.org_id:
            raise _wrong_org(known, found)

    def ask_account() -> None:
        if stripe.livemode != known.live_mode:
            raise _wrong_mode(known)
        found = stripe.account().account_id
        if found != known.stripe_account_id:
            raise _wrong_account(known, found)

    return {"salesforce": guarded(ask_org), "stripe": guarded(ask_account)}


WRONG_SIDE = frozenset({"wrong_org", "wrong_account", "wrong_mode"})
"""Codes of errors that say that a side is not the one the connection was made with."""


def require_same(known: ConnectionFacts, found: ConnectionFacts) -> None:
    """Check that both sides are the ones a connection was made with.

    Raises:
        ConfigurationError: one is not (codes `wrong_org`, `wrong_account`, `wrong_mode`).
    """
    wrong: AccessLostError | None = None
    if known.org_id != found.org_id:
        wrong = _wrong_org(known, found.org_id)
    elif known.stripe_account_id != found.stripe_account_id:
        wrong = _wrong_account(known, found.stripe_account_id)
    elif known.live_mode != found.live_mode:
        wrong = _wrong_mode(known)
    if wrong is not None:
        raise ConfigurationError(wrong.message, code=wrong.code, field="connection", fix=wrong.fix)


def _wrong_org(known: ConnectionFacts, found: str) -> AccessLostError:
    is_sandbox = known.salesforce_url.endswith(_SANDBOX_HOST)
    refreshed = " A sandbox that was refreshed is a new org with a new id." if is_sandbox else ""
    return AccessLostError(
        f"The Salesforce org is {found}, but the connection was made with {known.org_id}.{refreshed}",
        code="wrong_org",
        fix="Give it a token of the org it was made with, or make a new connection for the other one.",
    )


def _wrong_account(known: ConnectionFacts, found: str) -> AccessLostError:
    return AccessLostError(
        f"The Stripe account is {found}, but the connection was made with {known.stripe_account_id}.",
        code="wrong_account",
        fix="Give it a key of the account it was made with, or make a new connection for the other one.",
    )


def _wrong_mode(known: ConnectionFacts) -> AccessLostError:
    made, now = ("live", "test") if known.live_mode else ("test", "live")
    return AccessLostError(
        f"The Stripe key is for {now} mode, but the connection was made in {made} mode.",
        code="wrong_mode",
        fix=f"Give it a {made} key, or make a new connection for {now} mode.",
    )
