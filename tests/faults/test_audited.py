"""Whatever somebody does with a command is in the audit log: who, what, and what was different afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from tests.faults.two_sides import KEY, TOKEN, connect, service, two_sides

from cpqbridge.cli.main import main
from cpqbridge.cli.runtime import Runtime
from cpqbridge.settings import Settings
from cpqbridge.store import audit
from cpqbridge.store.audit import AuditEntry
from cpqbridge.sync.acting import COMMAND_LINE
from cpqbridge.sync.by_hand import note_sync
from cpqbridge.sync.service import SyncService


def entries(opened: SyncService) -> tuple[AuditEntry, ...]:
    with opened.store.read() as transaction:
        return audit.latest(transaction, connection_id=None, limit=20)


def test_sync_by_command_is_by_the_command_line_also_when_it_fails(tmp_path: Path) -> None:
    with two_sides() as sides, service(tmp_path / "home") as opened:
        connect(opened, sides)

        @contextmanager
        def open_service(_settings: Settings) -> Iterator[SyncService]:
            yield opened

        runtime = Runtime(settings=lambda: Settings(home=tmp_path / "home"), open_service=open_service)
        assert main(["order", "sync", "00000101", "--json"], runtime=runtime) == 0
        assert main(["order", "sync", "nothing"], runtime=runtime) == 2
        assert [(each.action, each.subject, each.actor) for each in entries(opened)[:2]] == [
            ("order_synced", "nothing", COMMAND_LINE),
            ("order_synced", "00000101", COMMAND_LINE),
        ]


def test_release_names_what_was_released(tmp_path: Path) -> None:
    with two_sides() as sides, service(tmp_path) as opened:
        connect(opened, sides)
        note_sync(opened, None, "00000101", released=frozenset({"takeover"}), cutover=date(2026, 3, 1))
        entry = entries(opened)[0]
        assert entry.action == "order_released"
        assert entry.detail == {"released": ["takeover"], "cutover": "2026-03-01"}


def test_connection_when_checked_tells_both_sides_before_and_after_and_no_secret(tmp_path: Path) -> None:
    with two_sides() as sides, service(tmp_path) as opened:
        connect(opened, sides)
        opened.check_connection("test", salesforce_token=TOKEN)
        checked = entries(opened)[0]
        told = json.dumps([[each.before, each.after, dict(each.detail)] for each in entries(opened)])
    assert checked.action == "connection_checked"
    assert checked.before is not None
    assert checked.after is not None
    assert checked.after["salesforce_access"] == "renewed"
    assert "stripe_access" not in checked.after
    assert checked.before["mode"] == checked.after["mode"] == "test"
    assert TOKEN not in told
    assert KEY not in told
