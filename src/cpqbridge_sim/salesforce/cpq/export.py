"""Writes records as the Salesforce CLI would have exported them, one file per object."""

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

_API_VERSION = "v68.0"


def write_directory(records: Mapping[str, Iterable[Mapping[str, Any]]], path: Path) -> list[Path]:
    """Write `<SObject>.json` files in the shape of `sf data query --json` and return their paths.

    The directory is made when it is missing. Numbers keep exactly the digits they have in the records.

    Raises:
        TypeError: a record holds a value that JSON or a Salesforce record cannot hold.
    """
    path.mkdir(parents=True, exist_ok=True)
    written = []
    for sobject in sorted(records):
        rows = [
            {
                "attributes": {
                    "type": sobject,
                    "url": f"/services/data/{_API_VERSION}/sobjects/{sobject}/{record['Id']}",
                },
                **record,
            }
            for record in records[sobject]
        ]
        document = {
            "status": 0,
            "result": {"records": rows, "totalSize": len(rows), "done": True},
            "warnings": [],
        }
        file = path / f"{sobject}.json"
        file.write_text(json_text(document) + "\n", encoding="utf-8")
        written.append(file)
    return written


def json_text(value: Any, indent: str = "") -> str:
    """Return indented JSON; a Decimal becomes a number with its own digits, which `json` cannot do.

    Raises:
        TypeError: a value is of another type than JSON has; a float is one of them, its digits are not exact.
    """
    if isinstance(value, Decimal):
        return format(value, "f")
    if value is None or isinstance(value, (str, bool, int)):
        return json.dumps(value, ensure_ascii=False)
    deeper = indent + "  "
    if isinstance(value, Mapping):
        parts = [f"{json.dumps(key)}: {json_text(each, deeper)}" for key, each in value.items()]
        return _block("{", parts, "}", indent)
    if isinstance(value, (list, tuple)):
        return _block("[", [json_text(each, deeper) for each in value], "]", indent)
    raise TypeError(f"A record cannot hold {value!r}, a {type(value).__name__}.")


def _block(opening: str, parts: list[str], closing: str, indent: str) -> str:
    if not parts:
        return opening + closing
    inside = ",\n".join(f"{indent}  {part}" for part in parts)
    return f"{opening}\n{inside}\n{indent}{closing}"
