"""Errors as JSON, so that a recorded step answers with the same error after a restart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cpqbridge import errors
from cpqbridge.errors import CpqbridgeError, InvariantError, TransientError

_CLASSES: dict[str, type[CpqbridgeError]] = {
    each.__name__: each
    for each in (
        errors.CpqbridgeError,
        errors.ConfigurationError,
        errors.AccessLostError,
        errors.OutcomeUnknownError,
        errors.ConflictError,
        errors.RecordError,
        errors.InvariantError,
        errors.PausedError,
    )
}
_PARTS = ("code", "record_id", "field", "fix", "request_link")


def error_document(error: CpqbridgeError) -> dict[str, Any]:
    """Return the error's kind and parts as plain JSON values."""
    kind = type(error).__name__
    document = {"kind": kind, "message": error.message, **{part: getattr(error, part) for part in _PARTS}}
    if isinstance(error, TransientError):
        document["retry_after_seconds"] = error.retry_after_seconds
    return document


def error_from_document(document: Mapping[str, Any]) -> CpqbridgeError:
    """Return the error that `error_document` was given."""
    message = str(document["message"])
    if document["kind"] == TransientError.__name__:
        # What an earlier release recorded has no wait.
        wait_seconds = document.get("retry_after_seconds")
        return TransientError(
            message, code=document["code"], fix=document["fix"], retry_after_seconds=wait_seconds
        )
    kind = _CLASSES.get(str(document["kind"]), InvariantError)
    return kind(message, **{part: document[part] for part in _PARTS})
