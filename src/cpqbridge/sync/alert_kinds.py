"""What alerts there are: a closed list, with the words that mails, pages and docs use for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType


class AlertKind(StrEnum):
    """The kinds of trouble that somebody is told of."""

    ACCESS_LOST = "access_lost"
    ORDERS_NEED_SOMEONE = "orders_need_someone"
    LOOKING_FAILS = "looking_fails"
    NOTHING_RAN = "nothing_ran"
    QUEUE_STUCK = "queue_stuck"
    PHASE_MISSING = "phase_missing"
    DIFFERENCES_FOUND = "differences_found"
    API_CALLS_LOW = "api_calls_low"
    EVENTS_SILENT = "events_silent"
    SALESFORCE_NOT_TOLD = "salesforce_not_told"
    PROOF_MISMATCH = "proof_mismatch"


@dataclass(frozen=True, slots=True, kw_only=True)
class KindWords:
    """The title of a kind, when it is raised, and where in the app somebody goes on (a path)."""

    title: str
    when: str
    path: str


LOOKING_FAILS_AFTER = timedelta(minutes=10)
NOTHING_RAN_AFTER = timedelta(minutes=15)
QUEUED_TOO_LONG = timedelta(minutes=30)
SILENT_AFTER = timedelta(hours=1)
TOLD_AGAIN_AFTER = timedelta(minutes=15)
"""New orders and findings of a trouble that lasts are told at most this often."""

REMINDED_AFTER = timedelta(days=1)

WORDS: Mapping[AlertKind, KindWords] = MappingProxyType(
    {
        AlertKind.ACCESS_LOST: KindWords(
            title="Access lost",
            when="Salesforce or Stripe no longer lets the connection in, or is not the org, account or "
            "mode it was set up with. The connection has stopped.",
            path="/connections",
        ),
        AlertKind.ORDERS_NEED_SOMEONE: KindWords(
            title="Orders need someone",
            when="Orders are refused, held, or failed and are not billed until somebody decides. New ones "
            "are told together, at most every 15 minutes.",
            path="/inbox",
        ),
        AlertKind.LOOKING_FAILS: KindWords(
            title="Looking for orders fails",
            when="A live connection has tried to look for orders for 10 minutes, in vain.",
            path="/connections",
        ),
        AlertKind.NOTHING_RAN: KindWords(
            title="Nothing ran",
            when="A live connection has not looked for orders for 15 minutes (or five times its poll "
            "interval, where that is longer): no worker runs, or it is stuck. When nothing at all ran, it is "
            "told at the next start.",
            path="/activity",
        ),
        AlertKind.QUEUE_STUCK: KindWords(
            title="The queue is stuck",
            when="An order is queued for more than 30 minutes while nothing is paused.",
            path="/activity",
        ),
        AlertKind.PHASE_MISSING: KindWords(
            title="Stripe lacks a phase",
            when="Stripe was not given a part of a contract that begins within two billing cycles.",
            path="/orders",
        ),
        AlertKind.DIFFERENCES_FOUND: KindWords(
            title="Differences found",
            when="A reconciliation found that Stripe and Salesforce differ. New ones are told together.",
            path="/reconcile",
        ),
        AlertKind.API_CALLS_LOW: KindWords(
            title="API calls nearly used",
            when="The org has used 90 % of the calls that background work may use; at 100 % it waits.",
            path="/activity",
        ),
        AlertKind.EVENTS_SILENT: KindWords(
            title="Stripe's events do not arrive",
            when="Events were found by asking that the webhook did not bring, and it has brought none since.",
            path="/connections",
        ),
        AlertKind.SALESFORCE_NOT_TOLD: KindWords(
            title="Salesforce was not told",
            when="Orders are billed, but Salesforce did not take an id, a status or a Sync Record.",
            path="/inbox",
        ),
        AlertKind.PROOF_MISMATCH: KindWords(
            title="Proof does not add up",
            when="What is billed for an order differs from what was sold, for none of the known reasons.",
            path="/inbox",
        ),
    }
)
