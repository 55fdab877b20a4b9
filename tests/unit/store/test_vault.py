"""Secrets at rest."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpqbridge.errors import ConfigurationError
from cpqbridge.store.vault import KEY_FILE, Vault, open_vault

KEY = base64.urlsafe_b64encode(bytes(range(32))).decode()
OTHER_KEY = base64.urlsafe_b64encode(bytes(range(1, 33))).decode()


@given(st.text())
def test_a_secret_comes_back(secret: str) -> None:
    vault = Vault((bytes(32),))
    sealed = vault.encrypt(secret, connection_id=1, field="stripe_key")
    assert vault.decrypt(sealed, connection_id=1, field="stripe_key") == secret
    assert not secret or len(secret) < 4 or secret not in sealed


def test_the_same_secret_is_sealed_differently_each_time() -> None:
    vault = Vault((bytes(32),))
    assert vault.encrypt("s", connection_id=1, field="f") != vault.encrypt("s", connection_id=1, field="f")


@pytest.mark.parametrize(("connection_id", "field"), [(2, "stripe_key"), (1, "salesforce_token")])
def test_a_secret_opens_only_in_its_own_row_and_field(connection_id: int, field: str) -> None:
    vault = Vault((bytes(32),))
    sealed = vault.encrypt("sk_test_1", connection_id=1, field="stripe_key")
    with pytest.raises(ConfigurationError) as caught:
        vault.decrypt(sealed, connection_id=connection_id, field=field)
    assert caught.value.code == "secret_key_wrong"
    assert "sk_test_1" not in str(caught.value)


@pytest.mark.parametrize("damaged", ["", "v1:", "v1:!!!", "v1:AAAA", "v2:AAAA", "plain text"])
def test_a_damaged_secret_is_a_clear_error(damaged: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Vault((bytes(32),)).decrypt(damaged, connection_id=1, field="f")
    assert caught.value.code == "secret_key_wrong"


def test_a_wrong_key_is_a_clear_error_and_an_added_key_reads_the_old(tmp_path: Path) -> None:
    sealed = open_vault(tmp_path, KEY).encrypt("secret", connection_id=1, field="f")
    with pytest.raises(ConfigurationError, match="secret key is not the one"):
        open_vault(tmp_path, OTHER_KEY).decrypt(sealed, connection_id=1, field="f")
    both = open_vault(tmp_path, f"{OTHER_KEY}, {KEY}")
    assert both.decrypt(sealed, connection_id=1, field="f") == "secret"
    assert not list(tmp_path.iterdir()), "with a key from outside no key file is made"


@pytest.mark.parametrize(
    "key", ["", "short", "not base64 at all!!", KEY + "AAAA", base64.b64encode(b"x").decode()]
)
def test_a_malformed_key_says_how_to_make_one(tmp_path: Path, key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_vault(tmp_path, key)
    assert caught.value.code == "secret_key_malformed"
    assert key not in caught.value.message or not key


def test_the_key_file_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    sealed = open_vault(tmp_path, None).encrypt("secret", connection_id=1, field="f")
    path = tmp_path / KEY_FILE
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == [KEY_FILE]
    assert open_vault(tmp_path, None).decrypt(sealed, connection_id=1, field="f") == "secret"


def test_a_key_file_open_to_others_is_refused(tmp_path: Path) -> None:
    open_vault(tmp_path, None)
    (tmp_path / KEY_FILE).chmod(0o644)
    with pytest.raises(ConfigurationError) as caught:
        open_vault(tmp_path, None)
    assert caught.value.code == "secret_key_open"
    assert "chmod 600" in caught.value.fix


def test_no_key_is_shown() -> None:
    assert repr(Vault((b"k" * 32,))) == "Vault(1 keys)"
