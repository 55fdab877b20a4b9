"""Secrets from the option, a file or standard input."""

import io

import pytest

from cpqbridge.cli.secret_input import SecretInput
from cpqbridge.errors import ConfigurationError


def test_secret_is_taken_from_the_option():
    assert SecretInput().read(" abc ", option="--stripe-key") == "abc"


def test_secret_is_read_from_a_file(tmp_path):
    path = tmp_path / "key"
    path.write_text("sk_test_1\n")
    assert SecretInput().read(f"@{path}", option="--stripe-key") == "sk_test_1"


def test_two_secrets_come_from_standard_input_in_order(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("first\n\nsecond\n"))
    secrets = SecretInput()
    assert secrets.read("-", option="--salesforce-token") == "first"
    assert secrets.read("-", option="--stripe-key") == "second"


@pytest.mark.parametrize("value", ["", "   ", "two words", "line\nbreak", "@/does/not/exist"])
def test_unusable_secret_is_refused_without_showing_it(value):
    with pytest.raises(ConfigurationError) as caught:
        SecretInput().read(value, option="--stripe-key")
    assert "--stripe-key" in str(caught.value)
    assert "two words" not in str(caught.value)


def test_standard_input_without_a_line_left_is_refused(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    with pytest.raises(ConfigurationError, match="no line left"):
        SecretInput().read("-", option="--stripe-key")
