"""Events that tell of something before it happens: the end of a schedule, the next invoice."""

from collections.abc import Callable

from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body

_DAY_SECONDS = 86_400
# "Occurs 7 days before a subscription schedule will expire" (docs.stripe.com/api/events/types, 20 Nov 2026).
_EXPIRING_SECONDS = 7 * _DAY_SECONDS
# After everything else of the same instant.
_NOTICE_PRIORITY = 9

Run = Callable[[AccountState, str | None, int], None]


def await_notices(state: AccountState, subscription: Body, schedule: Body | None) -> None:
    """Wake up when the end of the running schedule, or the next renewal, is near enough to tell of it.

    A moment that has passed already is not made up for: a schedule that lasts less than a week never expires
    soon.
    """
    if schedule is not None:
        ahead = int(schedule["phases"][-1]["end_date"]) - _EXPIRING_SECONDS
        _await(state, schedule, "schedule.expiring", ahead)
    days = state.collection.notice_before_renewal_days
    if days is not None and subscription["items"]["data"]:
        renewal = min(item["current_period_end"] for item in subscription["items"]["data"])
        _await(state, subscription, "subscription.upcoming", renewal - days * _DAY_SECONDS)


def _await(state: AccountState, body: Body, kind: str, at: int) -> None:
    if at > state.time_of(body["customer"]) and state.notices.get(body["id"]) != at:
        state.notices[body["id"]] = at
        state.wake_at(at, priority=_NOTICE_PRIORITY, kind=kind, body=body)


def expiring(state: AccountState, schedule: Body, *, at: int) -> None:
    """Tell that a schedule ends in seven days, unless its end has moved since."""
    if schedule["status"] == "active" and state.notices.get(schedule["id"]) == at:
        state.emit("subscription_schedule.expiring", schedule)


def upcoming(state: AccountState, subscription: Body, *, run: Run) -> None:
    """Tell of the next invoice of a subscription as a draft without id; `run` moves a copy of the account.

    The event goes out for invoices that will be charged automatically, as the vendor says
    (docs.stripe.com/api/events/types, read 20 Nov 2026).
    """
    now, clock_id = state.time_of(subscription["customer"]), state.clock_of(subscription["customer"])
    charged = subscription["collection_method"] == "charge_automatically"
    days = state.collection.notice_before_renewal_days
    # A copy that runs ahead tells nobody of what comes, and needs no copy of its own.
    stale = state.notices.get(subscription["id"]) != now or not state.records_events
    if days is None or stale or not charged:
        return
    renewal = now + days * _DAY_SECONDS
    copy = state.fork(subscription["customer"])
    known = set(copy.store.by_type.get("invoice", {}))
    run(copy, clock_id, renewal)
    latest = copy.store.by_type["subscription"][subscription["id"]]["latest_invoice"]
    if latest is not None and latest not in known:
        invoice = copy.store.by_type["invoice"][latest]
        state.emit("invoice.upcoming", {name: value for name, value in invoice.items() if name != "id"})
