"""Reads an org export: one `<SObject>.json` per object. Bad input becomes an error that names the file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NoReturn

from cpqbridge.cli.export_queries import (
    COUPON_OBJECTS,
    NEEDED_OBJECTS,
    OPTIONAL_OBJECTS,
    absent_note,
    export_command,
)
from cpqbridge.domain.ids import is_salesforce_id
from cpqbridge.errors import ConfigurationError

_QUERIES_HINT = "`cpqbridge rehearse --queries` prints the query of every object."
_LARGEST_EXPONENT = 40
_OBJECT_NAME = re.compile(r"[A-Za-z]\w{0,79}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """The records of an org by object, numbers exact, and what the reader of the report should know."""

    records: Mapping[str, list[dict[str, Any]]]
    notes: tuple[str, ...]


def read_export(directory: Path) -> Export:
    """Return the records of all files in the folder.

    Raises:
        ConfigurationError: The folder or a needed file is missing, or a file is not what it should be.
    """
    if not directory.is_dir():
        raise ConfigurationError(
            f"{directory} is not a folder.",
            code="export_folder",
            fix="Name the folder that holds the export: one <SObject>.json per object. " + _QUERIES_HINT,
        )
    _check_needed(directory)
    records: dict[str, list[dict[str, Any]]] = {}
    notes = [absent_note(name) for name in OPTIONAL_OBJECTS if not (directory / f"{name}.json").is_file()]
    for path in sorted(directory.glob("[!.]*.json")):
        if path.is_file() and (found := _records_or_none(path, notes)) is not None:
            records[path.stem] = found
    return Export(records=records, notes=tuple(notes))


def _check_needed(directory: Path) -> None:
    missing = [name for name in NEEDED_OBJECTS if not (directory / f"{name}.json").is_file()]
    if not missing:
        return
    others = sorted(path.name for path in directory.glob("*") if path.is_file() and path.stem in missing)
    seen = f" ({', '.join(others)} cannot be used: export it with --json.)" if others else ""
    raise ConfigurationError(
        f"The export in {directory} has no {', '.join(f'{name}.json' for name in missing)}.{seen}",
        code="export_file_missing",
        fix="Export it in that folder with:\n  "
        + "\n  ".join(export_command(name) for name in missing)
        + f"\n{_QUERIES_HINT}",
    )


def _records_or_none(path: Path, notes: list[str]) -> list[dict[str, Any]] | None:
    """Return the file's records; None, with a note, where it is no export and of no object that is read."""
    if path.stem in {*NEEDED_OBJECTS, *OPTIONAL_OBJECTS, *COUPON_OBJECTS}:
        return _records(path, notes)
    if _OBJECT_NAME.fullmatch(path.stem):
        try:
            return _records(path, notes)
        except ConfigurationError as error:
            notes.append(f"Ignored: {error.message}")
            return None
    notes.append(f"Ignored: {path.name} is not named after an object.")
    return None


def _records(path: Path, notes: list[str]) -> list[dict[str, Any]]:
    content = _parsed(path)
    if isinstance(content, dict):
        content = _result_records(path, content, notes)
    if not isinstance(content, list):
        _refuse(path, f"holds {_kind(content)} where a list of records should be")
    for place, record in enumerate(content, start=1):
        if not isinstance(record, dict):
            _refuse(path, f"holds {_kind(record)} as record {place}, where an object with fields should be")
        if not is_salesforce_id(record.get("Id")):
            _refuse(
                path,
                f"has a record {place} whose Id is {_shown(record.get('Id'))}, "
                "which is not a Salesforce id of 15 or 18 characters",
            )
    return content


def _result_records(path: Path, content: dict[str, Any], notes: list[str]) -> Any:
    if content.get("status") not in (None, 0):
        said = content.get("message") or content.get("name") or "no message"
        _refuse(path, f"holds the error of an export that failed: {said}")
    result = content.get("result", content)
    if not isinstance(result, dict) or "records" not in result:
        _refuse(path, "has no list of records under result.records")
    records = result["records"]
    total = result.get("totalSize")
    if isinstance(records, list) and isinstance(total, int) and total > len(records):
        if result.get("done") is False:
            _refuse(path, f"holds only {len(records)} of {total} records: the export was cut short")
        notes.append(f"{path.name} says it has {total} records but holds {len(records)}.")
    return records


def _parsed(path: Path) -> Any:
    try:
        raw = path.read_bytes()
    except OSError as error:
        _refuse(path, f"cannot be read ({error.strerror or error})")
    if not raw.strip(b"\x00\xef\xbb\xbf\xff\xfe \t\r\n"):
        _refuse(path, "is empty")
    try:
        # Given bytes, the parser finds out the encoding by itself: PowerShell writes UTF-16.
        return json.loads(raw, parse_float=_exact, parse_int=_whole, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        _refuse(path, f"is not valid JSON: {error.msg} in line {error.lineno}, column {error.colno}")
    except UnicodeDecodeError:
        _refuse(path, "is not text in UTF-8 or UTF-16")
    except RecursionError:
        _refuse(path, "is nested too deeply to be an export")
    except _NumberError as error:
        _refuse(path, f"holds the number {error}, which no Salesforce field can have")


class _NumberError(Exception):
    """A number in the file is not one."""


def _exact(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise _NumberError(text[:30]) from None
    if not value.is_finite() or abs(value.adjusted()) > _LARGEST_EXPONENT:
        raise _NumberError(text[:30])
    return value


def _whole(text: str) -> int:
    if len(text) > _LARGEST_EXPONENT:
        raise _NumberError(text[:30] + "…")
    return int(text)


def _no_number(text: str) -> NoReturn:
    raise _NumberError(text)


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _shown(value: object) -> str:
    return "missing" if value is None else repr(value)[:40]


def _refuse(path: Path, problem: str) -> NoReturn:
    raise ConfigurationError(
        f"{path} {problem}.",
        code="export_file",
        field=path.name,
        fix=f"Export it again with:\n  {export_command(path.stem)}",
    )
