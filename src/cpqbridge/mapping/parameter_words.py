"""What each Stripe object and parameter that can be mapped means, and what fills it by default.

Meanings follow Stripe's API reference (read 21 Nov 2026), defaults the modules that read orders.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ParameterWords:
    """What a parameter means; `default` tells what fills it without a rule, empty where nothing does.

    `field` is the field path of that default, as a rule would name it, where it is one field.
    """

    meaning: str
    default: str = ""
    field: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectWords:
    """One Stripe object: its title, what it is, where paths start, and what of it is always computed."""

    title: str
    meaning: str
    source: str
    computed: Mapping[str, str]
    parameters: Mapping[str, ParameterWords]


def _field(meaning: str, path: str) -> ParameterWords:
    return ParameterWords(meaning, path, path)


def _address(what: str, prefix: str, kind: str) -> dict[str, ParameterWords]:
    return {
        f"{prefix}line1": ParameterWords(f"First line of the {what} address.", f"first line of {kind}Street"),
        f"{prefix}line2": ParameterWords(
            f"Second line of the {what} address.", f"further lines of {kind}Street"
        ),
        f"{prefix}city": _field(f"City of the {what} address.", f"{kind}City"),
        f"{prefix}state": _field(f"State, province or canton of the {what} address.", f"{kind}State"),
        f"{prefix}postal_code": _field(f"Postal code of the {what} address.", f"{kind}PostalCode"),
        f"{prefix}country": ParameterWords(
            f"Country of the {what} address, as a code of two letters.",
            f"{kind}CountryCode, else {kind}Country as a code",
        ),
    }


_PAYMENT_METHOD = ParameterWords(
    "Id of the payment method that is charged (pm_…); the customer's without it."
)
_TAX = ParameterWords("Whether Stripe Tax works out the tax.")
_DESCRIPTION = ParameterWords("Text that your customer can see, for example on the invoice.")
_STATEMENT = ParameterWords("What the bank or card statement of your customer says.")
_TERM = ParameterWords(
    "Days until an invoice is due, or a payment term like Net 30; empty charges automatically.",
    "Order.SBQQ__PaymentTerm__c",
    "SBQQ__PaymentTerm__c",
)
_COLLECTION = ParameterWords(
    "Whether invoices are sent to be paid, or the payment method is charged.",
    "send_invoice with a payment term, else charge_automatically",
)
_TRIAL = ParameterWords("Last day of a free trial: time up to it is not billed.")
_OUR_METADATA = "ids and links of the Salesforce records, by which everything is found again"

_CUSTOMER = ObjectWords(
    title="Customer",
    meaning="Who is billed: one customer for the order's account.",
    source="Account",
    computed={"metadata.salesforce_…": _OUR_METADATA},
    parameters={
        "name": _field("Full name of the customer; stands on invoices.", "Name"),
        "description": _field("Note for your own people, shown in Stripe's Dashboard.", "Description"),
        "email": ParameterWords(
            "Where invoices are sent; needed where they are sent to be paid.",
            "Order.BillToContact.Email, else the quote's primary contact",
            "Order.BillToContact.Email",
        ),
        "phone": _field("Telephone number of the customer.", "Phone"),
        **_address("billing", "address.", "Billing"),
        "shipping.name": _field("Name for shipping; stands on invoices.", "Name"),
        "shipping.phone": _field("Telephone number for shipping.", "Phone"),
        **_address("shipping", "shipping.address.", "Shipping"),
        "tax_exempt": ParameterWords("Whether the customer pays tax: none, exempt or reverse charge."),
        "invoice_prefix": ParameterWords(
            "Letters and digits that the customer's invoice numbers begin with."
        ),
        "invoice_settings.default_payment_method": _PAYMENT_METHOD,
        "invoice_settings.footer": ParameterWords("Text at the foot of every invoice of the customer."),
    },
)
_PRODUCT = ObjectWords(
    title="Product",
    meaning="What is sold: one Stripe product for each Salesforce product, made when it is first used.",
    source="Product2",
    computed={"id": "made from the Salesforce id", "metadata.salesforce_…": _OUR_METADATA},
    parameters={
        "name": _field("Name of the product; stands on invoices.", "Name"),
        "description": _field("Longer description for your own use.", "Description"),
        "unit_label": ParameterWords("What one unit is called on invoices, for example seat."),
        "statement_descriptor": _STATEMENT,
        "tax_code": ParameterWords("Stripe's tax code of the product (txcd_…)."),
        "url": ParameterWords("Address of a public page about the product."),
        "shippable": ParameterWords("Whether the product is shipped."),
    },
)
_PRICE = ObjectWords(
    title="Price",
    meaning="What one unit costs for one period: one price for each amount, currency and billing frequency.",
    source="PricebookEntry",
    computed={
        "product": "the order line's product",
        "currency": "the order's",
        "recurring.interval": "the order line's billing frequency",
        "lookup_key": "by which the price is found again",
        "metadata.salesforce_…": _OUR_METADATA,
    },
    parameters={
        "nickname": ParameterWords("Name of the price for your own people."),
        "tax_behavior": ParameterWords("Whether the amount has the tax in it."),
        "unit_amount_decimal": ParameterWords(
            "Price of one unit for one whole billing period, where a field of yours holds it.",
            "worked out from the order line's UnitPrice and dates",
        ),
        "recurring.meter": ParameterWords(
            "Id of the meter that counts usage (mtr_…), for products billed by usage.",
            "a meter of its own for each product",
        ),
    },
)
_COUPON = ObjectWords(
    title="Coupon",
    meaning="A discount that the quote's Stripe coupon grants.",
    source="Order",
    computed={"id": "made from what the coupon grants", "metadata.salesforce_…": _OUR_METADATA},
    parameters={
        "name": ParameterWords("Name of the discount; stands on invoices.", "the coupon's Name"),
        "percent_off": ParameterWords("Percentage taken off.", "the coupon's Percent_Off__c"),
        "amount_off": ParameterWords("Amount taken off.", "the coupon's Amount_Off__c"),
        "currency": ParameterWords("Currency of the amount taken off.", "the coupon's Currency__c"),
        "duration": ParameterWords("How long the discount holds.", "the coupon's Duration__c"),
        "duration_in_months": ParameterWords(
            "For how many months a repeating discount holds.", "the coupon's Duration_In_Months__c"
        ),
        "max_redemptions": ParameterWords(
            "How often the coupon may be used; checked, and not handed to Stripe.",
            "the coupon's Max_Redemptions__c",
        ),
    },
)
_SCHEDULE = ObjectWords(
    title="Subscription schedule",
    meaning="The contract as Stripe bills it: phases with their items and dates.",
    source="Order",
    computed={
        "customer": "the account's customer",
        "start_date": "the contract's first day",
        "phases": "the order lines of all orders of the contract",
        "metadata.salesforce_…": _OUR_METADATA,
    },
    parameters={
        "end_behavior": ParameterWords(
            "What happens at the end: the subscription is cancelled, or released to renew by itself.",
            "cancel",
        ),
        "default_settings.collection_method": _COLLECTION,
        "default_settings.description": _DESCRIPTION,
        "default_settings.default_payment_method": _PAYMENT_METHOD,
        "default_settings.invoice_settings.days_until_due": _TERM,
        "default_settings.automatic_tax.enabled": _TAX,
        "default_settings.on_behalf_of": ParameterWords(
            "Id of the connected account that sells (acct_…), for platforms of Stripe Connect."
        ),
    },
)
_SUBSCRIPTION = ObjectWords(
    title="Subscription",
    meaning="A subscription without an end, for evergreen lines.",
    source="Order",
    computed={"customer": "the account's customer", "items": "the evergreen lines of the contract"},
    parameters={
        "description": _DESCRIPTION,
        "collection_method": _COLLECTION,
        "days_until_due": _TERM,
        "default_payment_method": _PAYMENT_METHOD,
        "automatic_tax.enabled": _TAX,
        "trial_end": _TRIAL,
    },
)
_PHASE = ObjectWords(
    title="Phase",
    meaning="A span of a schedule in which nothing changes; the order that begins it speaks for it.",
    source="Order",
    computed={
        "start_date, end_date": "the dates of the order lines",
        "items": "the order lines of that time",
        "metadata.salesforce_…": _OUR_METADATA,
    },
    parameters={
        "description": _DESCRIPTION,
        "default_payment_method": _PAYMENT_METHOD,
        "automatic_tax.enabled": _TAX,
        "trial_end": _TRIAL,
    },
)
_PHASE_ITEM = ObjectWords(
    title="Phase item",
    meaning="One order line in a phase.",
    source="OrderItem",
    computed={
        "price": "the order line's price",
        "quantity": "the units alive in that phase",
        "metadata.salesforce_…": _OUR_METADATA,
    },
    parameters={},
)
_INVOICE = ObjectWords(
    title="Invoice",
    meaning="An invoice of its own: orders without recurring lines, catch-ups. Those of a subscription are "
    "made by Stripe.",
    source="Order",
    computed={
        "customer": "the account's customer",
        "lines": "what the order bills at once",
        "days_until_due": "as the subscription schedule has it",
        "metadata.salesforce_…": _OUR_METADATA,
    },
    parameters={
        "description": _DESCRIPTION,
        "footer": ParameterWords("Text at the foot of the invoice."),
        "statement_descriptor": _STATEMENT,
        "default_payment_method": _PAYMENT_METHOD,
        "automatic_tax.enabled": _TAX,
    },
)

OBJECT_WORDS: Mapping[str, ObjectWords] = {
    "customer": _CUSTOMER,
    "product": _PRODUCT,
    "price": _PRICE,
    "coupon": _COUPON,
    "subscription_schedule": _SCHEDULE,
    "subscription": _SUBSCRIPTION,
    "phase": _PHASE,
    "phase_item": _PHASE_ITEM,
    "invoice": _INVOICE,
}
"""The words of every object, in the order in which the mapper shows them."""

METADATA_WORDS = ParameterWords("A key of your own that stays beside the object in Stripe.")
