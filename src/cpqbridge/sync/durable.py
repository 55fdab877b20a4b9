"""Durable runs on DBOS Transact; the only module that knows the engine.

One queue, partitioned by contract, one run per partition. A process that runs one command starts its run
directly and takes nothing from the queue. Every argument, result and recorded step is plain JSON without
secrets. The engine is imported when it is started, because that takes a second.
"""

from __future__ import annotations

import json
import logging
import secrets
import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.exc import DatabaseError

from cpqbridge.clock import Clock, SystemClock
from cpqbridge.errors import ConfigurationError, InvariantError
from cpqbridge.store.engine import BUSY_TIMEOUT_MILLISECONDS, Synchronous, sqlite_url
from cpqbridge.sync.liveness import ProcessMark

if TYPE_CHECKING:
    from dbos import Serializer, WorkflowHandle

JsonObject = dict[str, Any]
"""A JSON document."""

DATABASE_FILE = "engine.sqlite3"
QUEUE = "contracts"
POLL_SECONDS = 0.25
RUNS_AT_ONCE = 8
_APPLICATION = "cpqbridge"
_APPLICATION_VERSION = "cpqbridge-1"
_WORKFLOW = "sync_contract"
_FORGET_AT_ONCE = 1000
_MOMENT = "%Y%m%dT%H%M%S.%fZ"


class StepRunner(Protocol):
    """Runs the steps of one run; a step done before a restart is not done again but answers the same."""

    def step(self, name: str, function: Callable[[], JsonObject]) -> JsonObject:
        """Run `function` once and record its answer, or return the answer recorded before."""
        ...


Run = Callable[[JsonObject, str, StepRunner], JsonObject]
"""What is run durably: task, run id, steps -> result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """How a process takes part. `listens`: whether it takes work from the queue, as a worker does."""

    home: Path
    mark: ProcessMark
    listens: bool
    synchronous: Synchronous = "FULL"


class DurableEngine:
    """The engine of this process; there is at most one at a time."""

    _current: DurableEngine | None = None
    _workflow: Callable[[JsonObject], JsonObject] | None = None

    def __init__(self, options: EngineOptions, run: Run, *, clock: Clock | None = None) -> None:
        """Start the engine; with `listens` it begins with what an earlier process of the same name left."""
        if DurableEngine._current is not None:
            raise InvariantError("The durable engine runs already in this process.", code="engine_twice")
        self._options = options
        self._run = run
        self._clock = clock or SystemClock()
        self._engine = _open_engine(options.home / DATABASE_FILE, options.synchronous)
        DurableEngine._current = self
        try:
            _check_readable(self._engine)
            self._launch()
        except BaseException:
            self.stop()
            raise

    def run_now(self, task: JsonObject, *, root_id: str) -> JsonObject:
        """Run the task in this thread and return its result."""
        from dbos import SetWorkflowID  # noqa: PLC0415 - see the module's docstring

        with SetWorkflowID(self._new_id(root_id)):
            return self._registered()(task)

    def enqueue(self, task: JsonObject, *, root_id: str, partition: str) -> str:
        """Put the task on the queue behind the others of its partition; return the run's id."""
        from dbos import DBOS, SetEnqueueOptions, SetWorkflowID  # noqa: PLC0415 - see the module's docstring

        run_id = self._new_id(root_id)
        with SetWorkflowID(run_id), SetEnqueueOptions(queue_partition_key=partition):
            DBOS.enqueue_workflow(QUEUE, self._registered(), task)
        return run_id

    def wait(self, run_id: str, *, timeout_seconds: float | None = None) -> JsonObject:
        """Wait for a run, wherever it runs, and return its result.

        Raises:
            TimeoutError: it did not end in time.
        """
        from dbos import DBOS  # noqa: PLC0415 - see the module's docstring

        handle: WorkflowHandle[JsonObject] = DBOS.retrieve_workflow(run_id)
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        while handle.get_status().status in {"PENDING", "ENQUEUED", "DELAYED"}:
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError(run_id)
            time.sleep(0.05)
        return handle.get_result()

    def waiting_partitions(self) -> frozenset[str]:
        """Return the partitions that have work waiting, not yet begun: it will see what is new."""
        from dbos import DBOS  # noqa: PLC0415 - see the module's docstring

        waiting = DBOS.list_workflows(status="ENQUEUED", queue_name=QUEUE, load_input=False)
        return frozenset(each.queue_partition_key for each in waiting if each.queue_partition_key)

    def take_over_from_the_dead(self) -> int:
        """Put the work of ended processes back on the queue; return how many runs.

        A run that was started from the queue goes on where it stopped. One that was started directly has no
        place in the queue: it is closed, and its contract is queued anew; intents make sure that nothing is
        done twice.
        """
        from dbos import DBOS  # noqa: PLC0415 - see the module's docstring

        count = 0
        for pending in DBOS.list_workflows(status="PENDING", name=_WORKFLOW):
            name = pending.executor_id or ""
            if not self._options.mark.is_dead(name, self._options.mark.host):
                continue
            count += 1
            if pending.queue_name == QUEUE:
                DBOS.resume_workflow(pending.workflow_id, queue_name=QUEUE)
                continue
            DBOS.cancel_workflow(pending.workflow_id)
            task = pending.input["args"][0] if pending.input else None
            if isinstance(task, dict):
                self.enqueue(task, root_id=str(task["root_id"]), partition=partition_of(task))
        return count

    def forget_finished(self, *, older_than: timedelta) -> None:
        """Delete what the engine keeps of ended runs begun longer ago than that, a thousand at a time."""
        from dbos import DBOS  # noqa: PLC0415 - see the module's docstring

        before = (self._clock.now() - older_than).isoformat()
        while finished := DBOS.list_workflows(
            status=["SUCCESS", "ERROR", "CANCELLED"],
            end_time=before,
            limit=_FORGET_AT_ONCE,
            load_input=False,
            load_output=False,
        ):
            DBOS.delete_workflows([each.workflow_id for each in finished])

    def stop(self) -> None:
        """Stop the engine; runs that are under way are continued by the next process of the same name."""
        from dbos import DBOS  # noqa: PLC0415 - see the module's docstring

        if DurableEngine._current is self:
            DBOS.destroy(workflow_completion_timeout_sec=0)
            DurableEngine._current = None
        self._engine.dispose()

    def _launch(self) -> None:
        from dbos import DBOS  # noqa: PLC0415 - see the module's docstring

        # Without a handler the engine writes to stderr by itself.
        engine_log = logging.getLogger("dbos")
        if not engine_log.handlers:
            engine_log.addHandler(logging.NullHandler())
        DBOS(
            config={
                "name": _APPLICATION,
                "system_database_url": sqlite_url(self._options.home / DATABASE_FILE),
                "system_database_engine": self._engine,
                "application_version": _APPLICATION_VERSION,
                "executor_id": self._options.mark.name,
                "serializer": _json_serializer(),
                "log_level": "WARNING",
                "notification_listener_polling_interval_sec": POLL_SECONDS,
            }
        )
        DBOS.listen_queues([QUEUE] if self._options.listens else [])
        self._registered()
        DBOS.launch()
        DBOS.register_queue(
            QUEUE,
            partition_concurrency=1,
            worker_concurrency=RUNS_AT_ONCE,
            polling_interval_sec=POLL_SECONDS,
        )

    def _new_id(self, root_id: str) -> str:
        # The time comes first: the engine's own order within one instant is by id.
        moment = self._clock.now().strftime(_MOMENT)
        return f"{moment}-{root_id}-{secrets.token_hex(3)}"

    @classmethod
    def _registered(cls) -> Callable[[JsonObject], JsonObject]:
        if cls._workflow is None:
            from dbos import DBOS  # noqa: PLC0415 - see the module's docstring

            cls._workflow = DBOS.workflow(name=_WORKFLOW)(_sync_contract)
        return cls._workflow


class _RecordedSteps:
    """Steps whose answers the engine keeps."""

    def step(self, name: str, function: Callable[[], JsonObject]) -> JsonObject:
        from dbos import DBOS  # noqa: PLC0415 - see the module's docstring

        return DBOS.run_step({"name": name}, function)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueDepth:
    """How many runs wait and run; `oldest_at` is when the run was queued that waits longest (aware UTC).

    `workers` are the names of processes that have a run under way.
    """

    waiting: int
    running: int
    oldest_at: datetime | None
    workers: frozenset[str]


def queue_depth(home: Path) -> QueueDepth:
    """Return what is on the queue of a home, read from the engine's own database without starting it."""
    path = home / DATABASE_FILE
    if not path.exists():
        return QueueDepth(waiting=0, running=0, oldest_at=None, workers=frozenset())
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
        try:
            rows = database.execute(
                "SELECT status, executor_id, count(*), min(created_at) FROM workflow_status "
                "WHERE name = ? AND status IN ('ENQUEUED', 'DELAYED', 'PENDING') "
                "GROUP BY status, executor_id",
                (_WORKFLOW,),
            ).fetchall()
        except sqlite3.OperationalError:
            # Another process has made the file and not its tables yet.
            rows = []
    waiting = [row for row in rows if row[0] != "PENDING"]
    running = [row for row in rows if row[0] == "PENDING"]
    oldest = min((row[3] for row in waiting), default=None)
    return QueueDepth(
        waiting=sum(row[2] for row in waiting),
        running=sum(row[2] for row in running),
        oldest_at=None if oldest is None else datetime.fromtimestamp(oldest / 1000, UTC),
        workers=frozenset(row[1] for row in running if row[1]),
    )


def partition_of(task: Mapping[str, Any]) -> str:
    """Return the queue's partition for a task: its connection and contract."""
    return f"{task['connection_id']}:{task['root_id']}"


def seconds_since_queued(run_id: str, *, now: datetime) -> float | None:
    """Return how long before `now` (aware UTC) a run was queued, or begun by a command; its id tells.

    None where it does not.
    """
    try:
        queued_at = datetime.strptime(run_id.partition("-")[0], _MOMENT).replace(tzinfo=UTC)
    except ValueError:
        return None
    return max(0.0, (now - queued_at).total_seconds())


def _sync_contract(task: JsonObject) -> JsonObject:
    from dbos import DBOS  # noqa: PLC0415 - see the module's docstring

    engine = DurableEngine._current  # noqa: SLF001 - the registered function belongs to the class
    if engine is None:
        raise InvariantError("The durable engine is stopped.", code="engine_stopped")
    return engine._run(task, DBOS.workflow_id or "", _RecordedSteps())  # noqa: SLF001 - as above


def _open_engine(path: Path, synchronous: Synchronous) -> Engine:
    """Open the engine's own database with a clock of full precision.

    Before SQLite 3.42 `unixepoch('subsec')` does not exist, and DBOS falls back to whole seconds (or, on
    Python 3.12 and later, does not start), which breaks the order of runs within a second.
    """
    engine = create_engine(sqlite_url(path), connect_args={"check_same_thread": False})

    def connect(database: sqlite3.Connection, _record: object) -> None:
        database.isolation_level = "IMMEDIATE"
        database.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MILLISECONDS}")
        database.execute("PRAGMA journal_mode=WAL")
        database.execute(f"PRAGMA synchronous={synchronous}")
        database.execute("PRAGMA foreign_keys=ON")
        database.create_function("unixepoch", -1, _epoch_seconds)
        database.create_function("strftime", -1, _format_time)

    event.listen(engine, "connect", connect)
    return engine


def _check_readable(engine: Engine) -> None:
    """Look into the engine's database before the engine does, whose own complaint helps nobody.

    Raises:
        ConfigurationError: the file is no database, is damaged, or cannot be used.
    """
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT count(*) FROM sqlite_master"))
    except DatabaseError as error:
        raise ConfigurationError(
            f"The workflow database {engine.url.database} cannot be opened: {error.orig}.",
            code="database_unusable",
            field=DATABASE_FILE,
            fix="Check that it may be written to. If it is damaged, move it away: it is made anew, and "
            "what was under way is found again when the orders are synced.",
        ) from None


def _epoch_seconds(*_arguments: object) -> float:
    return time.time()  # noqa: TID251 - the engine's own database stamps its rows by the machine's clock


def _format_time(*arguments: object) -> float | None:
    # DBOS asks for nothing but the seconds of now; anything else is answered with NULL.
    return _epoch_seconds() if arguments == ("%s", "now") else None


def _json_serializer() -> Serializer:
    from dbos import Serializer  # noqa: PLC0415 - see the module's docstring

    class JsonSerializer(Serializer):
        """Keeps plain JSON; an exception is kept as its text."""

        def serialize(self, data: Any) -> str:
            if isinstance(data, BaseException):
                data = {"$error": f"{type(data).__name__}: {data}"}
            return json.dumps(data, sort_keys=True, separators=(",", ":"))

        def deserialize(cls, serialized_data: str) -> Any:  # noqa: N805 - the base class names it so
            data = json.loads(serialized_data)
            if isinstance(data, dict) and set(data) == {"$error"}:
                return InvariantError(data["$error"], code="unexpected")
            return data

        def name(self) -> str:
            return "cpqbridge_json"

    return JsonSerializer()
