"""Payment methods: the test cards by their names, whose they are, and which one a charge would use.

Source: docs.stripe.com/testing, docs.stripe.com/billing/revenue-recovery/smart-retries (the order), read
20 Nov 2026.
"""

from dataclasses import dataclass

from cpqbridge_sim.stripe.errors import StripeApiError, invalid, no_such
from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body

_EXPIRES_YEAR = 2040


@dataclass(frozen=True, slots=True, kw_only=True)
class _Card:
    brand: str
    last4: str
    attaches: bool = True
    charges: bool = True


_TEST_CARDS = {
    "visa": _Card(brand="visa", last4="4242"),
    "visa_debit": _Card(brand="visa", last4="5556"),
    "mastercard": _Card(brand="mastercard", last4="4444"),
    "amex": _Card(brand="amex", last4="8431"),
    # "Attaching this card to a Customer object succeeds, but attempts to charge the customer fail."
    "chargeCustomerFail": _Card(brand="visa", last4="0341", charges=False),
    "visa_chargeDeclined": _Card(brand="visa", last4="0002", attaches=False, charges=False),
    "visa_chargeDeclinedInsufficientFunds": _Card(brand="visa", last4="9995", attaches=False, charges=False),
}
_NAME_PREFIXES = ("pm_card_", "tok_")
_FAILING_LAST4 = frozenset(card.last4 for card in _TEST_CARDS.values() if not card.charges)


def _test_card(name: str) -> _Card | None:
    for prefix in _NAME_PREFIXES:
        if name.startswith(prefix):
            return _TEST_CARDS.get(name.removeprefix(prefix))
    return None


def new_card(state: AccountState, name: str, *, param: str) -> Body:
    """A new payment method, attached to nobody, of a test card's name such as `pm_card_visa` or `tok_visa`.

    Raises:
        StripeApiError: when there is no such test card, or the account is live.
    """
    card = None if state.livemode else _test_card(name)
    if card is None:
        raise no_such("PaymentMethod", name, param=param)
    return state.store.add(
        {
            "id": state.identifiers.new("pm"),
            "object": "payment_method",
            "allow_redisplay": "unspecified",
            "billing_details": {
                "address": dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state")),
                "email": None,
                "name": None,
                "phone": None,
                "tax_id": None,
            },
            "card": {
                "brand": card.brand,
                "checks": {
                    "address_line1_check": None,
                    "address_postal_code_check": None,
                    "cvc_check": None,
                },
                "country": "US",
                "display_brand": card.brand,
                "exp_month": 12,
                "exp_year": _EXPIRES_YEAR,
                "fingerprint": f"Simulated{card.last4}",
                "funding": "credit",
                "generated_from": None,
                "last4": card.last4,
                "networks": {"available": [card.brand], "preferred": None},
                "regulated_status": "unregulated",
                "three_d_secure_usage": {"supported": True},
                "wallet": None,
            },
            "created": state.now,
            "customer": None,
            "customer_account": None,
            "livemode": state.livemode,
            "metadata": {},
            "type": "card",
        }
    )


def attach(state: AccountState, method: Body, customer: Body) -> Body:
    """Attach a payment method to a customer; some test cards decline that already."""
    if method["customer"] not in (None, customer["id"]):
        raise invalid(
            "The payment method you provided has already been attached to a customer.", "payment_method"
        )
    if any(card.last4 == method["card"]["last4"] and not card.attaches for card in _TEST_CARDS.values()):
        raise StripeApiError("Your card was declined.", status=402, kind="card_error", code="card_declined")
    state.store.move_to_customer(method, customer["id"])
    state.emit("payment_method.attached", method)
    return method


def named_method(state: AccountState, customer: Body, name: str, *, param: str) -> str:
    """The id of the customer's payment method of this id, or of a test card's name.

    A test card that the customer does not have yet is attached on the way, which spares tests a call.

    Raises:
        StripeApiError: for an unknown method, or one that is not attached to this customer.
    """
    method = state.store.get("payment_method", name)
    if method is not None:
        if method["customer"] != customer["id"]:
            raise invalid(
                f"The customer does not have a payment method with the ID {name}. The payment method must be "
                "attached to the customer.",
                param,
                "resource_missing",
            )
        return name
    card = None if state.livemode else _test_card(name)
    for owned in state.store.of_customer("payment_method", customer["id"]):
        if card is not None and owned["card"]["last4"] == card.last4:
            return str(owned["id"])
    return str(attach(state, new_card(state, name, param=param), customer)["id"])


def payment_method(
    state: AccountState, customer_id: str, subscription: Body | None, invoice: Body | None = None
) -> str | None:
    """The method that would be charged: the invoice's, the subscription's, else the customer's default."""
    for holder in (invoice, subscription):
        if holder is not None and holder["default_payment_method"]:
            return str(holder["default_payment_method"])
    customer = state.store.get("customer", customer_id) or {}
    method = (customer.get("invoice_settings") or {}).get("default_payment_method")
    found = method or customer.get("default_source")
    return None if found is None else str(found)


def charges(state: AccountState, name: str | None) -> bool:
    """Whether a charge of this method succeeds; a missing one never does."""
    if name is None:
        return False
    method = state.store.get("payment_method", name)
    if method is not None:
        return method["card"]["last4"] not in _FAILING_LAST4
    card = _test_card(name)
    return card is None or card.charges
