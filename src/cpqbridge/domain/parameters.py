"""Stripe parameters: from dot paths to nested bodies, and their fingerprint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import cast

from cpqbridge.domain.billing import Ref


def nested(flat: Mapping[str, object]) -> dict[str, object]:
    """Return dot paths as a nested body: `{"address.city": "Bern"}` becomes `{"address": {"city": "Bern"}}`.

    Only the first dot after `metadata` separates, because metadata keys are names of their own.
    """
    body: dict[str, object] = {}
    for path, value in sorted(flat.items()):
        parts = path.split(".", 1) if path.startswith("metadata.") else path.split(".")
        place = body
        for part in parts[:-1]:
            place = cast("dict[str, object]", place.setdefault(part, {}))
        place[parts[-1]] = value
    return body


def merged(*bodies: Mapping[str, object]) -> dict[str, object]:
    """Return the bodies laid over each other, later ones winning, nested bodies merged."""
    result: dict[str, object] = {}
    for body in bodies:
        for name, value in body.items():
            present = result.get(name)
            if isinstance(present, Mapping) and isinstance(value, Mapping):
                result[name] = merged(present, value)
            else:
                result[name] = value
    return result


def json_form(value: object) -> object:
    """Return parameters as plain JSON values; a `Ref` becomes `{"$ref": key}`."""
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, Ref):
        return {"$ref": value.key}
    if isinstance(value, Mapping):
        return {str(name): json_form(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_form(inner) for inner in value]
    return str(value)


def from_json_form(value: object) -> object:
    """Return what `json_form` was given: `{"$ref": key}` becomes a `Ref` again."""
    if isinstance(value, Mapping):
        if set(value) == {"$ref"}:
            return Ref(key=str(value["$ref"]))
        return {str(name): from_json_form(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [from_json_form(inner) for inner in value]
    return value


def fingerprint(value: object) -> str:
    """Return the SHA-256 of the canonical JSON of `value`, in hexadecimal."""
    text = json.dumps(json_form(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
