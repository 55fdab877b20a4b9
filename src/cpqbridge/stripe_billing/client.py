"""One Stripe account through the official SDK: pinned version, time-outs, no retries, plain dicts.

Retries have their one home in `cpqbridge.sync.retry`; idempotency keys come from the caller, since they
must outlive a crash.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from cpqbridge.domain.addresses import is_loopback_url
from cpqbridge.domain.billing import StepAction
from cpqbridge.domain.calls import CallWatch
from cpqbridge.errors import AccessLostError, InvariantError, RecordError
from cpqbridge.stripe_billing.address import api_address, key_is_live
from cpqbridge.stripe_billing.error_codes import LACKS_PERMISSION, MISSING, REFUSED, SCHEDULE_ENDED

if TYPE_CHECKING:
    import httpx2

API_VERSION = "2026-10-28.endive"
"""The version every request names; the SDK's types are for this one. Source: design notes, stripe.md 1.1."""

_PAGE_SIZE = 100
# Source: real refusals quoted in public issues (stripe-node 2246, dj-stripe 1131), read 21 Nov 2026.
_NAMED_ACCOUNT = re.compile(r"on account '(acct_\w+)'")
_WITH_PRICES = [
    "phases.items.price",
    "phases.items.discounts.discount",
    "phases.discounts.discount",
    "subscription",
    "subscription.discounts",
    "subscription.items.data.discounts",
]
_METERS = "/v1/billing/meters"
# What is asked for with the answer of a create, so that the first invoice can be compared without a call.
_WITH_INVOICE = ["subscription.latest_invoice"]
_EXPANDED: Mapping[StepAction, list[str]] = {StepAction.CREATE_SCHEDULE: _WITH_INVOICE}
_COLLECTIONS: Mapping[StepAction, str] = {
    StepAction.CREATE_CUSTOMER: "/v1/customers",
    StepAction.CREATE_PRODUCT: "/v1/products",
    StepAction.CREATE_METER: _METERS,
    StepAction.CREATE_COUPON: "/v1/coupons",
    StepAction.CREATE_PRICE: "/v1/prices",
    StepAction.CREATE_SCHEDULE: "/v1/subscription_schedules",
    StepAction.CREATE_INVOICE: "/v1/invoices",
    StepAction.CREATE_CREDIT_NOTE: "/v1/credit_notes",
}
_ON_TARGET: Mapping[StepAction, tuple[str, str]] = {
    StepAction.UPDATE_CUSTOMER: ("/v1/customers", ""),
    StepAction.UPDATE_PRODUCT: ("/v1/products", ""),
    StepAction.UPDATE_SCHEDULE: ("/v1/subscription_schedules", ""),
    StepAction.CANCEL_SCHEDULE: ("/v1/subscription_schedules", "/cancel"),
    StepAction.ADD_INVOICE_LINES: ("/v1/invoices", "/add_lines"),
    StepAction.FINALIZE_INVOICE: ("/v1/invoices", "/finalize"),
    StepAction.CREDIT_BALANCE: ("/v1/customers", "/balance_transactions"),
}
_ON_SCHEDULE = frozenset({StepAction.UPDATE_SCHEDULE, StepAction.CANCEL_SCHEDULE})
# A void invoice is past being a draft as well, but it bills nothing: that is not what was wanted.
_FINAL = frozenset({"open", "paid", "uncollectible"})
_ENDED = frozenset({"released", "canceled", "completed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeAccount:
    """Whose account a key opens, and whether it does so in live mode."""

    account_id: str
    livemode: bool
    display_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsPage:
    """A part of a list of events, newest first, and whether older ones follow."""

    events: tuple[dict[str, Any], ...]
    has_more: bool


class StripeBilling:
    """A session with one account. It may be shared by threads; close it, or use it as a context manager.

    Attributes:
        livemode: Whether the key is for live mode.
        restricted: Whether the key can do only what it was given.
        simulated: Whether the API is on this machine.
    """

    def __init__(
        self,
        api_key: str,
        *,
        api_base: str | None = None,
        timeout_seconds: float = 30,
        watch: CallWatch | None = None,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        """Check key and address and load the SDK; nothing is sent yet.

        Args:
            api_key: A secret or restricted key, shown nowhere.
            api_base: None for Stripe itself, else an address of 127.0.0.0/8 or ::1.
            timeout_seconds: How long to wait for an answer.
            watch: Is told of every request before and after it, and may keep it from being sent.
            transport: Stands in for the network in tests.

        Raises:
            ConfigurationError: The key or the address cannot be one.
        """
        self.livemode = key_is_live(api_key)
        self.restricted = api_key.startswith("rk_")
        address = api_address(api_base)
        self.simulated = is_loopback_url(address)
        # The SDK takes a fifth of a second to load: only those who talk to Stripe wait for it.
        from cpqbridge.stripe_billing.sdk import Sdk  # noqa: PLC0415

        self._sdk = Sdk(
            api_key,
            api_base=address,
            api_version=API_VERSION,
            timeout_seconds=timeout_seconds,
            watch=watch,
            transport=transport,
        )

    def __repr__(self) -> str:
        """Return the mode only."""
        return f"StripeBilling(livemode={self.livemode}, simulated={self.simulated})"

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._sdk.close()

    def account(self) -> StripeAccount:
        """Return whose account the key opens, one call.

        A restricted key may lack the permission to read the account; the refusal names the account, which
        then goes without a display name.
        """
        try:
            found = self._sdk.get("/v1/account")
        except AccessLostError as error:
            named = _NAMED_ACCOUNT.search(error.message) if error.code == LACKS_PERMISSION else None
            if named is None:
                raise
            found = {"id": named[1]}
        settings = found.get("settings") or {}
        profile = found.get("business_profile") or {}
        dashboard = settings.get("dashboard") or {}
        return StripeAccount(
            account_id=_text(found, "id"),
            livemode=self.livemode,
            display_name=dashboard.get("display_name") or profile.get("name") or _text(found, "id"),
        )

    def ask(self, method: str, path: str, *, idempotency_key: str | None) -> dict[str, Any]:
        """Return what Stripe answers to a request without parameters; a POST carries `idempotency_key`.

        Raises:
            CpqbridgeError: As the error map says.
        """
        if method == "GET":
            return self._sdk.get(path)
        return self._sdk.post(path, {}, idempotency_key=idempotency_key or "")

    def perform(
        self,
        action: StepAction,
        parameters: Mapping[str, object],
        *,
        target: str | None,
        idempotency_key: str,
    ) -> dict[str, Any]:
        """Carry out one step with one call and return the object Stripe answers with, as plain values.

        Numbers that Stripe writes as decimals are Decimal. A created schedule has its subscription and that
        one's latest invoice in full, where they exist already. Cancelling what is cancelled and finalising
        what is final is refused by Stripe, and returns the object as it stands: it is done.

        Args:
            action: What to do.
            parameters: The nested body, all references filled in.
            target: The Stripe id the call acts on, None for a create.
            idempotency_key: The same for every try of the same step.

        Raises:
            InvariantError: The parameters are not what Stripe takes (code `stripe_parameters`), or the key
                was used with others (`stripe_idempotency`). Nothing was written.
            RecordError: Stripe refused (code `stripe_refused`; `stripe_already_exists` when the id or lookup
                key is taken: see `find_by_key`; `schedule_ended_in_stripe` when the schedule to change or
                cancel was released, cancelled or is completed).
            AccessLostError: The key is not accepted or lacks a permission, which the message names.
            TransientError: Nothing was written; the same may succeed later.
            OutcomeUnknownError: Repeat with the same key before anything else.
        """
        body = self._sdk.checked(action, parameters)
        if action in _EXPANDED:
            body["expand"] = _EXPANDED[action]
        try:
            return self._sdk.post(_path(action, target), body, idempotency_key=idempotency_key)
        except RecordError as error:
            if error.code != REFUSED or target is None:
                raise
            return self._after_refusal(action, target, error)

    def find_done(self, action: StepAction, target: str) -> dict[str, Any] | None:
        """Return what a cancellation or finalisation acts on where that is done already, else None."""
        found = None
        if action is StepAction.CANCEL_SCHEDULE:
            found = self.retrieve_schedule(target)
        elif action is StepAction.FINALIZE_INVOICE:
            found = self.retrieve_invoice(target)
        return found if found is not None and _is_done(action, found) else None

    def find_by_key(self, action: StepAction, parameters: Mapping[str, object]) -> dict[str, Any] | None:
        """Return the object that already has the id or lookup key of a create, None without one.

        Prices are found by `lookup_key`, products and coupons by `id`, meters by `event_name`; nothing else
        has such a key. Whether the object is the one that is wanted is the caller's to check.
        """
        if action is StepAction.CREATE_METER:
            meters = self._all(_METERS, {"status": "active"})
            return next((each for each in meters if each["event_name"] == parameters["event_name"]), None)
        if action is StepAction.CREATE_PRICE and "lookup_key" in parameters:
            return next(self._all("/v1/prices", {"lookup_keys": [str(parameters["lookup_key"])]}), None)
        if action is StepAction.CREATE_COUPON:
            return self._retrieve("/v1/coupons", str(parameters["id"]))
        if action is StepAction.CREATE_PRODUCT and "id" in parameters:
            return self.retrieve_product(str(parameters["id"]))
        return None

    def retrieve_product(self, product_id: str) -> dict[str, Any] | None:
        """Return a product, None when the account has none with this id."""
        return self._retrieve("/v1/products", product_id)

    def retrieve_price(self, price_id: str) -> dict[str, Any] | None:
        """Return a price, None when the account has none with this id."""
        return self._retrieve("/v1/prices", price_id)

    def retrieve_schedule(self, schedule_id: str, *, with_prices: bool = False) -> dict[str, Any] | None:
        """Return a subscription schedule, None when the account has none with this id.

        The prices of its phases' items are ids, or `with_prices` the whole objects, and its subscription with
        the discounts that run on it and on its items too, in the same call.
        """
        expand = _WITH_PRICES if with_prices else []
        return self._retrieve("/v1/subscription_schedules", schedule_id, expand=expand)

    def retrieve_made_schedule(self, schedule_id: str) -> dict[str, Any] | None:
        """Return a subscription schedule as `perform` answers its creation, None where there is none."""
        return self._retrieve("/v1/subscription_schedules", schedule_id, expand=_WITH_INVOICE)

    def retrieve_invoice(self, invoice_id: str) -> dict[str, Any] | None:
        """Return an invoice with all its lines, None when the account has none with this id."""
        found = self._retrieve("/v1/invoices", invoice_id)
        return None if found is None else self._with_all_lines(found, "/v1/invoices")

    def events_page(self, types: Sequence[str], *, since: datetime, after: str | None = None) -> EventsPage:
        """Return up to a hundred events of at most twenty types, one call.

        Stripe lists the last 30 days. Source: docs.stripe.com/api/events/list (read 21 Nov 2026).

        Args:
            types: what they are to be called.
            since: the earliest second at which they were made, aware.
            after: the id of the last event of the page before.
        """
        filters: dict[str, object] = {"types": list(types), "created": {"gte": int(since.timestamp())}}
        if after is not None:
            filters["starting_after"] = after
        page = self._sdk.get("/v1/events", {**filters, "limit": _PAGE_SIZE})
        return EventsPage(events=tuple(page.get("data") or ()), has_more=bool(page.get("has_more")))

    def retrieve_customer(self, customer_id: str) -> dict[str, Any] | None:
        """Return a customer, None when the account has none with this id; a deleted one says so."""
        return self._retrieve("/v1/customers", customer_id)

    def list_customers(
        self, *, since: datetime | None = None, test_clock: str | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yield customers, newest first: all, those made at or after `since`, or those of a test clock."""
        filters: dict[str, object] = {} if since is None else {"created": {"gte": int(since.timestamp())}}
        return self._all("/v1/customers", filters if test_clock is None else {"test_clock": test_clock})

    def list_schedules(
        self, *, customer_id: str | None = None, with_prices: bool = False
    ) -> Iterator[dict[str, Any]]:
        """Yield the subscription schedules of a customer, or of the account, newest first, ended ones too.

        `with_prices` shows the prices of their phases' items as whole objects.
        """
        filters: dict[str, object] = {} if customer_id is None else {"customer": customer_id}
        if with_prices:
            filters["expand"] = [f"data.{_WITH_PRICES[0]}"]
        return self._all("/v1/subscription_schedules", filters)

    def list_pending_items(self, *, customer_id: str) -> Iterator[dict[str, Any]]:
        """Yield the invoice items of a customer that are on no invoice yet, newest first."""
        return self._all("/v1/invoiceitems", {"customer": customer_id, "pending": True})

    def list_invoices(
        self, *, customer_id: str | None = None, drafts: bool = False
    ) -> Iterator[dict[str, Any]]:
        """Yield invoices with all their lines, newest first; drafts only where asked for."""
        filters = {} if customer_id is None else {"customer": customer_id}
        for invoice in self._all("/v1/invoices", filters):
            if drafts or invoice.get("status") != "draft":
                yield self._with_all_lines(invoice, "/v1/invoices")

    def list_credit_notes(
        self, *, customer_id: str | None = None, invoice_id: str | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yield credit notes with all their lines, newest first, void ones too."""
        named = {"customer": customer_id, "invoice": invoice_id}
        filters = {name: value for name, value in named.items() if value is not None}
        for note in self._all("/v1/credit_notes", filters):
            yield self._with_all_lines(note, "/v1/credit_notes")

    def list_balance_transactions(self, *, customer_id: str) -> Iterator[dict[str, Any]]:
        """Yield what moved a customer's balance, newest first; negative amounts are the customer's credit."""
        return self._all(f"/v1/customers/{_path_part(customer_id)}/balance_transactions", {})

    def _after_refusal(self, action: StepAction, target: str, error: RecordError) -> dict[str, Any]:
        """Return the object where the refusal only says that it is done; raise what the refusal means.

        Stripe gives these refusals no code of their own, so the object is looked at instead of the text.
        """
        done = None
        if action in _ON_SCHEDULE:
            done = self.retrieve_schedule(target)
        elif action is StepAction.FINALIZE_INVOICE:
            done = self.retrieve_invoice(target)
        if done is None:
            raise error
        if _is_done(action, done) or self._is_cancelled_without(action, done):
            return done
        if action in _ON_SCHEDULE and done.get("status") in _ENDED:
            raise _schedule_ended(error, target, _text(done, "status")) from error
        raise error

    def _is_cancelled_without(self, action: StepAction, schedule: Mapping[str, Any]) -> bool:
        """Return whether the subscription of a released schedule, which was to be cancelled, is."""
        subscription_id = schedule.get("released_subscription")
        if action is not StepAction.CANCEL_SCHEDULE or not isinstance(subscription_id, str):
            return False
        found = self._retrieve("/v1/subscriptions", subscription_id)
        return found is None or found.get("status") == "canceled"

    def _retrieve(
        self, collection: str, object_id: str, *, expand: Sequence[str] = ()
    ) -> dict[str, Any] | None:
        parameters = {"expand": list(expand)} if expand else {}
        try:
            return self._sdk.get(f"{collection}/{_path_part(object_id)}", parameters)
        except RecordError as error:
            if error.code == MISSING:
                return None
            raise

    def _with_all_lines(self, owner: dict[str, Any], collection: str) -> dict[str, Any]:
        """Return an invoice or credit note whose `lines` are complete; Stripe shows the first ten."""
        lines = owner.get("lines") or {}
        if not lines.get("has_more"):
            return owner
        path = f"{collection}/{_path_part(_text(owner, 'id'))}/lines"
        return {**owner, "lines": {**lines, "data": list(self._all(path, {})), "has_more": False}}

    def _all(self, path: str, filters: Mapping[str, object]) -> Iterator[dict[str, Any]]:
        """Yield the objects of a list, a hundred a call, to the last page."""
        after: dict[str, object] = {}
        while True:
            page = self._sdk.get(path, {**filters, **after, "limit": _PAGE_SIZE})
            found = page.get("data") or []
            yield from found
            if not page.get("has_more") or not found:
                return
            after = {"starting_after": _text(found[-1], "id")}


def _is_done(action: StepAction, found: Mapping[str, Any]) -> bool:
    if action is StepAction.CANCEL_SCHEDULE:
        return found.get("status") == "canceled"
    return action is StepAction.FINALIZE_INVOICE and found.get("status") in _FINAL


def _schedule_ended(error: RecordError, schedule_id: str, status: str) -> RecordError:
    return RecordError(
        f"The subscription schedule {schedule_id} is {status} in Stripe and cannot be changed any more.",
        code=SCHEDULE_ENDED,
        record_id=error.record_id,
        field=error.field,
        fix="Look at it in Stripe and say how this contract goes on: adopt what runs there now, restart the "
        "billing of the contract, or ignore its orders.",
        request_link=error.request_link,
    )


def _path(action: StepAction, target: str | None) -> str:
    if action in _COLLECTIONS and target is None:
        return _COLLECTIONS[action]
    if action in _ON_TARGET and target:
        collection, suffix = _ON_TARGET[action]
        return f"{collection}/{_path_part(target)}{suffix}"
    raise InvariantError(
        f"The step {action.value} {'acts on nothing' if target else 'names nothing to act on'}.",
        code="stripe_parameters",
        field="target",
        fix="This is a mistake of cpqbridge; report this text.",
    )


def _path_part(object_id: str) -> str:
    return quote(object_id, safe="")


def _text(record: Mapping[str, Any], name: str) -> str:
    value = record.get(name)
    if not isinstance(value, str) or not value:
        raise RecordError(
            f"Stripe answered with an object that has no {name}.",
            code="stripe_unexpected",
            fix="Check the API address; if it is Stripe's, report this text.",
        )
    return value
