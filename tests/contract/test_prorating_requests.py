"""Every request of the whole suite that can prorate says so (B6.3): the rule, and that it is kept watch over.

The watch itself is the plugin `tests/prorating_requests.py`.
"""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.prorating_requests import can_prorate, judged_count, unsaid_in

from cpqbridge_sim.request_log import LoggedRequest
from cpqbridge_sim.stripe.account import Account

NOW = datetime(2026, 3, 10, tzinfo=UTC)
SCHEDULES = "/v1/subscription_schedules"
NONE = {"proration_behavior": "none"}
BILLED = {"proration_behavior": "create_prorations"}
ROOT = Path(__file__).parents[2]


def request(method: str, path: str, **parameters: Any) -> LoggedRequest:
    return LoggedRequest(
        number=1,
        at="2026-03-10T00:00:00Z",
        method=method,
        path=path,
        parameters=parameters,
        idempotency_key=None,
        status=200,
        response={},
    )


def seconds(day: int) -> int:
    return int(datetime(2026, 3, day, tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    "said",
    [
        request("POST", SCHEDULES, start_date=seconds(20), phases=[NONE, NONE]),
        request("POST", SCHEDULES, start_date=seconds(1), phases=[BILLED, NONE]),
        request("POST", SCHEDULES, start_date=str(seconds(1)), phases=[BILLED]),
        request("POST", SCHEDULES, start_date=seconds(10) + 29 * 60, phases=[BILLED]),
        request("POST", SCHEDULES, start_date="now", phases={"0": NONE, "1": NONE}),
        request("POST", SCHEDULES, from_subscription="sub_1"),
        request("POST", f"{SCHEDULES}/x", **NONE, phases=[NONE]),
        request("POST", f"{SCHEDULES}/x", **NONE, metadata={}),
        request("POST", f"{SCHEDULES}/x/cancel", prorate=False, invoice_now="false"),
        request("POST", f"{SCHEDULES}/x/release"),
        request("DELETE", "/v1/subscriptions/sub_1", prorate="false", invoice_now="false"),
        request("POST", "/v1/subscriptions/sub_1", **NONE),
        request("DELETE", "/v1/subscription_items/si_1", **NONE),
        request("GET", f"{SCHEDULES}/x"),
        request("POST", "/v1/invoices", customer="cus_1"),
    ],
)
def test_request_when_it_says_what_to_do_is_fine(said: LoggedRequest) -> None:
    assert unsaid_in(said) == []


@pytest.mark.parametrize(
    ("open_", "missing"),
    [
        (
            request("POST", SCHEDULES, start_date=seconds(20), phases=[{}, NONE, {}]),
            ["phases[0][proration_behavior] is not said", "phases[2][proration_behavior] is not said"],
        ),
        (
            request("POST", SCHEDULES, start_date=seconds(11), phases=[BILLED]),
            ["phases[0][proration_behavior] is create_prorations, not none"],
        ),
        (
            request("POST", SCHEDULES, start_date=seconds(1), phases=[BILLED, BILLED]),
            ["phases[1][proration_behavior] is create_prorations, not none"],
        ),
        (request("POST", SCHEDULES, phases={"0": {}}), ["phases[0][proration_behavior] is not said"]),
        (
            request("POST", f"{SCHEDULES}/x", phases=[BILLED]),
            [
                "proration_behavior is not said",
                "phases[0][proration_behavior] is create_prorations, not none",
            ],
        ),
        (request("POST", f"{SCHEDULES}/x", metadata={}), ["proration_behavior is not said"]),
        (
            request("POST", f"{SCHEDULES}/x/cancel", prorate="true"),
            ["prorate is true, not false", "invoice_now is not said"],
        ),
        (
            request("DELETE", "/v1/subscriptions/sub_1"),
            ["prorate is not said", "invoice_now is not said"],
        ),
        (request("POST", "/v1/subscriptions/sub_1"), ["proration_behavior is not said"]),
        (request("POST", "/v1/subscriptions"), ["proration_behavior is not said"]),
        (request("POST", "/v1/subscription_items"), ["proration_behavior is not said"]),
    ],
)
def test_request_when_something_is_left_open_is_named(open_: LoggedRequest, missing: list[str]) -> None:
    assert can_prorate(open_)
    assert unsaid_in(open_) == missing


def test_requests_of_every_account_in_this_process_are_seen() -> None:
    seen = judged_count()
    account = Account(NOW)
    account.request("POST", f"{SCHEDULES}/x/cancel", {"prorate": False, "invoice_now": False})
    account.request("GET", SCHEDULES)
    assert judged_count() == seen + 1


@pytest.mark.parametrize("workers", [[], ["-n", "1"]])
def test_session_when_a_test_leaves_it_open_fails_for_that_test_alone(
    tmp_path: Path, workers: list[str]
) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_it.py").write_text(
        "from datetime import UTC, datetime\n"
        "import pytest\n"
        "from cpqbridge_sim.stripe.account import Account\n"
        "def cancel(**parameters):\n"
        "    account = Account(datetime(2026, 1, 1, tzinfo=UTC))\n"
        f"    account.request('POST', '{SCHEDULES}/x/cancel', parameters)\n"
        "def test_open():\n"
        "    cancel()\n"
        "@pytest.mark.by_hand\n"
        "def test_by_hand():\n"
        "    cancel()\n"
        "def test_said():\n"
        "    cancel(prorate=False, invoice_now=False)\n"
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.prorating_requests",
        "-q",
        *workers,
        str(tmp_path),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert "3 passed, 1 error in" in done.stdout, done.stdout + done.stderr
    assert "ERROR at teardown of test_open" in done.stdout
    assert "prorate is not said" in done.stdout
    assert done.returncode != 0
