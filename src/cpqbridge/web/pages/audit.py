"""Who did what and when, with what was before and after; filtered, paged, and as a table for spreadsheets."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from starlette.responses import Response

from cpqbridge.store.views import Connection
from cpqbridge.sync.audit_log import AuditLog, AuditWanted
from cpqbridge.web.ask import Ask, Fields, Page
from cpqbridge.web.site import Site

PAGE_SIZE = 50
_FILTERS = ("person", "connection", "action", "from", "to")
_MOST_DIGITS = 15


def add(site: Site) -> None:
    """Register the pages."""
    log = AuditLog(site.service)

    @site.get("/audit")
    def audit(ask: Ask) -> Page:
        before = ask.query.text("before")
        before_id = int(before) if before.isdecimal() and len(before) <= _MOST_DIGITS else None
        connections = ask.service.connections()
        wanted, problem = _wanted(ask.query, connections)
        found = log.page(wanted, limit=PAGE_SIZE, before_id=before_id)
        actors, actions = log.names()
        kept = {name: ask.query.text(name) for name in _FILTERS if ask.query.text(name)}
        following = f"/audit?{urlencode({**kept, 'before': found.next_before})}" if found.next_before else ""
        return Page(
            "audit.html",
            {
                "entries": found.entries,
                "chosen": {name: ask.query.text(name) for name in _FILTERS},
                "is_filtered": bool(kept),
                "problem": problem,
                "people": [("", "everybody"), *((each, each) for each in actors)],
                "actions": [("", "everything"), *actions],
                "connections": [("", "all"), *((each.name, each.name) for each in connections)],
                "first": f"/audit?{urlencode(kept)}" if before_id is not None else "",
                "following": following,
                "csv": f"/audit.csv?{urlencode(kept)}",
            },
        )

    @site.get("/audit.csv")
    def table(ask: Ask) -> Response:
        wanted, _problem = _wanted(ask.query, ask.service.connections())
        return Response(
            log.csv(wanted),
            media_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": 'attachment; filename="cpqbridge-audit.csv"'},
        )


def _wanted(query: Fields, connections: tuple[Connection, ...]) -> tuple[AuditWanted, str]:
    """Return what the filters ask for, and what is wrong with them; a filter that is wrong counts as empty.

    Days begin and end in the time zone of the chosen connection's org, in UTC without one.
    """
    named: Mapping[str, Connection] = {each.name: each for each in connections}
    connection = named.get(query.text("connection"))
    zone = connection.facts.time_zone if connection else "UTC"
    days, wrong = {}, []
    for name in ("from", "to"):
        text = query.text(name)
        try:
            days[name] = date.fromisoformat(text) if text else None
        except ValueError:
            days[name] = None
            wrong.append(f"{text!r} is no date; write it like 2026-02-01.")
    if query.text("connection") and connection is None:
        wrong.append("There is no connection of this name.")
    last = days["to"]
    return (
        AuditWanted(
            actor=query.text("person"),
            action=query.text("action"),
            connection_id=connection.connection_id if connection else None,
            since=_begins(days["from"], zone),
            until=_begins(last + timedelta(days=1), zone) if last and last < date.max else None,
        ),
        " ".join(wrong),
    )


def _begins(day: date | None, zone: str) -> datetime | None:
    if day is None or day.year <= 1:
        return None
    return datetime.combine(day, time(), tzinfo=ZoneInfo(zone)).astimezone(UTC)
