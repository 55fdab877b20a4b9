"""The codes of Stripe's refusals that callers act on."""

from __future__ import annotations

ALREADY_EXISTS = "stripe_already_exists"
"""The id or lookup key of a create is taken: look with `find_by_key`, check, adopt."""

MISSING = "stripe_missing"
"""A retrieved object does not exist in this account and mode."""

GONE = "stripe_gone"
"""A write named an object that does not exist (any more) in this account and mode."""

CUSTOMER_CURRENCY = "customer_currency"
"""The customer has billing in another currency; Stripe bills a customer in one."""

REFUSED = "stripe_refused"
"""Stripe refused the request; its text says why."""

SCHEDULE_ENDED = "schedule_ended_in_stripe"
"""A schedule to change or cancel was released, cancelled or is completed in Stripe (B6.13)."""

REPEATED_ERROR = "stripe_error_repeated"
"""Stripe keeps an error of its own under the call's key and repeats it: trying again is of no use."""

LACKS_PERMISSION = "stripe_permission"
"""The key is accepted but lacks a permission, which Stripe's text names."""
