"""Who the audit log names."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest

from cpqbridge.store import audit
from cpqbridge.store.audit import AuditEntry
from cpqbridge.store.database import open_store
from cpqbridge.sync.acting import acting_as

NOW = datetime(2026, 2, 1, 12, 30, tzinfo=UTC)


def entry(**more) -> AuditEntry:
    return AuditEntry(connection_id=None, at=NOW, action="tested", subject="x", detail={}, **more)


@pytest.fixture
def store(tmp_path):
    opened = open_store(tmp_path, synchronous="OFF")
    yield opened
    opened.close()


def test_an_entry_is_by_whoever_acts() -> None:
    with acting_as("Ada"):
        with acting_as("Grace"):
            assert entry().actor == "Grace"
        assert entry().actor == "Ada"
        assert entry(actor="Joan").actor == "Joan"
    assert entry().actor == "cpqbridge"


def test_the_actor_is_nobody_again_after_an_error() -> None:
    with pytest.raises(RuntimeError), acting_as("Ada"):
        raise RuntimeError
    assert entry().actor == "cpqbridge"


def test_a_thread_that_was_started_acts_by_itself() -> None:
    seen: list[str] = []
    with acting_as("Ada"):
        thread = threading.Thread(target=lambda: seen.append(entry().actor))
        thread.start()
        thread.join()
    assert seen == ["cpqbridge"]


def test_actor_before_and_after_are_stored(store) -> None:
    changed = entry(actor="Ada", before={"role": "viewer"}, after={"role": "admin"})
    with store.write() as transaction:
        audit.record(transaction, changed)
        audit.record(transaction, entry())
    with store.read() as transaction:
        assert audit.latest(transaction, connection_id=None, limit=2) == (entry(), changed)
