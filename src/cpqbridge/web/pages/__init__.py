"""The pages of the app, one module each; every `add` registers its handlers at a site."""

from __future__ import annotations

from collections.abc import Callable

from cpqbridge.web.pages import account, catalogue, connections, demo, orders, people, set_up, sign_in
from cpqbridge.web.site import Site

PAGES: tuple[Callable[[Site], None], ...] = (
    connections.add,
    set_up.add,
    orders.add,
    people.add,
    account.add,
    sign_in.add,
    catalogue.add,
    demo.add,
)
