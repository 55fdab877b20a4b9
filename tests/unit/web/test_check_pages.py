"""The pages of health, fields, dry run and going live, asked as people ask them."""

from __future__ import annotations

import io
import re
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from tests.app_people import client_of
from tests.faults.two_sides import TOKEN, TwoSides, connect, service, two_sides

from cpqbridge.store import connections
from cpqbridge.store.users import Role
from cpqbridge.sync.checks import HealthChecks
from cpqbridge.sync.service import SyncService
from cpqbridge.web.site import Site

AT = "/connections/test"


@dataclass
class App:
    site: Site
    service: SyncService
    sides: TwoSides

    def client(self, role: Role = Role.ADMIN) -> TestClient:
        return client_of(self.site, role)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    with two_sides(2) as sides, service(tmp_path) as opened:
        connect(opened, sides)
        yield App(site=Site(opened), service=opened, sides=sides)


def text(answer) -> str:
    assert answer.status_code == 200, answer.text
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text))


def dry_run(client: TestClient, days: str = "30") -> str:
    assert client.post(f"{AT}/setup/dry-run", data={"days": days}).status_code == 303
    until = time.monotonic() + 20
    while time.monotonic() < until:
        shown = text(client.get(f"{AT}/setup/dry-run"))
        if "is under way" not in shown:
            return shown
        time.sleep(0.05)
    raise AssertionError("the dry run does not end")


def test_health_is_empty_at_first_then_tells_every_check(app: App) -> None:
    client = app.client(Role.OPERATOR)
    assert "No check was made yet" in text(client.get(f"{AT}/health"))
    before = app.sides.account.log.count
    client.get(f"{AT}/health")
    assert app.sides.account.log.count == before
    assert client.post(f"{AT}/health").headers["Location"] == f"{AT}/health"
    shown = text(client.get(f"{AT}/health"))
    for words in (
        "by the operator",
        "Salesforce sign-in",
        "Rights of the Stripe key",
        "restricted key",
        "Fine",
    ):
        assert words in shown


def test_a_stopped_connection_goes_on_from_its_health_page(app: App) -> None:
    with app.service.store.write() as transaction:
        connections.mark_access_lost(transaction, connection_id=1, message="The key was rolled.")
    client = app.client(Role.OPERATOR)
    shown = text(client.get(f"{AT}/health"))
    assert "The key was rolled." in shown
    assert "Ask both sides and go on" in shown
    assert client.post(f"{AT}/health", data={"go_on": "yes"}).status_code == 303
    assert app.service.connections()[0].access_lost is None
    assert "The key was rolled." not in text(client.get(f"{AT}/health"))


def test_a_viewer_sees_health_and_changes_nothing(app: App) -> None:
    client = app.client(Role.VIEWER)
    assert "Run all checks<" not in client.get(f"{AT}/health").text
    assert client.post(f"{AT}/health").status_code == 403
    assert client.post(f"{AT}/setup/dry-run", data={"days": "30"}).status_code == 403
    assert client.post(f"{AT}/setup/go-live", data={"live": "now"}).status_code == 403
    assert HealthChecks(app.service).last(None) is None


def test_fields_tell_what_is_missing_and_come_as_a_download(app: App) -> None:
    client = app.client(Role.VIEWER)
    assert "The org has everything." in text(client.get(f"{AT}/setup/fields"))
    app.sides.org.object_type("Order").hidden = frozenset({"Stripe_Sync_Message__c"})
    shown = text(client.get(f"{AT}/setup/fields"))
    assert "Of the fields and rights below 1 cannot be used" in shown
    assert "Deploy our fields" in shown
    app.sides.org.object_type("OrderItem").hidden = frozenset({"SBQQ__BillingFrequency__c"})
    shown = text(client.get(f"{AT}/setup/fields"))
    assert "Missing or hidden: OrderItem.SBQQ__BillingFrequency__c." in shown
    answer = client.get(f"{AT}/fields.zip")
    assert answer.headers["Content-Type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        (app_file,) = (name for name in archive.namelist() if "ecaGlblOauth" in name)
        assert b"http://127.0.0.1/salesforce/callback" in archive.read(app_file)


def test_fields_of_an_org_that_does_not_let_us_in_say_so(app: App) -> None:
    app.sides.org.tokens = frozenset({"another"})
    shown = text(app.client().get(f"{AT}/setup/fields"))
    assert "does not accept the token" in shown
    assert TOKEN not in shown


def test_a_dry_run_is_begun_watched_and_downloaded(app: App) -> None:
    client = app.client(Role.OPERATOR)
    assert "No dry run yet" in text(client.get(f"{AT}/setup/dry-run"))
    shown = dry_run(client)
    assert "2 orders" in shown
    assert "12,000.00 USD" in shown
    assert "by the operator" in shown
    table = client.get(f"{AT}/setup/dry-run/1/orders.csv")
    assert table.headers["Content-Type"].startswith("text/csv")
    assert table.content.decode("utf-8-sig").count("synced") == 2
    assert client.get(f"{AT}/setup/dry-run/9/orders.csv").status_code == 404
    assert client.get(f"{AT}/setup/dry-run/x/orders.csv").status_code == 404
    assert (app.sides.stripe_writes(), app.sides.salesforce_writes()) == ([], [])
    fragment = client.get(f"{AT}/setup/dry-run", headers={"HX-Request": "true"}).text
    assert "<html" not in fragment
    assert 'id="dry-run"' in fragment


@pytest.mark.parametrize("days", ["0", "366", "", "many", "-3", "9" * 30])
def test_days_that_cannot_be_are_told_at_the_field(app: App, days: str) -> None:
    answer = app.client().post(f"{AT}/setup/dry-run", data={"days": days})
    assert answer.status_code == 422
    assert "last 1 to 365 days" in answer.text
    assert "aria-invalid" in answer.text


def test_stopping_a_dry_run_that_has_ended_says_so(app: App) -> None:
    client = app.client()
    dry_run(client)
    assert client.post(f"{AT}/setup/dry-run/1/stop").status_code == 303
    assert "The dry run had ended already." in text(client.get(f"{AT}/setup/dry-run"))


def test_refused_orders_are_shown_with_what_to_do(app: App) -> None:
    app.sides.org.update("Order", app.sides.order_id, {"SBQQ__Quote__c": None})
    shown = dry_run(app.client())
    assert "What would not be billed, and why" in shown
    assert "Refused" in shown


def test_going_live_shows_first_what_would_happen(app: App) -> None:
    client = app.client()
    assert "Only orders that a person asks for" in text(client.get(f"{AT}/setup/go-live"))
    asked = client.post(f"{AT}/setup/go-live", data={"start_date": "2026-01-01", "live": "now"})
    assert "2 orders at most" in text(asked)
    assert not app.service.configuration(None).sync.live
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', asked.text))
    assert hidden == {"start_date": "2026-01-01", "live": "now", "based_on": "1"}
    assert client.post(f"{AT}/setup/go-live/confirm", data=hidden).status_code == 303
    settings = app.service.configuration(None).sync
    assert (settings.live, str(settings.start_date)) == (True, "2026-01-01")
    assert "Activated orders are synced by themselves." in text(client.get(f"{AT}/setup/go-live"))
    again = client.post(f"{AT}/setup/go-live/confirm", data=hidden)
    assert again.status_code == 422
    assert "changed" in again.text


def test_a_start_date_that_is_none_is_told_at_the_field(app: App) -> None:
    answer = app.client().post(f"{AT}/setup/go-live", data={"start_date": "soon", "live": "now"})
    assert answer.status_code == 422
    assert "which is no date" in answer.text
    assert 'value="soon"' in answer.text
