"""The pages of the app, one module each; every `add` registers its handlers at a site."""

from __future__ import annotations

from collections.abc import Callable

from cpqbridge.web.pages import (
    account,
    activity,
    alerts,
    audit,
    catalogue,
    connections,
    demo,
    findings,
    health,
    inbox,
    mapping,
    order,
    order_steps,
    orders,
    overview,
    people,
    preferences,
    reconcile,
    set_up,
    setup_dry_run,
    setup_fields,
    setup_go_live,
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
    reconcile.add,
    findings.add,
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
    health.add,
    setup_fields.add,
    setup_dry_run.add,
    setup_go_live.add,
    preferences.add,
    connections.add,
    set_up.add,
)
