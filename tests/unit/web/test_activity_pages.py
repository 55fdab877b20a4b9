"""Overview, activity, alerts and audit log as people of each role see them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from tests.app_people import client_of
from tests.unit.sync.a_home import Home, a_home
from tests.unit.sync.receivers import mail_server, webhook

from cpqbridge.domain.calls import Call, CallEnd
from cpqbridge.domain.refusal import OrderState
from cpqbridge.store import audit, connections
from cpqbridge.store.audit import AuditEntry
from cpqbridge.store.users import Role
from cpqbridge.sync.activity import RESULTS, ActivityRecorder
from cpqbridge.sync.audit_log import changes_of
from cpqbridge.sync.home_view import Hour
from cpqbridge.sync.observing import RunEnd
from cpqbridge.sync.pausing import Pausing
from cpqbridge.web.charts import HEIGHT, hour_bars, seconds_words
from cpqbridge.web.site import Site

NOW = datetime(2026, 2, 1, 12, 30, tzinfo=UTC)
MAIL = {
    "kind": "mail",
    "name": "Billing team",
    "host": "127.0.0.1",
    "port": "2525",
    "security": "none",
    "sender": "alerts@home.example",
    "recipients": "one@home.example",
    "which": "all",
    "whose": "all",
}


@dataclass
class App:
    home: Home
    site: Site

    def as_a(self, role: Role) -> TestClient:
        return client_of(Site(self.home.service, clock=self.home.clock), role)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    with a_home(tmp_path, now=NOW) as home:
        yield App(home=home, site=Site(home.service, clock=home.clock))


def ran(home: Home, *results: str, seconds: float = 2.5) -> None:
    recorder = ActivityRecorder(home.service.store, clock_of=home.service.clock_of)
    for result in results:
        recorder.run_ended(
            RunEnd(
                connection_id=1,
                result=result,
                needs_someone=False,
                seconds=seconds,
                seconds_since_seen=seconds,
            )
        )
        call = Call(side="stripe", method="POST", path="/")
        recorder.call_ended(CallEnd(call=call, status=200, seconds=1), connection_id=1)
    recorder.close()


def test_overview_when_all_is_well_says_so(app: App) -> None:
    app.home.go_live()
    app.home.polled()
    app.home.order("801000000000001AAA", "00000101", OrderState.SYNCED)
    ran(app.home, "done", "done")
    text = app.as_a(Role.VIEWER).get("/").text
    assert "All is well: nobody is needed." in text
    assert "half within 3 s, 95 % within 3 s" in text
    assert "Simulated" in text
    assert "Syncs by itself" in text


def test_overview_names_each_trouble_with_what_to_do(app: App) -> None:
    app.home.order("801000000000001AAA", "00000101", OrderState.REFUSED, code="no_email")
    text = app.as_a(Role.VIEWER).get("/").text
    assert "Orders wait for somebody: 00000101 (no_email)." in text
    assert "The inbox says for each cause what to do." in text
    assert "<b>1</b>" in text
    part = app.as_a(Role.VIEWER).get("/", headers={"HX-Request": "true"}).text
    assert "<html" not in part
    assert "00000101" in part


def test_overview_of_an_empty_home_leads_admins_to_the_set_up(tmp_path: Path) -> None:
    with a_home(tmp_path, now=NOW) as home:
        with home.service.store.write() as transaction:
            transaction.exec_driver_sql("DELETE FROM connections")
        site = Site(home.service, clock=home.clock)
        assert "/connections/new" in client_of(site, Role.ADMIN).get("/").text
        viewer = client_of(Site(home.service, clock=home.clock), Role.VIEWER)
        assert "An admin can set it up." in viewer.get("/").text
        assert "Nothing has run yet." in viewer.get("/activity").text


def test_activity_shows_runs_calls_queue_and_workers(app: App) -> None:
    ran(app.home, "done", "stripe_down")
    text = app.as_a(Role.VIEWER).get("/activity").text
    assert 'class="bar bar-done"' in text
    assert 'class="bar bar-failed"' in text
    assert "2026-02-01 13:00 CET" in text
    assert "No worker ever ran on this machine." in text
    assert "Pause everything" not in text


def test_pause_asks_for_a_reason_shows_it_and_is_audited_by_name(app: App) -> None:
    client = app.as_a(Role.OPERATOR)
    assert "Pause test?" in client.get("/activity/pause?connection=test").text
    refused = client.post("/activity/pause", data={"connection": "test", "reason": " "})
    assert refused.status_code == 422
    assert "Say why" in refused.text
    assert (
        client.post("/activity/pause", data={"connection": "test", "reason": "Year end"}).status_code == 303
    )
    assert "Reason: Year end." in client.get("/").text
    assert "Resume test?" in client.get("/activity/resume?connection=test").text
    assert client.post("/activity/resume", data={"connection": "test"}).status_code == 303
    with app.home.service.store.read() as transaction:
        entries = audit.latest(transaction, connection_id=1, limit=2)
    assert [(each.action, each.actor) for each in entries] == [
        ("resumed", "the operator"),
        ("paused", "the operator"),
    ]


def test_pause_of_everything_is_lifted_as_a_whole(app: App) -> None:
    Pausing(app.home.service).pause(None, reason="Move")
    client = app.as_a(Role.OPERATOR)
    assert "Resume everything" in client.get("/activity").text
    assert client.post("/activity/resume", data={"connection": ""}).status_code == 303
    assert "Pause everything" in client.get("/activity").text
    assert client.get("/activity/pause?connection=other").status_code == 422


def test_channel_is_added_tested_changed_switched_and_deleted(app: App) -> None:
    client = app.as_a(Role.ADMIN)
    assert "Nobody is told yet." in client.get("/alerts").text
    with mail_server() as box:
        made = client.post("/alerts", data={**MAIL, "port": str(box.port)})
        page = made.headers["location"]
        assert client.post(f"{page}/test").headers["location"] == page
        assert "The test was sent." in client.get(page).text
        assert box.mails[0]["Subject"] == "cpqbridge: a test"
    failed = client.post(f"{page}/test")
    assert failed.status_code == 422
    assert "cannot be reached" in failed.text
    assert "Fails" in client.get("/alerts").text
    some = {"which": "some", "kinds": ["access_lost"], "whose": "some", "connections": ["1"]}
    assert client.post(page, data={**MAIL, **some, "name": "Others"}).status_code == 303
    assert 'value="access_lost" checked' in client.get(page).text
    client.post(f"{page}/switch", data={"active": "no"})
    assert "Off" in client.get("/alerts").text
    assert "Delete Others?" in client.get(f"{page}/delete").text
    client.post(f"{page}/delete")
    assert "Nobody is told yet." in client.get("/alerts").text
    assert client.get(page).status_code == 422


def test_channel_form_with_a_mistake_keeps_what_was_typed_but_no_secret(app: App) -> None:
    client = app.as_a(Role.ADMIN)
    answer = client.post(
        "/alerts", data={**MAIL, "recipients": "nobody", "user": "somebody", "secret": "canary"}
    )
    assert answer.status_code == 422
    assert "&#39;nobody&#39; is no mail address." in answer.text
    assert 'value="Billing team"' in answer.text
    assert "canary" not in answer.text
    assert client.get("/alerts/new?kind=webhook").status_code == 200
    data = {"kind": "webhook", "name": "x", "which": "all", "whose": "all"}
    answer = client.post("/alerts", data={**data, "secret": "http://10.0.0.1/canary"})
    assert "no address that alerts can be posted to" in answer.text
    assert "canary" not in answer.text


def test_alerts_page_lists_troubles_and_messages(app: App) -> None:
    from cpqbridge.sync.alerting import AlertWatch  # noqa: PLC0415 - only here

    client = app.as_a(Role.ADMIN)
    with webhook() as taker:
        data = {"kind": "webhook", "name": "Chat", "secret": taker.url, "which": "all", "whose": "all"}
        assert client.post("/alerts", data=data).status_code == 303
        with app.home.service.store.write() as transaction:
            connections.mark_access_lost(transaction, connection_id=1, message="The token expired.")
        watch = AlertWatch(app.home.service)
        watch.look()
        assert watch.send_due() == 1
        assert "Open: http://127.0.0.1/connections" in taker.texts[0]
        text = client.get("/alerts").text
        assert "The token expired." in text
        assert "Lasts" in text
        assert "test [test mode]: Access lost" in text
        assert taker.url not in text


def entries(app: App) -> None:
    with app.home.service.store.write() as transaction:
        for day, actor, action in ((1, "ann", "order_held"), (2, "=bob", "configuration_applied")):
            audit.record(
                transaction,
                AuditEntry(
                    connection_id=1,
                    at=NOW + timedelta(days=day),
                    action=action,
                    subject="<test>",
                    detail={"reason": "Year end"},
                    actor=actor,
                    before={"sync": {"live": False}},
                    after={"sync": {"live": True}},
                ),
            )


def test_audit_log_shows_who_what_and_the_difference(app: App) -> None:
    entries(app)
    text = app.as_a(Role.VIEWER).get("/audit").text
    assert "Configuration applied" in text
    assert "&lt;test&gt;" in text
    assert "<dt>sync.live</dt><dd><del>no</del> → <ins>yes</ins></dd>" in text
    assert "2026-02-03 13:30 CET" in text


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("person=ann", {"ann"}),
        ("action=configuration_applied", {"=bob"}),
        ("from=2026-02-03&connection=test", {"=bob"}),
        ("to=2026-02-02&connection=test", {"ann"}),
        ("person=nobody", set()),
    ],
)
def test_audit_log_filters(app: App, query: str, shown: set[str]) -> None:
    entries(app)
    client = app.as_a(Role.VIEWER)
    table = client.get(f"/audit.csv?{query}").content.decode("utf-8-sig")
    found = {row["actor"] for row in csv.DictReader(io.StringIO(table))}
    assert found == {f"'{each}" if each.startswith("=") else each for each in shown}
    text = client.get(f"/audit?{query}").text
    assert ("Nothing was done that these filters show." in text) is (not shown)


def test_audit_log_of_many_pages_goes_on_where_it_stopped(app: App) -> None:
    with app.home.service.store.write() as transaction:
        for number in range(60):
            entry = AuditEntry(
                connection_id=None, at=NOW, action="tested", subject=f"number {number}.", detail={}
            )
            audit.record(transaction, entry)
    client = app.as_a(Role.VIEWER)
    first = client.get("/audit?action=tested").text
    assert "number 59." in first
    assert "number 9." not in first
    following = first.split('rel="next"')[0].rpartition('href="')[2].partition('"')[0].replace("&amp;", "&")
    second = client.get(following).text
    assert "number 9." in second
    assert "number 10." not in second
    for broken in (
        "before=x",
        "before=99999999999999999999",
        "from=yesterday",
        "to=0001-01-01",
        "to=9999-12-31",
    ):
        assert client.get(f"/audit?{broken}").status_code == 200


def test_difference_of_documents_is_by_dotted_path() -> None:
    before = {"a": {"b": 1, "c": None}, "list": ["x"], "same": True, "rows": [{"n": 1}], "empty": {}}
    after = {"a": {"b": 2}, "list": ["x", "y"], "same": True, "rows": [{"n": 2}], "new": "z"}
    found = {each.path: (each.before, each.after) for each in changes_of(before, after)}
    assert found == {
        "a.b": ("1", "2"),
        "a.c": ("none", ""),
        "list": ("x", "x, y"),
        "rows.0.n": ("1", "2"),
        "empty": ("nothing", ""),
        "new": ("", "z"),
    }
    assert changes_of(None, None) == ()


def test_bars_fill_the_height_by_the_busiest_hour_and_stack() -> None:
    def hour(*counts: int) -> Hour:
        return Hour(at=NOW, runs=dict(zip(RESULTS, counts, strict=True)))

    drawn = hour_bars([hour(2, 1, 1), hour(0, 0, 0), hour(2, 0, 0)])
    assert drawn.most == 4
    assert [(bar.kind, bar.y, bar.height) for bar in drawn.bars] == [
        ("done", HEIGHT / 2, HEIGHT / 2),
        ("needs-someone", HEIGHT / 4, HEIGHT / 4),
        ("failed", 0, HEIGHT / 4),
        ("done", HEIGHT / 2, HEIGHT / 2),
    ]
    assert hour_bars([hour(0, 0, 0)]).bars == ()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "no syncs yet"),
        (3.0, "within 3 s"),
        (90.0, "within 1.5 min"),
        (120.0, "within 2 min"),
        (float("inf"), "more than 1 hour"),
    ],
)
def test_seconds_are_told_in_words(seconds, words) -> None:
    assert seconds_words(seconds) == words
