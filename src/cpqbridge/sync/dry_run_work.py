"""The work of a dry run, in a thread of its own: one contract after the other is planned, none written."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy.exc import DBAPIError

from cpqbridge.clock import SystemClock, monotonic_seconds
from cpqbridge.errors import CpqbridgeError, InvariantError, RecordError
from cpqbridge.mapping.raw import OrderNotice
from cpqbridge.store import dry_runs
from cpqbridge.store.connections import Connection
from cpqbridge.store.dry_runs import DryRunState
from cpqbridge.sync.allowance import Purpose, calling_for
from cpqbridge.sync.dry_run_result import Gathering, PlannedContract
from cpqbridge.sync.liveness import ProcessMark
from cpqbridge.sync.planner import PlanRequest, make_plan
from cpqbridge.sync.ports import OpenConnection
from cpqbridge.sync.task import root_of

if TYPE_CHECKING:
    from cpqbridge.sync.service import SyncService

MOST_ORDERS = 5000
"""Of more orders only the newest are planned: each contract costs a call of the org's day."""

_TOLD_EVERY_SECONDS = 0.5
_MACHINE = SystemClock()

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How far a dry run is, as it is stored; `mark` is held for as long as its process lives."""

    days: int
    as_of: datetime
    activated_since: datetime
    mark: str
    done: int = 0
    total: int = 0
    now: str = ""
    orders_found: int = 0
    problem: str = ""
    fix: str = ""

    def as_document(self) -> dict[str, Any]:
        """Return it as it is stored."""
        return {
            "days": self.days,
            "as_of": self.as_of.isoformat(),
            "activated_since": self.activated_since.isoformat(),
            "mark": self.mark,
            "done": self.done,
            "total": self.total,
            "now": self.now,
            "orders_found": self.orders_found,
            "problem": self.problem,
            "fix": self.fix,
        }


class _StoppedError(Exception):
    """Somebody stopped the dry run."""


@dataclass(slots=True, kw_only=True)
class _Told:
    """When progress was stored last, by the machine's monotonic clock."""

    at: float = field(default_factory=monotonic_seconds)


class DryRunWork:
    """Plans one contract after the other and keeps what came of it."""

    def __init__(self, service: SyncService, connection: Connection, dry_run_id: int, run: Run) -> None:
        """Plan nothing yet."""
        self._service = service
        self._connection = connection
        self._id = dry_run_id
        self._run = run
        self._told = _Told()
        self._found = Gathering(as_of=run.as_of)

    def work(self) -> None:
        """Do the whole of it; every end is stored."""
        state = DryRunState.DONE
        try:
            # It waits behind the work that nobody is looking at: the org's calls are for syncing first.
            with calling_for(Purpose.BACKGROUND):
                self._plan_all()
        except _StoppedError:
            return
        except CpqbridgeError as error:
            state = DryRunState.FAILED
            self._run = replace(self._run, problem=error.message, fix=error.fix)
        except Exception as error:
            state = DryRunState.FAILED
            log.exception("dry_run_failed", connection=self._connection.name)
            self._run = replace(
                self._run,
                problem=f"An unexpected error ended it: {type(error).__name__}.",
                fix="Look into the log for details and report it.",
            )
        with self._service.store.write() as transaction:
            dry_runs.end(
                transaction,
                dry_run_id=self._id,
                state=state,
                document=replace(self._run, now="").as_document(),
                result=self._found.result().as_document(),
                at=_MACHINE.now(),
            )

    def _plan_all(self) -> None:
        opened = self._service.open_id(self._connection.connection_id)
        found = tuple(
            opened.salesforce.qualifying_orders(since=None, activated_since=self._run.activated_since)
        )
        by_root: dict[str, list[OrderNotice]] = {}
        for notice in found[-MOST_ORDERS:]:
            by_root.setdefault(root_of(notice), []).append(notice)
        self._run = replace(self._run, total=len(by_root), orders_found=len(found))
        self._tell(at_once=True)
        for done, notices in enumerate(by_root.values()):
            self._run = replace(self._run, done=done, now=notices[0].order_number)
            self._tell()
            self._found.add(self._planned(opened, notices))
        self._run = replace(self._run, done=len(by_root))

    def _planned(self, opened: OpenConnection, notices: list[OrderNotice]) -> PlannedContract:
        planned = partial(PlannedContract, notices=tuple(notices))
        try:
            history = opened.salesforce.history(opened.salesforce.read_contract(notices[0]))
            made = make_plan(self._service.store, opened, PlanRequest(history=history, as_of=self._run.as_of))
        except CpqbridgeError as error:
            if not _is_of_one_contract(error):
                raise
            return planned(error=error)
        return planned(plan=made.plan)

    def _tell(self, *, at_once: bool = False) -> None:
        now = monotonic_seconds()
        if not at_once and now - self._told.at < _TOLD_EVERY_SECONDS:
            return
        self._told.at = now
        with self._service.store.write_lightly() as transaction:
            if not dry_runs.note(transaction, dry_run_id=self._id, document=self._run.as_document()):
                raise _StoppedError


def carry_out(work: DryRunWork, mark: ProcessMark) -> None:
    """Do the work in this thread and let go of the mark at its end, however it ends."""
    try:
        work.work()
    except DBAPIError as error:
        # The process is ending, or the disk is full: nobody can be told in the store.
        log.warning("dry_run_not_kept", problem=str(error.orig))
    finally:
        mark.release()


def _is_of_one_contract(error: CpqbridgeError) -> bool:
    """Return whether the other contracts can be planned all the same."""
    return isinstance(error, (InvariantError, RecordError))
