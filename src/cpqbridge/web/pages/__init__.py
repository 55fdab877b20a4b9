"""The pages of the app, one module each; every `add` registers its handlers at a site."""

from __future__ import annotations

from collections.abc import Callable

from cpqbridge.web.pages import (
    account,
    activity,
    alerts,
    audit,
    catalogue,
    demo,
    inbox,
    mapping,
    order,
    order_steps,
    orders,
    overview,
    people,
    preferences,
    sign_in,
    versions,
)
from cpqbridge.web.site import Site

PAGES: tuple[Callable[[Site], None], ...] = (
    overview.add,
    orders.add,
    order_steps.add,
    order.add,
    inbox.add,
    activity.add,
    alerts.add,
    audit.add,
    people.add,
    account.add,
    sign_in.add,
    catalogue.add,
    demo.add,
    mapping.add,
    versions.add,
    preferences.add,
)
