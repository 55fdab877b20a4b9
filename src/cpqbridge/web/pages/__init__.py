"""The pages of the app, one module each; every `add` registers its handlers at a site."""

from __future__ import annotations

from collections.abc import Callable

from cpqbridge.web.pages import (
    account,
    catalogue,
    demo,
    mapping,
    orders,
    people,
    preferences,
    sign_in,
    versions,
)
from cpqbridge.web.site import Site

PAGES: tuple[Callable[[Site], None], ...] = (
    orders.add,
    people.add,
    account.add,
    sign_in.add,
    catalogue.add,
    demo.add,
    mapping.add,
    versions.add,
    preferences.add,
)
