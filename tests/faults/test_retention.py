"""Finished work is let go, and only that: many syncs leave a home and an org as small as few."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

from sqlalchemy import func, insert, select, update
from tests.faults.two_sides import (
    NOW,
    TwoSides,
    connect,
    move_everything_to,
    one_line_orders,
    service,
    two_sides,
)

from cpqbridge.clock import SettableClock
from cpqbridge.store import audit, events, intents, plans, tables
from cpqbridge.store.audit import AuditEntry
from cpqbridge.sync.housekeeping import Housekeeping
from cpqbridge.sync.pausing import Pausing
from cpqbridge.sync.service import SyncService

A_YEAR = timedelta(days=365)


@contextmanager
def synced_contract(home: Path, clock: SettableClock) -> Iterator[tuple[SyncService, TwoSides]]:
    with two_sides(records=one_line_orders(contracted=True)) as sides, service(home, clock=clock) as opened:
        connect(opened, sides)
        opened.sync(None, sides.order_id)
        yield opened, sides


def rows(opened: SyncService, *names: str) -> dict[str, int]:
    with opened.store.read() as transaction:
        return {
            name: transaction.execute(
                select(func.count()).select_from(tables.metadata.tables[name])
            ).scalar_one()
            for name in names
        }


def test_rows_when_a_contract_is_changed_again_and_again_stay_as_few(tmp_path: Path) -> None:
    clock = SettableClock(NOW)
    with synced_contract(tmp_path, clock) as (opened, sides):
        counted = []
        for month in range(2, 8):
            move_everything_to(NOW.replace(month=month), sides, clock)
            order_id = sides.amend([(0, "1")], start=date(2026, month, 20))
            assert opened.sync(None, order_id).order.state.value == "synced"
            with opened.store.write() as transaction:
                # As if each of them had been done a year before.
                for table, column in ((tables.plans, "created_at"), (tables.intents, "finished_at")):
                    transaction.execute(update(table).values({column: clock.now() - A_YEAR}))
            Housekeeping(opened).prune()
            counted.append(rows(opened, "plans", "intents"))
        assert counted[-1]["intents"] == counted[0]["intents"]
        assert [each["plans"] for each in counted] == [1] * len(counted)
        assert opened.sync(None, sides.order_id).plan_id is None, "nothing was forgotten that is needed"
        assert len(sides.objects("subscription_schedule")) == 1


def test_what_somebody_may_still_need_is_kept_at_any_age(tmp_path: Path) -> None:
    clock = SettableClock(NOW)
    with synced_contract(tmp_path, clock) as (opened, _sides):
        with opened.store.write() as transaction:
            (standing,) = plans.standings(transaction, connection_id=1)
            root_id = standing.root_id
            some = {
                "connection_id": 1,
                "action": "update_schedule",
                "fingerprint": "f",
                "generation": 0,
                "parameters": {},
                "created_at": NOW,
            }
            for key, values in {
                "unsettled": {"root_id": root_id, "state": "sent"},
                "doubted": {
                    "root_id": root_id,
                    "state": "done",
                    "error": "another total",
                    "finished_at": NOW,
                },
                "done": {"root_id": root_id, "state": "done", "finished_at": NOW},
                "failed": {"root_id": root_id, "state": "failed", "error": "no", "finished_at": NOW},
            }.items():
                transaction.execute(
                    insert(tables.intents).values(some | values | {"step_key": key, "idempotency_key": key})
                )
        clock.set(NOW + A_YEAR)
        Housekeeping(opened).prune()
        with opened.store.read() as transaction:
            kept = set(transaction.execute(select(tables.intents.c.step_key)).scalars())
            customers = intents.customers_of(transaction, connection_id=1, root_id=root_id)
            plan = plans.load_plan(transaction, connection_id=1, plan_id=standing.plan_id or 0)
        assert {"unsettled", "doubted"} < kept
        assert not {"done", "failed"} & kept
        assert len(customers) == 1
        assert plan is not None
        with opened.store.write() as transaction:
            transaction.execute(update(tables.order_states).values(state="refused"))
            transaction.execute(
                insert(tables.intents).values(
                    some
                    | {"root_id": root_id, "step_key": "refused", "idempotency_key": "refused"}
                    | {"state": "failed", "error": "no", "finished_at": NOW}
                )
            )
        assert Housekeeping(opened).prune() == 0


def test_events_audit_and_findings_go_by_their_own_age(tmp_path: Path) -> None:
    clock = SettableClock(NOW)
    with synced_contract(tmp_path, clock) as (opened, _sides):
        Pausing(opened).pause(None)
        Pausing(opened).resume(None)
        event = events.StripeEvent(
            event_id="evt_1", type="t", created_at=NOW, root_id=None, stripe_ids=(), request_key=None
        )
        waiting = replace(event, event_id="evt_2")
        with opened.store.write() as transaction:
            for each, state in ((event, events.EventState.IGNORED), (waiting, events.EventState.WAITING)):
                events.keep(transaction, connection_id=1, events=[each], at=NOW, state=state)
            audit.record(transaction, AuditEntry(connection_id=1, at=NOW, action="a", subject="s", detail={}))
            for state, closed_at in (("open", None), ("gone", NOW)):
                transaction.execute(
                    insert(tables.findings).values(
                        connection_id=1,
                        root_id="r",
                        kind=state,
                        subject="s",
                        fingerprint="f",
                        document={},
                        state=state,
                        reason="",
                        first_seen_at=NOW,
                        last_seen_at=NOW,
                        closed_at=closed_at,
                    )
                )
        before = rows(opened, "audit")["audit"]
        clock.set(NOW + timedelta(days=89))
        assert Housekeeping(opened).prune() == 0
        clock.set(NOW + timedelta(days=91))
        Housekeeping(opened).prune()
        assert rows(opened, "stripe_events", "findings", "audit") == {
            "stripe_events": 1,
            "findings": 1,
            "audit": before,
        }
        clock.set(NOW + timedelta(days=731))
        Housekeeping(opened).prune()
        assert rows(opened, "audit") == {"audit": 0}


def sync_records(sides: TwoSides) -> dict[str, bool]:
    return {
        record["Key__c"]: bool(record.get("Resolved__c"))
        for record in sides.org.records("Stripe_Sync_Record__c")
    }


def test_the_newest_sync_records_stay_and_open_errors_are_never_deleted(tmp_path: Path) -> None:
    with two_sides() as sides, service(tmp_path) as opened:
        connect(opened, sides)
        for number in range(7):
            sides.org.insert(
                "Stripe_Sync_Record__c",
                {"Key__c": f"old|{number}", "Status__c": "Success", "Resolved__c": number % 3 != 0},
            )
        configuration = opened.configuration(None)
        opened.apply_configuration(
            None, replace(configuration, sync=replace(configuration.sync, record_retention=4))
        )
        house = Housekeeping(opened)
        assert house.prune_sync_records(opened.open(None)) == 3
        assert sync_records(sides) == {"old|0": False, "old|3": False, "old|5": True, "old|6": False}
        before = sides.org_log.count
        assert house.prune_sync_records(opened.open(None)) == 0
        assert sides.org_log.count - before == 1
        opened.apply_configuration(
            None, replace(configuration, sync=replace(configuration.sync, record_retention=0))
        )
        assert house.prune_sync_records(opened.open(None)) == 1
        assert set(sync_records(sides).values()) == {False}
        assert house.prune_sync_records(opened.open(None)) == 0
