"""Secrets come from the option, from a file (`@path`) or from standard input (`-`), and are never shown."""

from __future__ import annotations

import sys
from pathlib import Path

from cpqbridge.errors import ConfigurationError


class SecretInput:
    """Reads the secrets of one command; standard input is read once, one line per secret."""

    def __init__(self) -> None:
        """Read nothing yet."""
        self._lines: list[str] | None = None

    def read(self, value: str, *, option: str) -> str:
        """Return the secret that `value` names, without surrounding white space.

        Raises:
            ConfigurationError: The file cannot be read, or there is no secret where it should be.
        """
        if value == "-":
            secret = self._next_line(option)
        elif value.startswith("@"):
            secret = _file_text(value[1:], option=option)
        else:
            secret = value.strip()
        if not secret or not secret.isprintable() or " " in secret:
            raise ConfigurationError(
                f"{option} is empty or contains spaces or control characters.",
                code="secret_input",
                field=option,
                fix=f"Give the secret itself, {option} - to read it from standard input, "
                f"or {option} @FILE to read it from a file.",
            )
        return secret

    def _next_line(self, option: str) -> str:
        if self._lines is None:
            self._lines = [line.strip() for line in sys.stdin.read().splitlines() if line.strip()]
        if not self._lines:
            raise ConfigurationError(
                f"{option} - reads standard input, and there is no line left in it.",
                code="secret_input",
                field=option,
                fix="Pipe the secret in, one line per option that says '-', in the order "
                "--salesforce-token, --stripe-key, --secret.",
            )
        return self._lines.pop(0)


def _file_text(path: str, *, option: str) -> str:
    try:
        return Path(path).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{option} names the file {path}, which cannot be read ({_reason(error)}).",
            code="secret_input",
            field=option,
            fix="Check the path and its permissions.",
        ) from None


def _reason(error: Exception) -> str:
    return error.strerror or "unknown reason" if isinstance(error, OSError) else "it is not text"
