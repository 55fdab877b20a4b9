"""The inbox: what needs somebody by cause, the orders of a cause, new tries, and releases of several."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import urlencode

from cpqbridge.errors import ConfigurationError
from cpqbridge.store.users import Role
from cpqbridge.sync.inbox import Cause, Inbox, Retried, record_url
from cpqbridge.sync.releasing import SHOWN_AT_MOST, Releasing
from cpqbridge.sync.troubles import troubles
from cpqbridge.web.ask import Ask, Page, Redirect
from cpqbridge.web.paging import paging
from cpqbridge.web.rendering import counted
from cpqbridge.web.site import Site

PAGE_SIZE = 50


def add(site: Site) -> None:
    """Register the pages."""
    inbox = Inbox(site.service)

    @site.get("/inbox")
    def causes(ask: Ask) -> Page:
        context = {
            "inbox": inbox.list(),
            "troubles": troubles(site.service),
            "several": len(site.service.connections()) > 1,
            "may_act": _may_act(ask),
            "address": address,
        }
        return Page("inbox.html", context, fragment="fragments/inbox_list.html")

    @site.get("/inbox/{cause}")
    def orders(ask: Ask) -> Page:
        return _orders(ask, inbox)

    @site.post("/inbox/{cause}/retry", role=Role.OPERATOR)
    def retry(ask: Ask) -> Page | Redirect:
        chosen = None if ask.form.text("which") == "all" else ask.form_many("order")
        if chosen is not None and not chosen:
            return _orders(ask, inbox, error=_none_ticked())
        retried = inbox.retry(_connection(ask.form), ask.path["cause"], chosen)
        return Redirect("/inbox", notice=_retried_text(retried))

    _add_releases(site, inbox)


def _add_releases(site: Site, inbox: Inbox) -> None:
    releasing = Releasing(site.service)

    @site.get("/inbox/{cause}/release", role=Role.OPERATOR)
    def ask_first(ask: Ask) -> Page:
        chosen = ask.query_many("order")
        if not chosen:
            return _orders(ask, inbox, error=_none_ticked())
        name, cause = _connection(ask.query), ask.path["cause"]
        context = {
            "cause": inbox.cause(name, cause),
            "planned": releasing.planned(name, cause, chosen),
            "most": SHOWN_AT_MOST,
            "address": address,
        }
        return Page("inbox_release.html", context)

    @site.post("/inbox/{cause}/release", role=Role.OPERATOR)
    def release(ask: Ask) -> Redirect:
        marks = dict(zip(ask.form_many("order"), ask.form_many("mark"), strict=False))
        count = releasing.carry_out(_connection(ask.form), ask.path["cause"], marks)
        return Redirect(
            "/inbox",
            notice=f"{counted(count, 'contract')} released and put on the queue. One whose plan changed "
            "meanwhile stays held.",
        )


def address(cause: Cause, *, page: int = 1) -> str:
    """Return the address of the page of a cause."""
    query = {"connection": cause.connection.name} | ({"page": str(page)} if page > 1 else {})
    return f"/inbox/{cause.group.cause}?{urlencode(query)}"


def _none_ticked() -> ConfigurationError:
    return ConfigurationError(
        "No order is ticked.",
        code="none_ticked",
        field="order",
        fix="Tick the orders you mean, then try again.",
    )


def _orders(ask: Ask, inbox: Inbox, *, error: ConfigurationError | None = None) -> Page:
    sent = ask.form if ask.method == "POST" else ask.query
    cause = inbox.cause(_connection(sent), ask.path["cause"])
    if cause is None:
        return Page("inbox_solved.html", fragment="fragments/inbox_solved.html")
    pages = paging(ask.query.text("page"), total=cause.group.orders, size=PAGE_SIZE)
    context: Mapping[str, object] = {
        "cause": cause,
        "orders": inbox.orders(cause, offset=pages.offset, limit=PAGE_SIZE),
        "pages": pages,
        "address": address,
        "record_url": record_url,
        "now": ask.service.clock_of(cause.connection).now(),
        "may_act": _may_act(ask),
        "error": error,
    }
    status = HTTPStatus.OK if error is None else HTTPStatus.UNPROCESSABLE_ENTITY
    return Page("inbox_cause.html", context, status=status, fragment="fragments/inbox_orders.html")


def _connection(fields: Mapping[str, str]) -> str | None:
    return fields.get("connection") or None


def _may_act(ask: Ask) -> bool:
    return ask.user is not None and ask.user.role.covers(Role.OPERATOR)


def _retried_text(retried: Retried) -> str:
    if retried.is_later:
        return f"{retried.contracts:,} contracts are tried anew, a few hundred at a time."
    return f"{counted(retried.contracts, 'contract')} put on the queue. What is solved disappears from here."
