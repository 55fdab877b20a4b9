"""Errors as JSON, so that a recorded step answers with the same error after a restart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cpqbridge import errors
from cpqbridge.errors import CpqbridgeError, InvariantError, OutcomeUnknownError, TransientError

_CLASSES: dict[str, type[CpqbridgeError]] = {
    each.__name__: each
    for each in (
        errors.CpqbridgeError,
        errors.ConfigurationError,
        errors.AccessLostError,
        errors.ConflictError,
        errors.RecordError,
        errors.InvariantError,
        errors.PausedError,
    )
}
_WAITING: dict[str, type[TransientError | OutcomeUnknownError]] = {
    each.__name__: each for each in (TransientError, OutcomeUnknownError)
}
_PARTS = ("code", "record_id", "field", "fix", "request_link")


def error_document(error: CpqbridgeError) -> dict[str, Any]:
    """Return the error's kind and parts as plain JSON values."""
    kind = type(error).__name__
    document = {"kind": kind, "message": error.message, **{part: getattr(error, part) for part in _PARTS}}
    if isinstance(error, (TransientError, OutcomeUnknownError)):
        document["retry_after_seconds"] = error.retry_after_seconds
    return document


def error_from_document(document: Mapping[str, Any]) -> CpqbridgeError:
    """Return the error that `error_document` was given."""
    message = str(document["message"])
    waiting = _WAITING.get(str(document["kind"]))
    if waiting is not None:
        # What an earlier release recorded has no wait.
        wait_seconds = document.get("retry_after_seconds")
        return waiting(message, code=document["code"], fix=document["fix"], retry_after_seconds=wait_seconds)
    kind = _CLASSES.get(str(document["kind"]), InvariantError)
    return kind(message, **{part: document[part] for part in _PARTS})
