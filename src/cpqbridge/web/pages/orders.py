"""The list of orders: searched, filtered, sorted, paged, as a table and as a file; a rehearsal's report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from urllib.parse import urlencode

from fastapi.responses import HTMLResponse, StreamingResponse
from starlette.exceptions import HTTPException
from starlette.responses import Response

from cpqbridge.domain.money import major_text
from cpqbridge.domain.refusal import OrderState
from cpqbridge.store.users import Role
from cpqbridge.store.views import FoundOrder, OrderSearch, OrderSort
from cpqbridge.sync.spreadsheet import Row, as_text, csv_chunks
from cpqbridge.web.ask import Ask, Fields, Page
from cpqbridge.web.order_pages import OrderRow, listed_row
from cpqbridge.web.report_page import report_page
from cpqbridge.web.site import Site

PAGE_SIZE = 50
_MOST_PAGES = 100_000
_SORTS = ((OrderSort.NUMBER, "Order"), (OrderSort.ACCOUNT, "Customer"), (OrderSort.STATE, "State"))
_CHANGED = (OrderSort.CHANGED, "Changed")
_HEAD: Row = (
    "connection",
    "order_number",
    "order_id",
    "contract",
    "account",
    "state",
    "code",
    "message",
    "fix",
    "changed_at",
    "currency",
    "sold",
    "billed",
)


def add(site: Site) -> None:
    """Register the pages."""

    @site.get("/orders", role=Role.VIEWER)
    def orders(ask: Ask) -> Page:
        return Page("orders.html", _list(ask), fragment="fragments/order_list.html")

    @site.get("/orders.csv", role=Role.VIEWER)
    def as_csv(ask: Ask) -> Response:
        rows = _csv_rows(ask, _search(ask))
        headers = {"Content-Disposition": 'attachment; filename="orders.csv"'}
        return StreamingResponse(csv_chunks(rows), media_type="text/csv; charset=utf-8", headers=headers)

    @site.get("/report", role=Role.VIEWER)
    def report(ask: Ask) -> Response:
        if site.demo.report is None:
            raise HTTPException(404)
        return HTMLResponse(report_page(site.demo.report, standalone=False, today=ask.now.date()))


def _list(ask: Ask) -> Mapping[str, object]:
    search, query = _search(ask), _plain_query(ask.query)
    found = ask.service.views.search(search)
    known = {each.connection_id: each for each in ask.service.views.connections()}
    first = search.offset + 1
    return {
        "address": _address({**query, "page": ask.query.text("page")}),
        "connections": tuple(known.values()),
        "connection_options": [("", "All connections"), *((each.name, each.name) for each in known.values())],
        "count": found.total,
        "csv": _address(query, path="/orders.csv"),
        "filters": _filters(query, found.by_state),
        "headings": [_heading(search, query, *each) for each in _SORTS],
        "changed": _heading(search, query, *_CHANGED),
        "is_searched": bool(search.text or search.states or search.connection_id is not None),
        "pages": _pages(search, query, found.total),
        "query": query,
        "rows": [_row(ask, row) for row in found.rows],
        "shown": f"{first:,} to {first + len(found.rows) - 1:,} of {found.total:,}" if found.rows else "",
        "zones": {key: each.facts.time_zone for key, each in known.items()},
    }


def _row(ask: Ask, found: FoundOrder) -> OrderRow:
    return listed_row(found, label=ask.site.demo.label(found.order_id))


def _search(ask: Ask) -> OrderSearch:
    """Return what the query asks for; what is none of it counts as not asked."""
    query = ask.query
    named = {each.name: each.connection_id for each in ask.service.views.connections()}
    states = {state for state in OrderState if state.value in query.many("state")}
    sort = next((each for each in OrderSort if each.value == query.text("sort")), OrderSort.NUMBER)
    return OrderSearch(
        text=query.text("q"),
        states=frozenset(states),
        connection_id=named.get(query.text("connection")),
        sort=sort,
        is_descending=query.text("order") == "desc",
        offset=(_page_number(query.text("page")) - 1) * PAGE_SIZE,
        limit=PAGE_SIZE,
    )


def _page_number(text: str) -> int:
    """Return the page that was asked for; anything that is no page is the first."""
    return min(int(text), _MOST_PAGES) if text.isdecimal() and text.isascii() and int(text) else 1


def _plain_query(query: Fields) -> dict[str, str]:
    """Return what is kept from one view of the list to the next; a change of it begins with page 1."""
    names = ("q", "state", "connection", "sort", "order")
    return {name: query.text(name) for name in names if query.text(name)}


def _address(query: Mapping[str, str], *, path: str = "/orders") -> str:
    asked = urlencode({name: value for name, value in query.items() if value})
    return f"{path}?{asked}" if asked else path


def _filters(query: Mapping[str, str], by_state: Mapping[OrderState, int]) -> list[dict[str, object]]:
    """Return the states to filter by with their counts, all first; the one that is set is always there."""
    present = query.get("state", "")
    states = [state for state in OrderState if by_state.get(state) or state.value == present]
    every: dict[str, object] = {"state": "", "number": sum(by_state.values()), "is_here": not present}
    rows: list[dict[str, object]] = [
        {"state": state.value, "number": by_state.get(state, 0), "is_here": state.value == present}
        for state in states
    ]
    return [{**row, "address": _address({**query, "state": str(row["state"])})} for row in (every, *rows)]


def _heading(search: OrderSearch, query: Mapping[str, str], sort: OrderSort, label: str) -> dict[str, object]:
    """Return a column's heading: a link that sorts by it, the other way round where it is sorted by it."""
    is_here = search.sort is sort
    order = "" if is_here and search.is_descending else "desc" if is_here else ""
    if sort is OrderSort.CHANGED and not is_here:
        order = "desc"
    address = _address({**query, "sort": sort.value, "order": order})
    direction = ("descending" if search.is_descending else "ascending") if is_here else "none"
    return {"label": label, "address": address, "direction": direction}


def _pages(search: OrderSearch, query: Mapping[str, str], total: int) -> dict[str, str]:
    number = search.offset // PAGE_SIZE + 1
    last = max((total - 1) // PAGE_SIZE + 1, 1)
    return {
        "previous": _address({**query, "page": str(min(number - 1, last))}) if number > 1 else "",
        "following": _address({**query, "page": str(number + 1)}) if number < last else "",
    }


def _csv_rows(ask: Ask, search: OrderSearch) -> Iterator[Row]:
    names = {each.connection_id: each.name for each in ask.service.views.connections()}
    yield _HEAD
    for each in ask.service.views.every(replace(search, offset=0)):
        yield (
            as_text(names.get(each.connection_id)),
            as_text(each.order_number),
            each.order_id,
            each.contract_key,
            as_text(each.account_name),
            each.state.value,
            each.code,
            as_text(each.message),
            as_text(each.fix),
            each.updated_at.isoformat(timespec="seconds"),
            each.currency,
            _amount(each.sold_minor, each.currency),
            _amount(each.billed_minor, each.currency),
        )


def _amount(minor: int | None, currency: str) -> str:
    return "" if minor is None else major_text(minor, currency)
