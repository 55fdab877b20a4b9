"""Every endpoint: its path, the SDK's parameters for it, and what handles it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from cpqbridge_sim.stripe.resources import (
    account_and_events,
    coupons,
    customers,
    invoices,
    prices,
    product_create,
    products,
    schedule_update,
    schedules,
    subscriptions,
    test_clocks,
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
    ("POST", "/v1/products", "ProductCreateParams", product_create.create),
    ("GET", "/v1/products", "ProductListParams", products.list_all),
    ("GET", "/v1/products/{}", "ProductRetrieveParams", products.retrieve),
    ("POST", "/v1/products/{}", "ProductUpdateParams", products.update),
    ("DELETE", "/v1/products/{}", "ProductDeleteParams", products.delete),
    ("POST", "/v1/prices", "PriceCreateParams", prices.create),
    ("GET", "/v1/prices", "PriceListParams", prices.list_all),
    ("GET", "/v1/prices/{}", "PriceRetrieveParams", prices.retrieve),
    ("POST", "/v1/prices/{}", "PriceUpdateParams", prices.update),
    ("POST", "/v1/coupons", "CouponCreateParams", coupons.create),
    ("GET", "/v1/coupons", "CouponListParams", coupons.list_all),
    ("GET", "/v1/coupons/{}", "CouponRetrieveParams", coupons.retrieve),
    ("POST", "/v1/coupons/{}", "CouponUpdateParams", coupons.update),
    ("DELETE", "/v1/coupons/{}", "CouponDeleteParams", coupons.delete),
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
    ("GET", "/v1/subscriptions", "SubscriptionListParams", subscriptions.list_all),
    ("GET", "/v1/subscriptions/{}", "SubscriptionRetrieveParams", subscriptions.retrieve),
    ("GET", "/v1/subscription_items", "SubscriptionItemListParams", subscriptions.list_items),
    ("GET", "/v1/subscription_items/{}", "SubscriptionItemRetrieveParams", subscriptions.retrieve_item),
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


def match(method: str, path: str) -> tuple[Route, tuple[str, ...]] | None:
    """The endpoint of a request and the ids in its path; fixed words win over ids."""
    for pattern, route in _compiled():
        found = pattern.match(path) if route.method == method else None
        if found is not None:
            return route, found.groups()
    return None
