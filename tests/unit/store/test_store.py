"""The database: opening, upgrading, transactions."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import select, text

import cpqbridge.store
from cpqbridge.errors import ConfigurationError
from cpqbridge.store import audit
from cpqbridge.store.app_tables import metadata
from cpqbridge.store.audit import AuditEntry
from cpqbridge.store.database import DATABASE_FILE, open_store
from cpqbridge.store.tables import audit as audit_table
from cpqbridge.store.upgrade import REVISIONS

NOW = datetime(2026, 2, 1, 12, 30, 15, 123456, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path):
    opened = open_store(tmp_path / "home")
    yield opened
    opened.close()


def entry(subject: str) -> AuditEntry:
    return AuditEntry(connection_id=None, at=NOW, action="tested", subject=subject, detail={"n": 1})


def test_a_migrated_database_has_exactly_the_tables(store) -> None:
    with store.write() as transaction:
        differences = compare_metadata(
            MigrationContext.configure(transaction, opts={"compare_type": False}), metadata
        )
    assert differences == []


def test_the_known_revisions_are_those_of_the_package() -> None:
    scripts = ScriptDirectory(str(Path(cpqbridge.store.__file__).parent / "migrations"))
    assert tuple(script.revision for script in reversed(list(scripts.walk_revisions()))) == REVISIONS


def test_a_database_is_durable_and_in_wal_mode(store) -> None:
    with store.read() as transaction:
        assert transaction.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert transaction.execute(text("PRAGMA synchronous")).scalar() == 2
        assert transaction.execute(text("PRAGMA foreign_keys")).scalar() == 1


def test_the_home_is_for_its_owner_only(store) -> None:
    assert store.home.stat().st_mode & 0o777 == 0o700


def test_a_database_of_a_newer_release_is_refused(tmp_path: Path) -> None:
    first = open_store(tmp_path)
    with first.write() as transaction:
        transaction.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    first.close()
    with pytest.raises(ConfigurationError, match="newer release") as caught:
        open_store(tmp_path)
    assert caught.value.code == "database_newer"


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / DATABASE_FILE).write_text("this is no database, it is a letter to nobody" * 50)
    with pytest.raises(ConfigurationError) as caught:
        open_store(tmp_path)
    assert caught.value.code == "database_unusable"


def test_a_home_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError) as caught:
        open_store(tmp_path / "file" / "home")
    assert caught.value.code == "home_unusable"


@pytest.mark.parametrize("url", ["postgresql://localhost/x", "nonsense", "mysql://a/b"])
def test_another_database_is_refused_clearly(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_store(tmp_path, database_url=url)
    assert caught.value.code == "database_url"


def test_several_processes_opening_a_new_home_at_once_agree(tmp_path: Path) -> None:
    problems: list[Exception] = []

    def open_it() -> None:
        try:
            open_store(tmp_path / "home").close()
        except Exception as error:  # noqa: BLE001 - whatever it is, the test shows it
            problems.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []


def test_a_write_is_kept_as_a_whole_or_not_at_all(store) -> None:
    def fail_after_a_write() -> None:
        with store.write() as transaction:
            audit.record(transaction, entry("lost"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_after_a_write()
    with store.write() as transaction:
        audit.record(transaction, entry("kept"))
    with store.read() as transaction:
        assert [found.subject for found in audit.latest(transaction, connection_id=None, limit=5)] == ["kept"]


def test_writers_at_once_wait_for_each_other(store) -> None:
    def add(number: int) -> None:
        for step in range(20):
            with store.write() as transaction:
                count = len(transaction.execute(select(audit_table.c.audit_id)).all())
                audit.record(transaction, entry(f"{number}-{step}-{count}"))

    threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.read() as transaction:
        subjects = [found.subject for found in audit.latest(transaction, connection_id=None, limit=100)]
    counts = sorted(int(subject.rsplit("-", 1)[1]) for subject in subjects)
    assert counts == list(range(80))


def test_instants_come_back_exact_and_naive_ones_are_refused(store) -> None:
    with store.write() as transaction:
        audit.record(transaction, entry("x"))
    with store.read() as transaction:
        (found,) = audit.latest(transaction, connection_id=None, limit=1)
    assert found.at == NOW
    assert found == entry("x")
    naive = AuditEntry(
        connection_id=None,
        at=NOW.replace(tzinfo=None),
        action="a",
        subject="b",
        detail={},
    )
    with pytest.raises(Exception, match="no time zone"), store.write() as transaction:
        audit.record(transaction, naive)
