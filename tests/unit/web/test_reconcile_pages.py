"""The pages of reconciliation: findings with their money, accepted for a reason, fixed by the plan shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.app_people import client_of
from tests.faults.finding import finding as a_worker
from tests.faults.test_finding_desk import changed_by_hand
from tests.faults.test_meters_and_coupons import set_up
from tests.faults.test_reconcile import found, seats
from tests.faults.test_troubled_calls import Setting
from tests.faults.two_sides import service, two_sides

from cpqbridge.store.users import Role
from cpqbridge.sync.worker import Worker
from cpqbridge.web.site import Site


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    with set_up(tmp_path, seats()) as made:
        yield made


@pytest.fixture
def site(setting: Setting) -> Site:
    return Site(setting.service, clock=setting.clock)


def test_before_anything_is_connected_or_compared_the_page_says_what_to_do(tmp_path: Path) -> None:
    with service(tmp_path / "empty") as opened:
        assert "Nothing is connected yet" in client_of(Site(opened), Role.VIEWER).get("/reconcile").text


def test_a_finding_is_told_with_its_amounts_and_as_a_table(setting: Setting, site: Site) -> None:
    client = client_of(site, Role.VIEWER)
    assert "Nothing was compared yet" in client.get("/reconcile").text
    (missing,) = found(setting)
    shown = client.get("/reconcile").text
    assert "Not billed" in shown
    assert "0.00 instead of 6,000.00 USD" in shown
    assert "6,000.00" in shown
    assert "Compare all now" not in shown
    number = missing.document["order_numbers"][0]
    assert "No finding is like that" in client.get("/reconcile?kind=extra").text
    assert str(missing.document["found"]) in client.get(f"/reconcile?contract={number}").text
    table = client.get("/reconcile.csv")
    assert table.headers["content-type"] == "text/csv; charset=utf-8"
    assert "6000.00" in table.text
    detail = client.get(f"/reconcile/{missing.finding_id}").text
    assert "What should be" in detail
    assert "Fix: show the plan" not in detail
    for path in ("/reconcile/999", "/reconcile/x", "/reconcile/²"):
        assert client.get(path).status_code == 404
    assert client.get("/reconcile?connection=other").status_code == 422


def test_a_fix_shows_its_plan_and_is_carried_out_as_shown(setting: Setting, site: Site) -> None:
    shown = changed_by_hand(setting)
    base = f"/reconcile/{shown.finding.finding_id}"
    client = client_of(site, Role.OPERATOR)
    assert "Fix: show the plan" in client.get(base).text
    asked = client.get(f"{base}/fix").text
    assert "Carry this out" in asked
    assert "500.00" in asked
    other = client.post(f"{base}/fix", data={"mark": "another"})
    assert other.status_code == 409
    assert "look at it again" in other.text
    assert len(found(setting)) == 1
    mark = re.search(r'name="mark" value="(\w+)"', asked)
    assert mark is not None
    done = client.post(f"{base}/fix", data={"mark": mark[1]})
    assert (done.status_code, done.headers["location"]) == (303, "/reconcile")
    assert "Stripe bills what was sold" in client.get("/reconcile").text
    assert "A fix put this right" in client.get(base).text
    assert "nothing a sync could put right" in client.get(f"{base}/fix").text


def test_accepting_needs_a_reason_shows_by_whom_and_can_be_taken_back(setting: Setting, site: Site) -> None:
    shown = changed_by_hand(setting)
    base = f"/reconcile/{shown.finding.finding_id}"
    client = client_of(site, Role.OPERATOR)
    refused = client.post(f"{base}/accept", data={"reason": " ", "fingerprint": shown.finding.fingerprint})
    assert refused.status_code == 422
    assert "A reason is needed" in refused.text
    assert "--reason" not in refused.text
    stale = client.post(f"{base}/accept", data={"reason": "On ice", "fingerprint": "other"})
    assert "says something else now" in stale.text
    assert "On ice" in stale.text
    answer = client.post(
        f"{base}/accept", data={"reason": "On ice", "fingerprint": shown.finding.fingerprint}
    )
    assert answer.status_code == 303
    accepted = client.get("/reconcile?state=accepted").text
    assert "On ice" in accepted
    assert "the operator" in accepted
    assert client.post(f"{base}/open").status_code == 303
    assert "Nothing was accepted" in client.get("/reconcile?state=accepted").text
    assert len(found(setting)) == 1


def test_a_comparison_is_asked_for_once_watched_and_done_by_a_worker(tmp_path: Path) -> None:
    with two_sides(2) as sides, a_worker(tmp_path, sides) as setting:
        client = client_of(Site(setting.service, clock=setting.clock), Role.OPERATOR)
        assert "Compare all now" in client.get("/reconcile").text
        assert client.post("/reconcile/run", data={"connection": "test"}).status_code == 303
        setting.service.engine()
        waiting = client.get("/reconcile").text
        assert "asked for by the operator" in waiting
        assert 'hx-get="/reconcile/runs"' in waiting
        Worker(setting.service).tick()
        setting.settled()
        part = client.get("/reconcile/runs", headers={"HX-Request": "true"}).text
        assert "2 of 2" in part
        assert 'hx-get="/reconcile/runs"' not in part
        assert 'hx-select="#findings"' in part, "the findings below are loaded once it has ended"
        assert client.get("/reconcile/runs").headers["location"] == "/reconcile"


def test_a_viewer_changes_nothing(setting: Setting, site: Site) -> None:
    (missing,) = found(setting)
    client = client_of(site, Role.VIEWER)
    base = f"/reconcile/{missing.finding_id}"
    for path in ("/reconcile/run", f"{base}/accept", f"{base}/open", f"{base}/fix"):
        assert client.post(path).status_code == 403, path
    assert client.get(f"{base}/fix").status_code == 403
