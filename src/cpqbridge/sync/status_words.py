"""A status as JSON, and in words for people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Any

from cpqbridge.sync.status import ConnectionStatus, Status


def status_document(status: Status) -> dict[str, Any]:
    """Return the status as JSON values; times are ISO texts in UTC."""
    return {
        "version": 1,
        "at": status.at.isoformat(),
        "needs_someone": status.needs_someone,
        "what_to_do": list(status.what_to_do),
        "queue": {
            "waiting": status.queue.waiting,
            "running": status.queue.running,
            "oldest_at": _instant(status.queue.oldest_at),
        },
        "workers": [
            {"name": each.name, "alive": each.alive, "turned_at": each.turned_at.isoformat()}
            for each in status.workers
        ],
        "dead_with_work": list(status.dead_with_work),
        "connections": [_connection_document(each) for each in status.connections],
    }


def status_text(status: Status) -> str:
    """Return the status in lines for people, what to do first."""
    return "\n".join(_lines(status))


def _connection_document(status: ConnectionStatus) -> dict[str, Any]:
    orders, usage, poll, pause = status.orders, status.usage, status.last_poll, status.pause
    return {
        "name": status.name,
        "live": status.live,
        "orders": {
            "seen": orders.seen,
            "open": orders.open,
            "done": orders.done,
            "needs_someone": orders.needs_someone,
            "adds_up": orders.adds_up and not status.lost,
            "by_state": dict(orders.by_state),
        },
        "in_need": [asdict(each) for each in status.in_need],
        "pause": None
        if pause is None
        else {"reason": pause.reason, "paused_at": pause.paused_at.isoformat(), "waiting": status.parked},
        "access_lost": status.access_lost,
        "last_poll": None
        if poll is None
        else {
            "succeeded_at": _instant(poll.succeeded_at),
            "code": poll.code or None,
            "message": poll.message or None,
            "fix": poll.fix or None,
        },
        "api_usage": None
        if usage is None
        else {
            "used": usage.used,
            "allowed": usage.allowed,
            "noted_at": usage.noted_at.isoformat(),
            "share": str(status.api_share),
        },
        "timers": {"overdue": status.timers_overdue, "next_at": _instant(status.next_timer_at)},
        "events": dict(status.events),
        "findings": dict(status.findings),
        "alerts": list(status.alerts),
        "unsettled_calls": status.unsettled_calls,
        "oldest_queued_at": _instant(status.oldest_queued_at),
    }


def _lines(status: Status) -> Iterator[str]:
    if status.what_to_do:
        yield "Somebody is needed:"
        yield from (f"  - {advice}" for advice in status.what_to_do)
    else:
        yield "Nobody is needed."
    for connection in status.connections:
        yield ""
        yield from _connection_lines(connection)
    if not status.connections:
        yield "There is no connection yet: cpqbridge connection add --help"
    yield ""
    yield _queue_line(status)
    yield _worker_line(status)


def _connection_lines(status: ConnectionStatus) -> Iterator[str]:
    orders = status.orders
    yield f"{status.name} ({'live' if status.live else 'not live'})"
    yield (
        f"  orders: {orders.seen} seen = {orders.open} open + {orders.done} done + "
        f"{orders.needs_someone} need someone"
    )
    states = ", ".join(f"{count} {state}" for state, count in orders.by_state.items() if count)
    if states:
        yield f"  by state: {states}"
    if status.last_poll is not None:
        outcome = "failed since" if status.last_poll.code else "last good"
        yield f"  looking for orders: {outcome} {_shown(status.last_poll.succeeded_at)}"
    elif status.live:
        yield "  looking for orders: not yet"
    if status.usage is not None:
        usage = status.usage
        share = usage.used / usage.allowed if usage.allowed else 1.0
        yield (
            f"  API calls of the org: {usage.used} of {usage.allowed} a day ({share:.0%}); "
            f"background work stops at {status.api_share:.0%}"
        )
    if status.timers_overdue or status.next_timer_at is not None:
        yield f"  timers: {status.timers_overdue} overdue, next {_shown(status.next_timer_at)}"
    if status.events:
        yield "  events of Stripe: " + _counted(status.events)
    if status.findings:
        yield "  findings of reconcile: " + _counted(status.findings)
    if status.unsettled_calls:
        yield f"  calls without a known outcome: {status.unsettled_calls}, settled before anything else"
    if status.parked:
        yield f"  waiting for the end of the pause: {status.parked} contracts"


def _counted(counts: Any) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


def _queue_line(status: Status) -> str:
    queue = status.queue
    oldest = f", the oldest since {_shown(queue.oldest_at)}" if queue.oldest_at is not None else ""
    return f"queue: {queue.waiting} waiting{oldest}, {queue.running} running"


def _worker_line(status: Status) -> str:
    alive = [each.name for each in status.workers if each.alive]
    dead = f"; ended with work under way: {', '.join(status.dead_with_work)}" if status.dead_with_work else ""
    return f"workers on this machine: {', '.join(alive) or 'none'}{dead}"


def _shown(instant: datetime | None) -> str:
    return "never" if instant is None else f"{instant:%Y-%m-%d %H:%M:%S} UTC"


def _instant(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()
