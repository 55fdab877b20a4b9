"""What the environment sets, and what the log keeps to itself."""

import json
import logging
from datetime import UTC, datetime

import pytest
import structlog

from cpqbridge.clock import SettableClock, SystemClock
from cpqbridge.errors import ConfigurationError
from cpqbridge.logs import configure_logging, redact, unexpected
from cpqbridge.settings import load_settings


@pytest.fixture
def environment(monkeypatch):
    for name in ("HOME", "SECRET_KEY", "NOW", "DATABASE_URL", "STRIPE_WEBHOOK_SECRET", "LOG_LEVEL"):
        monkeypatch.delenv(f"CPQBRIDGE_{name}", raising=False)
    return lambda name, value: monkeypatch.setenv(f"CPQBRIDGE_{name}", value)


@pytest.fixture
def log_file(tmp_path):
    yield configure_logging(tmp_path)
    root = logging.getLogger()
    for handler in list(root.handlers):
        if type(handler).__module__ != "_pytest.logging":
            root.removeHandler(handler)
            handler.close()
    structlog.reset_defaults()


def test_now_sets_a_clock_that_stands(environment):
    environment("NOW", "2026-11-20T10:00:00+01:00")
    clock = load_settings().clock()
    assert isinstance(clock, SettableClock)
    assert clock.now() == datetime(2026, 11, 20, 9, tzinfo=UTC)


@pytest.mark.usefixtures("environment")
def test_without_now_the_machine_tells_the_time():
    assert isinstance(load_settings().clock(), SystemClock)


@pytest.mark.parametrize(("name", "value"), [("NOW", "soon"), ("LOG_LEVEL", "loud")])
def test_value_that_cannot_be_used_names_its_variable(environment, name, value):
    environment(name, value)
    with pytest.raises(ConfigurationError, match=f"CPQBRIDGE_{name}"):
        load_settings()


def test_home_is_expanded(environment):
    environment("HOME", "~/here")
    assert "~" not in str(load_settings().home)


@pytest.mark.parametrize(
    ("value", "secrets"),
    [
        ("", ()),
        (" , ", ()),
        ("whsec_a", ("whsec_a",)),
        (" whsec_a,whsec_b  whsec_c ", ("whsec_a", "whsec_b", "whsec_c")),
    ],
)
def test_several_signing_secrets_stand_in_one_variable(environment, value, secrets):
    environment("STRIPE_WEBHOOK_SECRET", value)
    assert load_settings().webhook_secrets() == secrets


@pytest.mark.parametrize("name", ["SECRET_KEY", "STRIPE_WEBHOOK_SECRET"])
def test_secrets_are_not_shown(environment, name):
    environment(name, "very-secret")
    assert "very-secret" not in repr(load_settings())


def test_secrets_are_hidden_at_any_depth():
    said = redact(
        {
            "stripe_key": "abc",
            "text": "with sk_live_abc123 and Bearer 00D.xyz",
            "list": [{"password": "x", "note": "rk_test_zzz"}, "00DQy000004TeStMAK!AQ0AQK.abc"],
        }
    )
    text = json.dumps(said)
    for secret in ("abc", "xyz", "rk_test_zzz", "AQ0AQK"):
        assert secret not in text


def test_unexpected_error_is_found_in_the_log_by_its_id(log_file, capsys):
    with pytest.raises(ValueError) as caught:
        int("sk_test_123456")
    error_id = unexpected(caught.value)
    text = log_file.read_text()
    assert error_id in text
    assert "Traceback" in text
    assert "sk_test_123456" not in text
    assert "Traceback" not in capsys.readouterr().err


def test_log_lines_are_json_without_secrets(log_file):
    structlog.get_logger("cpqbridge.sync").info("synced", order="801", token="t0p")
    line = json.loads(log_file.read_text().splitlines()[-1])
    assert line["event"] == "synced"
    assert line["order"] == "801"
    assert "t0p" not in json.dumps(line)
