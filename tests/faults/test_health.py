"""What a supervisor and Prometheus are told, and what the log says of a run; never a secret."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text
from tests.faults.two_sides import KEY, TOKEN, TwoSides, connect, service, two_sides

from cpqbridge.errors import AccessLostError
from cpqbridge.logs import configure_logging, unexpected
from cpqbridge.sync.metrics import Metrics
from cpqbridge.sync.pausing import Pausing
from cpqbridge.sync.readiness import readiness
from cpqbridge.sync.service import SyncService
from cpqbridge.sync.worker import Worker
from cpqbridge.web.app import create_app
from cpqbridge.web.health import Health, create_health_app
from cpqbridge.web.site import Site


@pytest.fixture(scope="module")
def sides() -> Iterator[TwoSides]:
    with two_sides() as hosted:
        yield hosted


def health(opened: SyncService, *, works: bool = False) -> Health:
    metrics = Metrics(opened)
    opened.observers.add(metrics)

    def ready() -> tuple[bool, dict[str, str]]:
        found = readiness(opened, works=works)
        return found.is_ready, dict(found.checks)

    return Health(ready=ready, metrics=metrics.text)


def samples(answer: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer)
        for sample in family.samples
    }


def test_a_process_says_that_it_lives_also_where_nobody_answers_for_it(tmp_path: Path) -> None:
    with service(tmp_path) as opened:
        client = TestClient(create_app(Site(opened)), base_url="http://127.0.0.1")
        assert client.get("/healthz").json() == {"status": "alive"}
        assert client.get("/readyz").status_code == 404
        assert client.get("/health").status_code == 404


def test_a_worker_is_ready_once_its_loop_turns_also_in_a_pause(tmp_path: Path, sides: TwoSides) -> None:
    with service(tmp_path) as opened:
        connect(opened, sides)
        client = TestClient(create_health_app(health(opened, works=True)))
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json()["checks"]["worker"]) == (503, "not started")
        opened.become_worker()
        Worker(opened).tick()
        opened.turned()
        Pausing(opened).pause(None)
        assert client.get("/readyz").json() == {
            "status": "ready",
            "checks": {"database": "ok", "worker": "ok"},
        }
        opened.turned_at -= 121
        assert client.get("/readyz").json()["checks"]["worker"].startswith("silent for 121")


def test_a_database_of_another_release_is_not_ready(tmp_path: Path) -> None:
    with service(tmp_path) as opened:
        with opened.store.write() as transaction:
            transaction.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        client = TestClient(create_health_app(health(opened)))
        assert client.get("/readyz").json()["checks"] == {"database": "database_newer"}
        assert client.get("/readyz").status_code == 503
        assert client.get("/healthz").status_code == 200


def test_metrics_count_what_happened_and_hold_no_ids_or_secrets(tmp_path: Path, sides: TwoSides) -> None:
    with service(tmp_path) as opened:
        connect(opened, sides)
        client = TestClient(create_health_app(health(opened)))
        before = sides.account.log.count, sides.org_log.count
        opened.sync(None, sides.order_id)
        answer = client.get("/metrics")
        found = samples(answer.text)
        stripe, salesforce = sides.account.log.count - before[0], sides.org_log.count - before[1]
    assert answer.headers["content-type"].startswith("text/plain; version=")
    counted = {"stripe": 0.0, "salesforce": 0.0}
    for (name, labels), value in found.items():
        if name == "cpqbridge_calls_total":
            counted[dict(labels)["side"]] += value
            assert dict(labels)["outcome"] == "ok"
    assert counted == {"stripe": stripe, "salesforce": salesforce}
    of_test = frozenset({("connection", "test")})
    assert found["cpqbridge_runs_total", frozenset({("result", "done")})] == 1
    assert found["cpqbridge_run_seconds_count", frozenset()] == 1
    assert found["cpqbridge_orders", of_test | {("state", "synced")}] == 1
    assert found["cpqbridge_orders_needing_someone", of_test] == 0
    assert found["cpqbridge_paused", of_test] == 0
    assert found["cpqbridge_needs_someone", frozenset()] == 0
    labels = {value for _, held in found for name, value in held if name != "le"}
    assert labels == {
        *("stripe", "salesforce", "GET", "POST", "ok", "done", "test"),
        *(value for value in labels if re.fullmatch(r"[a-z]+|\d+\.\d+\.\d+\S*", value)),
    }
    assert TOKEN not in answer.text
    assert KEY not in answer.text


@pytest.fixture
def log_file(tmp_path: Path) -> Iterator[Path]:
    path = configure_logging(tmp_path / "home", level="debug")
    assert path is not None
    yield path
    root = logging.getLogger()
    for handler in list(root.handlers):
        root.removeHandler(handler)
        handler.close()
    structlog.reset_defaults()


def entries(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_line_of_a_run_says_which_and_every_call_is_one_of_them(tmp_path: Path, log_file: Path) -> None:
    with two_sides() as sides, service(tmp_path / "home") as opened:
        connect(opened, sides)
        opened.sync(None, sides.order_id)
    written = entries(log_file)
    (ended,) = [entry for entry in written if entry["event"] == "run_ended"]
    of_run = [entry for entry in written if entry.get("run") == ended["run"]]
    for entry in of_run:
        assert (entry["connection"], entry["contract_key"]) == ("test", sides.order_id)
        assert entry["order_number"] == sides.order()["OrderNumber"]
        assert entry["contract"]
    calls = [entry for entry in of_run if entry["event"] == "call"]
    writes = [call for call in calls if call["side"] == "stripe" and call["method"] == "POST"]
    assert {call["path"] for call in writes} >= {"/v1/customers", "/v1/subscription_schedules"}
    assert all(call["idempotency_key"] and call["request_id"].startswith("req_") for call in writes)
    assert {call["try_number"] for call in calls} == {1}
    assert sum(len(json.dumps(entry)) for entry in of_run) < 700 * len(of_run), "no bodies"
    assert len(of_run) == len(calls) + 1, "one line for a call, and one for the end"
    assert all(call["status"] == 200 and call["seconds"] >= 0 for call in calls)


def test_secrets_when_both_sides_refuse_them_are_never_in_the_log(
    tmp_path: Path, sides: TwoSides, log_file: Path
) -> None:
    with service(tmp_path / "home") as opened:
        connect(opened, sides)
        tokens, sides.org.tokens = sides.org.tokens, frozenset({"another"})
        try:
            with pytest.raises(AccessLostError) as caught:
                opened.sync(None, sides.order_id)
        finally:
            sides.org.tokens = tokens
        unexpected(caught.value)
    written = log_file.read_text()
    assert any(entry["event"] == "call" and entry["status"] == 401 for entry in entries(log_file))
    for secret in (TOKEN, KEY):
        assert secret not in written


def test_json_on_standard_error_is_one_document_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        configure_logging(tmp_path / "home", json_to_stderr=True)
        structlog.get_logger("cpqbridge.test").info("something", token="secret-of-mine", count=1)
        logging.getLogger("another.library").warning("plain")
    finally:
        root = logging.getLogger()
        for handler in list(root.handlers):
            root.removeHandler(handler)
            handler.close()
        structlog.reset_defaults()
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["event"], line["level"]) for line in lines] == [("something", "info"), ("plain", "warning")]
    assert lines[0]["token"] == "[hidden]"
