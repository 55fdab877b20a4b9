"""Every endpoint: its path, the SDK's parameters for it, and what handles it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from cpqbridge_sim.stripe.resources import (
    account_and_events,
    coupons,
    credit_notes,
    customers,
    invoice_items,
    invoice_lines,
    invoice_payments,
    invoice_steps,
    invoices,
    meter_events,
    meters,
    payment_methods,
    preview,
    prices,
    product_create,
    products,
    promotion_codes,
    schedule_update,
    schedules,
    subscription_create,
    subscription_items,
    subscription_migrate,
    subscription_pause,
    subscription_update,
    subscriptions,
    tax_rates,
    test_clocks,
    webhook_endpoints,
)
from cpqbridge_sim.stripe.resources.call import Call
from cpqbridge_sim.stripe.store import Body

Handler = Callable[[Call], Body]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One endpoint; `params` names a TypedDict of the SDK."""

    method: str
    path: str
    params: str
    handler: Handler


_ROUTES: tuple[tuple[str, str, str, Handler], ...] = (
    ("GET", "/v1/account", "AccountRetrieveCurrentParams", account_and_events.account),
    ("GET", "/v1/events", "EventListParams", account_and_events.list_events),
    ("GET", "/v1/events/{}", "EventRetrieveParams", account_and_events.retrieve_event),
    ("POST", "/v1/webhook_endpoints", "WebhookEndpointCreateParams", webhook_endpoints.create),
    ("GET", "/v1/webhook_endpoints", "WebhookEndpointListParams", webhook_endpoints.list_all),
    ("GET", "/v1/webhook_endpoints/{}", "WebhookEndpointRetrieveParams", webhook_endpoints.retrieve),
    ("POST", "/v1/webhook_endpoints/{}", "WebhookEndpointUpdateParams", webhook_endpoints.update),
    ("DELETE", "/v1/webhook_endpoints/{}", "WebhookEndpointDeleteParams", webhook_endpoints.delete),
    ("POST", "/v1/products", "ProductCreateParams", product_create.create),
    ("GET", "/v1/products", "ProductListParams", products.list_all),
    ("GET", "/v1/products/{}", "ProductRetrieveParams", products.retrieve),
    ("POST", "/v1/products/{}", "ProductUpdateParams", products.update),
    ("DELETE", "/v1/products/{}", "ProductDeleteParams", products.delete),
    ("POST", "/v1/prices", "PriceCreateParams", prices.create),
    ("GET", "/v1/prices", "PriceListParams", prices.list_all),
    ("GET", "/v1/prices/{}", "PriceRetrieveParams", prices.retrieve),
    ("POST", "/v1/prices/{}", "PriceUpdateParams", prices.update),
    ("POST", "/v1/billing/meters", "billing.MeterCreateParams", meters.create),
    ("GET", "/v1/billing/meters", "billing.MeterListParams", meters.list_all),
    ("GET", "/v1/billing/meters/{}", "billing.MeterRetrieveParams", meters.retrieve),
    ("POST", "/v1/billing/meters/{}", "billing.MeterUpdateParams", meters.update),
    ("POST", "/v1/billing/meters/{}/deactivate", "billing.MeterDeactivateParams", meters.deactivate),
    ("POST", "/v1/billing/meters/{}/reactivate", "billing.MeterReactivateParams", meters.reactivate),
    (
        "GET",
        "/v1/billing/meters/{}/event_summaries",
        "billing.MeterListEventSummariesParams",
        meters.list_summaries,
    ),
    ("POST", "/v1/billing/meter_events", "billing.MeterEventCreateParams", meter_events.create),
    (
        "POST",
        "/v1/billing/meter_event_adjustments",
        "billing.MeterEventAdjustmentCreateParams",
        meter_events.adjust,
    ),
    ("POST", "/v1/coupons", "CouponCreateParams", coupons.create),
    ("GET", "/v1/coupons", "CouponListParams", coupons.list_all),
    ("GET", "/v1/coupons/{}", "CouponRetrieveParams", coupons.retrieve),
    ("POST", "/v1/coupons/{}", "CouponUpdateParams", coupons.update),
    ("DELETE", "/v1/coupons/{}", "CouponDeleteParams", coupons.delete),
    ("POST", "/v1/payment_methods", "PaymentMethodCreateParams", payment_methods.create),
    ("GET", "/v1/payment_methods", "PaymentMethodListParams", payment_methods.list_all),
    ("GET", "/v1/payment_methods/{}", "PaymentMethodRetrieveParams", payment_methods.retrieve),
    ("POST", "/v1/payment_methods/{}", "PaymentMethodUpdateParams", payment_methods.update),
    ("POST", "/v1/payment_methods/{}/attach", "PaymentMethodAttachParams", payment_methods.attach),
    ("POST", "/v1/payment_methods/{}/detach", "PaymentMethodDetachParams", payment_methods.detach),
    (
        "GET",
        "/v1/customers/{}/payment_methods",
        "CustomerPaymentMethodListParams",
        payment_methods.list_of_customer,
    ),
    (
        "GET",
        "/v1/customers/{}/payment_methods/{}",
        "CustomerPaymentMethodRetrieveParams",
        payment_methods.retrieve_of_customer,
    ),
    ("GET", "/v1/invoice_payments", "InvoicePaymentListParams", invoice_payments.list_all),
    ("GET", "/v1/invoice_payments/{}", "InvoicePaymentRetrieveParams", invoice_payments.retrieve),
    ("POST", "/v1/promotion_codes", "PromotionCodeCreateParams", promotion_codes.create),
    ("GET", "/v1/promotion_codes", "PromotionCodeListParams", promotion_codes.list_all),
    ("GET", "/v1/promotion_codes/{}", "PromotionCodeRetrieveParams", promotion_codes.retrieve),
    ("POST", "/v1/promotion_codes/{}", "PromotionCodeUpdateParams", promotion_codes.update),
    ("POST", "/v1/tax_rates", "TaxRateCreateParams", tax_rates.create),
    ("GET", "/v1/tax_rates", "TaxRateListParams", tax_rates.list_all),
    ("GET", "/v1/tax_rates/{}", "TaxRateRetrieveParams", tax_rates.retrieve),
    ("POST", "/v1/tax_rates/{}", "TaxRateUpdateParams", tax_rates.update),
    ("POST", "/v1/customers", "CustomerCreateParams", customers.create),
    ("GET", "/v1/customers", "CustomerListParams", customers.list_all),
    ("GET", "/v1/customers/{}", "CustomerRetrieveParams", customers.retrieve),
    ("POST", "/v1/customers/{}", "CustomerUpdateParams", customers.update),
    ("DELETE", "/v1/customers/{}", "CustomerDeleteParams", customers.delete),
    (
        "POST",
        "/v1/customers/{}/balance_transactions",
        "CustomerBalanceTransactionCreateParams",
        customers.create_balance_transaction,
    ),
    (
        "GET",
        "/v1/customers/{}/balance_transactions",
        "CustomerBalanceTransactionListParams",
        customers.list_balance_transactions,
    ),
    (
        "GET",
        "/v1/customers/{}/balance_transactions/{}",
        "CustomerBalanceTransactionRetrieveParams",
        customers.retrieve_balance_transaction,
    ),
    ("POST", "/v1/subscription_schedules", "SubscriptionScheduleCreateParams", schedules.create),
    ("GET", "/v1/subscription_schedules", "SubscriptionScheduleListParams", schedules.list_all),
    ("GET", "/v1/subscription_schedules/{}", "SubscriptionScheduleRetrieveParams", schedules.retrieve),
    ("POST", "/v1/subscription_schedules/{}", "SubscriptionScheduleUpdateParams", schedule_update.update),
    ("POST", "/v1/subscription_schedules/{}/cancel", "SubscriptionScheduleCancelParams", schedules.cancel),
    ("POST", "/v1/subscription_schedules/{}/release", "SubscriptionScheduleReleaseParams", schedules.release),
    ("POST", "/v1/subscriptions", "SubscriptionCreateParams", subscription_create.create),
    ("POST", "/v1/subscriptions/{}", "SubscriptionUpdateParams", subscription_update.update),
    ("DELETE", "/v1/subscriptions/{}", "SubscriptionCancelParams", subscription_update.cancel),
    ("POST", "/v1/subscriptions/{}/pause", "SubscriptionPauseParams", subscription_pause.pause),
    ("POST", "/v1/subscriptions/{}/resume", "SubscriptionResumeParams", subscription_pause.resume),
    ("POST", "/v1/subscriptions/{}/migrate", "SubscriptionMigrateParams", subscription_migrate.migrate),
    (
        "DELETE",
        "/v1/subscriptions/{}/discount",
        "SubscriptionDeleteDiscountParams",
        subscription_migrate.delete_discount,
    ),
    ("GET", "/v1/subscriptions", "SubscriptionListParams", subscriptions.list_all),
    ("GET", "/v1/subscriptions/{}", "SubscriptionRetrieveParams", subscriptions.retrieve),
    ("GET", "/v1/subscription_items", "SubscriptionItemListParams", subscriptions.list_items),
    ("GET", "/v1/subscription_items/{}", "SubscriptionItemRetrieveParams", subscriptions.retrieve_item),
    ("POST", "/v1/subscription_items", "SubscriptionItemCreateParams", subscription_items.create),
    ("POST", "/v1/subscription_items/{}", "SubscriptionItemUpdateParams", subscription_items.update),
    ("DELETE", "/v1/subscription_items/{}", "SubscriptionItemDeleteParams", subscription_items.delete),
    ("POST", "/v1/invoiceitems", "InvoiceItemCreateParams", invoice_items.create),
    ("GET", "/v1/invoiceitems", "InvoiceItemListParams", invoice_items.list_all),
    ("GET", "/v1/invoiceitems/{}", "InvoiceItemRetrieveParams", invoice_items.retrieve),
    ("POST", "/v1/invoiceitems/{}", "InvoiceItemUpdateParams", invoice_items.update),
    ("DELETE", "/v1/invoiceitems/{}", "InvoiceItemDeleteParams", invoice_items.delete),
    ("POST", "/v1/invoices", "InvoiceCreateParams", invoice_steps.create),
    ("POST", "/v1/invoices/create_preview", "InvoiceCreatePreviewParams", preview.create_preview),
    ("POST", "/v1/invoices/{}", "InvoiceUpdateParams", invoice_steps.update),
    ("DELETE", "/v1/invoices/{}", "InvoiceDeleteParams", invoice_steps.delete),
    ("POST", "/v1/invoices/{}/finalize", "InvoiceFinalizeInvoiceParams", invoice_steps.finalize_now),
    ("POST", "/v1/invoices/{}/pay", "InvoicePayParams", invoice_steps.pay),
    ("POST", "/v1/invoices/{}/void", "InvoiceVoidInvoiceParams", invoice_steps.void),
    ("POST", "/v1/invoices/{}/send", "InvoiceSendInvoiceParams", invoice_steps.send),
    (
        "POST",
        "/v1/invoices/{}/mark_uncollectible",
        "InvoiceMarkUncollectibleParams",
        invoice_steps.mark,
    ),
    ("POST", "/v1/invoices/{}/add_lines", "InvoiceAddLinesParams", invoice_lines.add),
    ("POST", "/v1/invoices/{}/update_lines", "InvoiceUpdateLinesParams", invoice_lines.update),
    ("POST", "/v1/invoices/{}/remove_lines", "InvoiceRemoveLinesParams", invoice_lines.remove),
    ("POST", "/v1/credit_notes", "CreditNoteCreateParams", credit_notes.create),
    ("GET", "/v1/credit_notes", "CreditNoteListParams", credit_notes.list_all),
    ("GET", "/v1/credit_notes/{}", "CreditNoteRetrieveParams", credit_notes.retrieve),
    ("POST", "/v1/credit_notes/{}", "CreditNoteUpdateParams", credit_notes.update),
    ("POST", "/v1/credit_notes/{}/void", "CreditNoteVoidCreditNoteParams", credit_notes.void),
    ("GET", "/v1/credit_notes/{}/lines", "CreditNoteLineItemListParams", credit_notes.list_lines),
    ("GET", "/v1/invoices", "InvoiceListParams", invoices.list_all),
    ("GET", "/v1/invoices/{}", "InvoiceRetrieveParams", invoices.retrieve),
    ("GET", "/v1/invoices/{}/lines", "InvoiceLineItemListParams", invoices.list_lines),
    ("POST", "/v1/test_helpers/test_clocks", "test_helpers.TestClockCreateParams", test_clocks.create),
    ("GET", "/v1/test_helpers/test_clocks", "test_helpers.TestClockListParams", test_clocks.list_all),
    ("GET", "/v1/test_helpers/test_clocks/{}", "test_helpers.TestClockRetrieveParams", test_clocks.retrieve),
    (
        "POST",
        "/v1/test_helpers/test_clocks/{}/advance",
        "test_helpers.TestClockAdvanceParams",
        test_clocks.advance,
    ),
    ("DELETE", "/v1/test_helpers/test_clocks/{}", "test_helpers.TestClockDeleteParams", test_clocks.delete),
)


@lru_cache(maxsize=1)
def _compiled() -> tuple[tuple[re.Pattern[str], Route], ...]:
    return tuple(
        (
            re.compile("^" + path.replace("{}", "([^/]+)") + "$"),
            Route(method=method, path=path, params=params, handler=handler),
        )
        for method, path, params, handler in _ROUTES
    )


def endpoints() -> tuple[Route, ...]:
    """All endpoints, in the order in which they are tried."""
    return tuple(route for _, route in _compiled())


def match(method: str, path: str) -> tuple[Route, tuple[str, ...]] | None:
    """The endpoint of a request and the ids in its path; fixed words win over ids."""
    for pattern, route in _compiled():
        found = pattern.match(path) if route.method == method else None
        if found is not None:
            return route, found.groups()
    return None
