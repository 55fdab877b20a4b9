"""Holding a contract's lane while a run works on it: waiting, renewing, taking over from the dead."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import structlog
from sqlalchemy.exc import DBAPIError

from cpqbridge.clock import Clock, SystemClock, monotonic_seconds
from cpqbridge.errors import ConflictError
from cpqbridge.store import lanes
from cpqbridge.store.database import Store
from cpqbridge.store.lanes import Claim, Lane
from cpqbridge.sync.liveness import ProcessMark

LEASE = timedelta(seconds=60)
RENEW_SECONDS = 20.0
log = structlog.get_logger(__name__)

_FIRST_WAIT_SECONDS = 0.02
_LONGEST_WAIT_SECONDS = 0.5


class LaneKeeper:
    """Takes lanes for this process and keeps their leases alive until they are left.

    Leases are about processes, so they follow the machine's clock also where a simulated one is set.
    """

    def __init__(
        self,
        store: Store,
        mark: ProcessMark,
        *,
        clock: Clock | None = None,
        lease: timedelta = LEASE,
        renew_seconds: float = RENEW_SECONDS,
    ) -> None:
        """Take lanes in the name of `mark`; `clock` is the machine's unless a test hands in another."""
        self._store = store
        self._mark = mark
        self._clock = clock or SystemClock()
        self._lease = lease
        self._renew_seconds = renew_seconds
        self._numbers = itertools.count(1)
        self._held: set[Lane] = set()
        self._guard = threading.Lock()
        self._stopped = threading.Event()
        self._renewer: threading.Thread | None = None

    @contextmanager
    def hold(
        self, *, connection_id: int, root_id: str, workflow_id: str, patience_seconds: float
    ) -> Iterator[Lane]:
        """Wait for the lane, hold it for the block, leave it.

        Raises:
            ConflictError: another run kept the lane for longer than `patience_seconds`.
        """
        claim = Claim(
            owner=f"{self._mark.identity}/{next(self._numbers)}",
            host=self._mark.host,
            process_id=self._mark.process_id,
            workflow_id=workflow_id,
            lease=self._lease,
        )
        lane = self._wait(connection_id, root_id, claim, patience_seconds)
        with self._guard:
            self._held.add(lane)
        self._start_renewing()
        try:
            yield lane
        finally:
            with self._guard:
                self._held.discard(lane)
            with self._store.write() as transaction:
                lanes.leave(transaction, lane)

    def stop(self) -> None:
        """End renewing; lanes still held run out."""
        self._stopped.set()
        if self._renewer is not None:
            self._renewer.join()

    def _wait(self, connection_id: int, root_id: str, claim: Claim, patience_seconds: float) -> Lane:
        deadline = monotonic_seconds() + patience_seconds
        wait_seconds = _FIRST_WAIT_SECONDS
        dead: tuple[str, ...] = ()
        while True:
            with self._store.write() as transaction:
                lane = lanes.take(
                    transaction,
                    connection_id=connection_id,
                    root_id=root_id,
                    claim=claim,
                    at=self._clock.now(),
                    dead_owners=dead,
                )
                holder = lane or lanes.find(transaction, connection_id=connection_id, root_id=root_id)
            if lane is not None:
                return lane
            dead = (holder.owner,) if holder is not None and self._is_dead(holder) else ()
            if dead:
                continue
            if monotonic_seconds() >= deadline:
                raise ConflictError(
                    f"Another run has been working on contract {root_id} for over {patience_seconds:.0f} s.",
                    code="lane_busy",
                    record_id=root_id,
                    fix="Wait for it to end, then sync again.",
                )
            self._stopped.wait(wait_seconds)
            wait_seconds = min(wait_seconds * 2, _LONGEST_WAIT_SECONDS)

    def _is_dead(self, lane: Lane) -> bool:
        return self._mark.is_dead(lane.owner.partition("/")[0], lane.host)

    def _start_renewing(self) -> None:
        with self._guard:
            if self._renewer is None:
                self._renewer = threading.Thread(target=self._renew_until_stopped, daemon=True)
                self._renewer.start()

    def _renew_until_stopped(self) -> None:
        while not self._stopped.wait(self._renew_seconds):
            with self._guard:
                held = sorted(self._held, key=lambda lane: (lane.connection_id, lane.root_id))
            if held:
                self._renew(held)

    def _renew(self, held: Sequence[Lane]) -> None:
        try:
            with self._store.write() as transaction:
                for lane in held:
                    lanes.renew(transaction, lane, expires_at=self._clock.now() + self._lease)
        except DBAPIError as error:
            # The next turn tries again; a lease that runs out meanwhile only lets somebody else go on.
            log.warning("lanes_not_renewed", problem=str(error.orig))
