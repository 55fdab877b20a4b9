"""Secrets at rest: AES-GCM with a key from outside the database, bound to the row and field it belongs to."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
import stat
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cpqbridge.errors import ConfigurationError

KEY_FILE = "secret.key"
_KEY_BYTES = 32
_NONCE_BYTES = 12
_VERSION = "v1"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class Vault:
    """Encrypts with the first key, decrypts with whichever key fits."""

    def __init__(self, keys: tuple[bytes, ...]) -> None:
        """Hold 32-byte keys, the one to encrypt with first."""
        self._keys = keys

    def __repr__(self) -> str:
        """Return a text without any key."""
        return f"Vault({len(self._keys)} keys)"

    def encrypt(self, secret: str, *, connection_id: int, field: str) -> str:
        """Return `secret` as text that only opens for the same connection and field."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = AESGCM(self._keys[0]).encrypt(nonce, secret.encode(), _binding(connection_id, field))
        return f"{_VERSION}:{base64.b64encode(nonce + sealed).decode()}"

    def decrypt(self, text: str, *, connection_id: int, field: str) -> str:
        """Return the secret.

        Raises:
            ConfigurationError: no key fits, or the text belongs to another row.
        """
        version, _, body = text.partition(":")
        try:
            raw = base64.b64decode(body, validate=True) if version == _VERSION else b""
        except binascii.Error:
            raw = b""
        for key in self._keys:
            try:
                opened = AESGCM(key).decrypt(
                    raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], _binding(connection_id, field)
                )
            except (InvalidTag, ValueError):
                continue
            return opened.decode()
        raise ConfigurationError(
            "The stored secrets cannot be opened: the secret key is not the one they were stored with.",
            code="secret_key_wrong",
            field="CPQBRIDGE_SECRET_KEY",
            fix=f"Use the earlier key (CPQBRIDGE_SECRET_KEY or the file {KEY_FILE} of the home), "
            "or give both secrets again with cpqbridge connection check --salesforce-token - --stripe-key -",
        )


def open_vault(home: Path, secret_key: str | None) -> Vault:
    """Return the vault of `home`, with the keys of `secret_key` (comma separated) or of its key file.

    A missing key file is made, readable by its owner only.

    Raises:
        ConfigurationError: a key is malformed, or the key file is open to others.
    """
    if secret_key is not None:
        return Vault(_parse_keys(secret_key, "CPQBRIDGE_SECRET_KEY"))
    path = home / KEY_FILE
    try:
        if not path.exists():
            _create_key_file(path)
        if path.stat().st_mode & _OTHERS:
            raise ConfigurationError(
                f"The key file {path} may be read by other users.",
                code="secret_key_open",
                field=str(path),
                fix=f"Run: chmod 600 {path}",
            )
        return Vault(_parse_keys(path.read_text(encoding="ascii", errors="replace"), str(path)))
    except OSError as error:
        raise ConfigurationError(
            f"The key file {path} cannot be used: {error.strerror}.",
            code="secret_key_unusable",
            field=str(path),
            fix="Make it readable for this user, or set CPQBRIDGE_SECRET_KEY.",
        ) from None


def _binding(connection_id: int, field: str) -> bytes:
    return f"connection:{connection_id}:{field}".encode()


def _parse_keys(text: str, source: str) -> tuple[bytes, ...]:
    keys = []
    for part in text.split(","):
        try:
            key = base64.b64decode(part.strip(), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != _KEY_BYTES:
            raise ConfigurationError(
                f"The secret key in {source} is not 32 bytes in base64.",
                code="secret_key_malformed",
                field=source,
                fix='Make one with: python -c "import base64,os;'
                'print(base64.urlsafe_b64encode(os.urandom(32)).decode())"',
            )
        keys.append(key)
    return tuple(keys)


def _create_key_file(path: Path) -> None:
    # Written aside and linked into place: of two processes at once, one wins and both read the same key.
    key = base64.urlsafe_b64encode(secrets.token_bytes(_KEY_BYTES))
    aside = path.with_name(f"{KEY_FILE}.{hashlib.sha256(key).hexdigest()[:12]}")
    descriptor = os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        os.write(descriptor, key + b"\n")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    try:
        os.link(aside, path)
    except FileExistsError:
        return
    finally:
        aside.unlink()
