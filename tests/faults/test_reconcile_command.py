"""`cpqbridge reconcile` as people use it: text, CSV, JSON, exit codes, asking before a fix, accepting."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.faults.test_meters_and_coupons import set_up
from tests.faults.test_reconcile import MAY, cancelled, seats, synced_until, voided
from tests.faults.test_troubled_calls import Setting

from cpqbridge.cli.main import main
from cpqbridge.cli.runtime import Runtime

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    with set_up(tmp_path, seats()) as made:
        yield made


@pytest.fixture
def command(
    setting: Setting,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> Command:
    monkeypatch.setenv("CPQBRIDGE_HOME", str(tmp_path / "settings"))

    @contextmanager
    def opened(_settings: Any) -> Iterator[Any]:
        yield setting.service

    def run(*words: str, given: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(given))
        capfdbinary.readouterr()
        code = main(["reconcile", *words], runtime=Runtime(open_service=opened))
        out, err = capfdbinary.readouterr()
        return code, out.decode("utf-8-sig"), err.decode()

    return run


def test_what_differs_is_told_with_what_to_do_and_ends_with_one(setting: Setting, command: Command) -> None:
    code, out, _ = command()
    assert code == 1
    assert "1 contract compared. 1 missing:" in out
    number = setting.sides.order()["OrderNumber"]
    assert f"order {number}" in out
    assert "Should be: 6000.00 USD billed (difference -6000.00 USD)" in out
    assert "What to do: Sync the order; `--fix` does." in out


def test_a_fix_shows_its_plan_asks_and_does_nothing_without_a_yes(setting: Setting, command: Command) -> None:
    synced_until(setting, MAY)
    cancelled(setting)
    writes = setting.sides.stripe_writes()
    code, out, err = command("--fix", given="n\n")
    assert code == 1
    assert "Create a subscription schedule with 1 phase from 2026-06-01 to 2027-02-01" in err
    assert "Left as it is." in err
    assert setting.sides.stripe_writes() == writes
    code, out, _ = command("--order", setting.sides.order_id, "--fix", given="y\n")
    assert (code, out.strip()) == (0, "1 contract compared. Stripe bills what was sold.")


def test_a_finding_that_only_a_person_can_put_right_is_left_by_a_fix_and_accepted_with_a_reason(
    setting: Setting, command: Command
) -> None:
    synced_until(setting, MAY)
    voided(setting)
    code, out, err = command("--fix", "--yes")
    assert (code, err) == (1, "")
    assert "Past billing is not changed by itself" in out
    code, out, _ = command("--accept", "1", "--reason", "Free month", "--json")
    (accepted,) = json.loads(out)["findings"]
    assert (code, accepted["state"], accepted["reason"]) == (0, "accepted", "Free month")
    code, out, _ = command()
    assert code == 0
    assert "1 accepted finding not shown." in out


def test_findings_are_a_document_and_a_table(setting: Setting, command: Command) -> None:
    synced_until(setting, MAY)
    voided(setting)
    code, out, _ = command("--json", "--contract", setting.sides.org.records("Contract")[0]["Id"])
    (finding,) = json.loads(out)["findings"]
    assert (code, finding["kind"], finding["found_minor"], finding["wanted_minor"]) == (
        1,
        "changed_in_stripe",
        0,
        50_000,
    )
    code, out, _ = command("--csv")
    (row,) = csv.DictReader(io.StringIO(out))
    assert (code, row["kind"], row["wanted_amount"], row["currency"]) == (
        1,
        "changed_in_stripe",
        "500.00",
        "usd",
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--json", "--csv"], "do not go together"),
        (["--json", "--fix"], "do not go together"),
        (["--reason", "x"], "do not go together"),
        (["--accept", "7"], "accepted with a reason"),
        (["--accept", "7", "--reason", "x"], "no open finding 7"),
        (["--contract", "800NOSUCH"], "No contract '800NOSUCH' was seen"),
        (["--order", "nosuch"], "There is no order 'nosuch'"),
    ],
)
def test_what_cannot_be_asked_for_is_said(command: Command, words: list[str], said: str) -> None:
    code, out, err = command(*words)
    assert (code, out) == (2, "")
    assert said in err
