"""A connection that signed in keeps itself signed in, whatever ends its session."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.faults.two_sides import NOW, TwoSides, move_everything_to, service, two_sides
from tests.set_up_in_pages import connect_signed_in

from cpqbridge.clock import SettableClock, SystemClock
from cpqbridge.domain.refusal import OrderState
from cpqbridge.errors import AccessLostError, TransientError
from cpqbridge.salesforce.client import SalesforceClient, Session
from cpqbridge.store import connections, logins
from cpqbridge.sync.service import SyncService
from cpqbridge.sync.session_keeping import CLAIM_LIFE, SessionKeeper


@pytest.fixture
def sides() -> Iterator[TwoSides]:
    with two_sides() as hosted:
        hosted.org.tokens = frozenset()
        yield hosted


@pytest.fixture
def opened(tmp_path: Path, sides: TwoSides) -> Iterator[SyncService]:
    with service(tmp_path, clock=SettableClock(NOW)) as made:
        connect_signed_in(made, sides)
        yield made


def token_calls(sides: TwoSides) -> int:
    return sum(entry["path"] == "/services/oauth2/token" for entry in sides.org_log.after())


def session_of(opened: SyncService) -> Session:
    with opened.store.read() as transaction:
        secrets = connections.open_secrets(opened.store, transaction, connection_id=1)
        facts = connections.get(transaction, connection_id=1).facts
    return Session(base_url=facts.salesforce_url, token=secrets.salesforce_token)


def keeper_of(opened: SyncService, sleep=lambda _seconds: None) -> SessionKeeper:
    return SessionKeeper(opened.store, clock=SystemClock(), sleep=sleep)


def plan_fault(sides: TwoSides, kind: str, **more: object) -> None:
    sides.org.faults.read({"faults": [{"kind": kind, "path": "/services/oauth2/token", **more}]})


@pytest.mark.parametrize("rotation", [False, True])
def test_a_session_that_ends_between_two_syncs_is_renewed_once(opened, sides, rotation):
    sides.org_oauth.settings.rotation = rotation
    assert opened.sync("trial", sides.order_id).order.state is OrderState.SYNCED
    for _ in range(3):
        sides.org_oauth.tokens.end_sessions()
        before = token_calls(sides)
        assert opened.sync("trial", sides.order_id).order.state is OrderState.UNCHANGED
        assert token_calls(sides) == before + 1


def test_a_session_that_ends_in_the_middle_of_a_sync_is_renewed_and_nothing_is_done_twice(opened, sides):
    # One request of the sync is turned away: the read in the first run, the write in the second.
    for skipped in (1, 2, 3):
        sides.org.faults.clear()
        sides.org.faults.read({"faults": [{"kind": "unauthorized", "skip": skipped}]})
        opened.sync("trial", sides.order_id)
    assert opened.sync("trial", sides.order_id).order.state is OrderState.UNCHANGED
    assert len(sides.objects("subscription_schedule")) == 1
    assert len(sides.objects("customer")) == 1


def test_the_new_refresh_token_is_stored_before_the_session_is_used(opened, sides):
    sides.org_oauth.settings.rotation = True
    sides.org_oauth.tokens.end_sessions()
    keeper_of(opened).renew(1, session_of(opened))
    with opened.store.read() as transaction:
        login = logins.open_login(opened.store, transaction, connection_id=1)
    kept = sides.org_oauth.tokens.refresh_tokens[login.refresh_token]
    assert not kept.ended
    assert kept.access_token == session_of(opened).token


def test_many_who_find_the_session_ended_renew_it_once(opened, sides):
    sides.org_oauth.settings.rotation = True
    ended = session_of(opened)
    sides.org_oauth.tokens.end_sessions()
    before = token_calls(sides)
    ready = threading.Barrier(8)

    def renew() -> Session:
        ready.wait()
        return keeper_of(opened, sleep=lambda seconds: threading.Event().wait(seconds / 10)).renew(1, ended)

    with ThreadPoolExecutor(8) as threads:
        found = {future.result() for future in [threads.submit(renew) for _ in range(8)]}
    assert token_calls(sides) == before + 1
    assert found == {session_of(opened)}


def test_one_that_died_while_it_renewed_is_followed_by_the_next(opened, sides):
    now = SystemClock().now()
    waits: list[float] = []

    class Later:
        def now(self):
            return now + len(waits) * timedelta(seconds=30)

    with opened.store.write() as transaction:
        assert logins.claim(transaction, connection_id=1, now=now, until=now + CLAIM_LIFE)
    sides.org_oauth.tokens.end_sessions()
    keeper = SessionKeeper(opened.store, clock=Later(), sleep=waits.append)
    renewed = keeper.renew(1, session_of(opened))
    assert len(waits) == 4
    assert renewed == session_of(opened)


@pytest.mark.parametrize(
    ("kind", "more"), [("reset", {}), ("timeout", {}), ("server_error", {"status": 503})]
)
def test_a_renewal_that_fails_is_tried_again_and_holds_nobody_up(opened, sides, kind, more):
    sides.org_oauth.tokens.end_sessions()
    plan_fault(sides, kind, **more)
    with pytest.raises(TransientError):
        keeper_of(opened).renew(1, session_of(opened))
    assert keeper_of(opened).renew(1, session_of(opened)) == session_of(opened)
    assert opened.check_connection("trial").access_lost is None


def test_an_answer_that_is_lost_under_rotation_loses_access_and_says_to_sign_in_again(opened, sides):
    sides.org_oauth.settings.rotation = True
    sides.org_oauth.tokens.end_sessions()
    plan_fault(sides, "reset", when="after")
    with pytest.raises(AccessLostError) as caught:
        opened.sync("trial", sides.order_id)
    assert "sign in to Salesforce again" in caught.value.fix
    (connection,) = opened.connections()
    assert connection.access_lost is not None
    assert "revoked, replaced" in connection.access_lost


def test_access_that_was_revoked_stops_the_connection_with_the_reason(opened, sides):
    opened.sync("trial", sides.order_id)
    sides.org_oauth.tokens.revoke_all()
    with pytest.raises(AccessLostError):
        opened.sync("trial", sides.order_id)
    assert "revoked" in opened.connections()[0].access_lost


def test_another_org_behind_the_same_sign_in_is_never_read_or_written(opened, sides):
    opened.sync("trial", sides.order_id)
    sides.org_oauth.tokens.end_sessions()
    ended = session_of(opened)
    sides.org.load({"Organization": [{"Id": "00DSm0000000Oth", "Name": "Refreshed sandbox"}]})
    for _ in range(2):
        with pytest.raises(AccessLostError, match="leads to the org"):
            keeper_of(opened).renew(1, ended)
        assert session_of(opened) == ended


def test_an_org_that_moved_is_followed(opened, sides):
    moved = sides.salesforce_url.replace("127.0.0.1", "127.0.0.2")
    sides.org_oauth.settings.instance_url = moved
    sides.org_oauth.tokens.end_sessions()
    assert keeper_of(opened).renew(1, session_of(opened)).base_url == moved
    assert opened.connections()[0].facts.salesforce_url == moved


def test_a_client_with_an_old_session_takes_the_one_that_another_process_stored(opened, sides, tmp_path):
    opened.sync("trial", sides.order_id)
    ended = session_of(opened)
    with service(tmp_path, clock=SettableClock(NOW)) as other:
        sides.org_oauth.settings.rotation = True
        sides.org_oauth.tokens.end_sessions()
        keeper_of(other).renew(1, ended)
    before = token_calls(sides)
    assert opened.sync("trial", sides.order_id).order.state is OrderState.UNCHANGED
    assert token_calls(sides) == before


def test_a_list_that_the_session_left_in_the_middle_begins_anew(tmp_path):
    with (
        two_sides(12) as sides,
        service(tmp_path, clock=SettableClock(NOW)) as opened,
    ):
        sides.org.tokens = frozenset()
        connect_signed_in(opened, sides)
        sides.org.faults.read({"faults": [{"kind": "short_pages", "rows": 5, "times": 50}]})
        ended: list[int] = []

        def end_after_the_first_page(entry_count: int) -> None:
            if not ended and any("/query/01g" in entry["path"] for entry in sides.org_log.after()):
                ended.append(entry_count)
                sides.org_oauth.tokens.end_sessions()

        found = []
        for notice in opened.open("trial").salesforce.qualifying_orders(since=None):
            found.append(notice.order_id)
            end_after_the_first_page(len(found))
        assert sorted(found) == sorted(sides.order_ids)


def test_a_dead_locator_after_a_renewal_is_told_as_such(opened, sides):
    page = {"n": 0}

    def renew(session: Session) -> Session:
        page["n"] += 1
        return replace(session, token=keeper_of(opened).renew(1, session).token)

    session = session_of(opened)
    with SalesforceClient(session.base_url, session.token, renew=renew) as client:
        sides.org.load(
            {"Account": [{"Id": f"001Qy0000000{number:03}", "Name": "x"} for number in range(300)]}
        )
        sides.org.faults.read({"faults": [{"kind": "short_pages", "rows": 200}]})
        first = client.query("SELECT Id FROM Account")
        assert not first["done"]
        sides.org_oauth.tokens.end_sessions()
        with pytest.raises(TransientError) as caught:
            client.next_page(first["nextRecordsUrl"])
    assert caught.value.code == "salesforce_pages_ended"
    assert page["n"] == 1


def test_time_that_passes_over_weeks_needs_nobody(opened, sides):
    clock = opened.clock
    opened.sync("trial", sides.order_id)
    for days in (1, 20, 40):
        move_everything_to(NOW + timedelta(days=days), sides, clock)
        assert opened.sync("trial", sides.order_id).order.state in {OrderState.UNCHANGED, OrderState.SYNCED}


def test_a_poll_that_the_session_left_in_the_middle_finds_everything(tmp_path):
    with two_sides(12) as sides, service(tmp_path, clock=SettableClock(NOW)) as opened:
        sides.org.tokens = frozenset()
        connect_signed_in(opened, sides)
        sides.org.faults.read({"faults": [{"kind": "short_pages", "rows": 5, "times": 50}]})
        found: list[str] = []
        for number, page in enumerate(opened.open("trial").salesforce.changes(since=None)):
            found += [notice.order_id for notice in page.notices]
            if number == 1:
                sides.org_oauth.tokens.end_sessions()
        assert set(found) == set(sides.order_ids)
        assert len(found) == 10 + 12


def test_a_list_that_is_given_up_again_and_again_is_put_off(tmp_path):
    with two_sides(12) as sides, service(tmp_path, clock=SettableClock(NOW)) as opened:
        sides.org.tokens = frozenset()
        connect_signed_in(opened, sides)
        sides.org.faults.read({"faults": [{"kind": "short_pages", "rows": 5, "times": 50}]})

        def read_while_sessions_end() -> None:
            for _ in opened.open("trial").salesforce.changes(since=None):
                sides.org_oauth.tokens.end_sessions()

        with pytest.raises(TransientError) as caught:
            read_while_sessions_end()
        assert caught.value.code == "salesforce_pages_ended"
