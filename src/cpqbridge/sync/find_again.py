"""Finding what an earlier call made or changed, by its key or by listing; never by search, which lags.

How each action is found again is told in docs/explanation/idempotency.md, which a test compares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cpqbridge.domain.billing import StepAction
from cpqbridge.domain.schedule_standing import ENDED
from cpqbridge.stripe_billing.client import StripeBilling
from cpqbridge.sync.outcomes import holds_all

KEY_METADATA = "cpqbridge_key"
"""The metadata of what was made that names its link (`cpqbridge.planning.steps`)."""

CLOCKS_APART = timedelta(days=1)
"""How much earlier by Stripe's clock than by ours something may have been made: more than clocks differ."""

Found = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SentCall:
    """A call as it was sent: what it asked for, and when it was first about to be sent (aware UTC)."""

    action: StepAction
    parameters: Mapping[str, object]
    target: str | None
    sent_at: datetime


def find_again(client: StripeBilling, sent: SentCall) -> Found | None:
    """Return what the call made or changed as it stands now, None where there is no trace of it.

    What was made under an id or lookup key of ours may be somebody else's: the caller compares it.
    """
    return _WAYS[sent.action](client, sent)


def _by_key(client: StripeBilling, sent: SentCall) -> Found | None:
    return client.find_by_key(sent.action, sent.parameters)


def _customer(client: StripeBilling, sent: SentCall) -> Found | None:
    """Look through the customers made since the call was sent, however many the account has."""
    test_clock = sent.parameters.get("test_clock")
    if isinstance(test_clock, str):
        # A customer of a test clock says that it was made by that clock's time.
        customers = client.list_customers(test_clock=test_clock)
    else:
        customers = client.list_customers(since=sent.sent_at - CLOCKS_APART)
    return _first(customers, "salesforce_account_id", sent)


def _schedule(client: StripeBilling, sent: SentCall) -> Found | None:
    """Find the schedule that is alive; one that ended may have been made anew since."""
    schedules = client.list_schedules(customer_id=_customer_of(sent))
    found = _first((each for each in schedules if each.get("status") not in ENDED), KEY_METADATA, sent)
    return None if found is None else client.retrieve_made_schedule(str(found["id"]))


def _invoice(client: StripeBilling, sent: SentCall) -> Found | None:
    invoices = client.list_invoices(customer_id=_customer_of(sent), drafts=True)
    return _first(_without_void(invoices), KEY_METADATA, sent)


def _invoice_lines(client: StripeBilling, sent: SentCall) -> Found | None:
    """Return the invoice where it has each of the lines, told by the identity that each carries."""
    invoice = client.retrieve_invoice(sent.target or "")
    if invoice is None:
        return None
    present = [_metadata(line) for line in (invoice.get("lines") or {}).get("data") or ()]
    wanted = sent.parameters.get("lines")
    lines = wanted if isinstance(wanted, Sequence) else ()
    has_all = all(any(holds_all(line, _metadata(each)) for line in present) for each in lines)
    return invoice if lines and has_all else None


def _credit_note(client: StripeBilling, sent: SentCall) -> Found | None:
    notes = client.list_credit_notes(invoice_id=str(sent.parameters.get("invoice", "")))
    return _first(_without_void(notes), KEY_METADATA, sent)


def _balance_credit(client: StripeBilling, sent: SentCall) -> Found | None:
    moved = client.list_balance_transactions(customer_id=sent.target or "")
    return _first(moved, KEY_METADATA, sent)


def _done(client: StripeBilling, sent: SentCall) -> Found | None:
    return client.find_done(sent.action, sent.target or "")


def _updated_customer(client: StripeBilling, sent: SentCall) -> Found | None:
    return _if_updated(client.retrieve_customer(sent.target or ""), sent)


def _updated_product(client: StripeBilling, sent: SentCall) -> Found | None:
    return _if_updated(client.retrieve_product(sent.target or ""), sent)


def _not_by_its_parameters(_client: StripeBilling, _sent: SentCall) -> Found | None:
    """Return nothing: `apply` compares the phases of a changed schedule with the object that was sent."""
    return None


_WAYS: Mapping[StepAction, Callable[[StripeBilling, SentCall], Found | None]] = {
    StepAction.CREATE_CUSTOMER: _customer,
    StepAction.UPDATE_CUSTOMER: _updated_customer,
    StepAction.CREATE_PRODUCT: _by_key,
    StepAction.UPDATE_PRODUCT: _updated_product,
    StepAction.CREATE_METER: _by_key,
    StepAction.CREATE_COUPON: _by_key,
    StepAction.CREATE_PRICE: _by_key,
    StepAction.CREATE_SCHEDULE: _schedule,
    StepAction.UPDATE_SCHEDULE: _not_by_its_parameters,
    StepAction.CANCEL_SCHEDULE: _done,
    StepAction.CREATE_INVOICE: _invoice,
    StepAction.ADD_INVOICE_LINES: _invoice_lines,
    StepAction.FINALIZE_INVOICE: _done,
    StepAction.CREATE_CREDIT_NOTE: _credit_note,
    StepAction.CREDIT_BALANCE: _balance_credit,
}


def _if_updated(found: Found | None, sent: SentCall) -> Found | None:
    return found if found is not None and _says(found, sent.parameters) else None


def _says(found: Any, wanted: object) -> bool:
    """Return whether everything that was set stands like this; an empty text cleared what it names."""
    if isinstance(wanted, Mapping):
        return all(
            _says(found.get(name) if isinstance(found, Mapping) else None, value)
            for name, value in wanted.items()
        )
    return found in (None, "") if wanted == "" else bool(found == wanted)


def _customer_of(sent: SentCall) -> str:
    return str(sent.parameters.get("customer", ""))


def _metadata(found: Any) -> Mapping[str, Any]:
    metadata = found.get("metadata") if isinstance(found, Mapping) else None
    return metadata if isinstance(metadata, Mapping) else {}


def _without_void(found: Iterator[Found]) -> Iterator[Found]:
    """Leave out what a person made void: it does nothing any more, and may have been made again."""
    return (each for each in found if each.get("status") != "void")


def _first(found: Iterator[Found], key: str, sent: SentCall) -> Found | None:
    wanted = _metadata(sent.parameters).get(key)
    if not wanted:
        return None
    return next((each for each in found if _metadata(each).get(key) == wanted), None)
