"""The desk's HTML forms as the JSON documents that programs send."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

NEW_LINES: Final = 3
"""How many rows for new lines a form has."""

_LINE: Final = "line."
_NEW: Final = "new."


def document_of_form(fields: Mapping[str, str]) -> dict[str, Any]:
    """Return the document of a form; empty inputs are left out.

    `line.<order product id>` holds units more or fewer, `new.<row>.product` and `new.<row>.quantity` a new
    line, a ticked box `on`; every other input is a key of its own.
    """
    filled = {name: value.strip() for name, value in fields.items() if value.strip()}
    document: dict[str, Any] = {
        name: True if value == "on" else value for name, value in filled.items() if "." not in name
    }
    changes = [
        {"line": name.removeprefix(_LINE), "by": value}
        for name, value in filled.items()
        if name.startswith(_LINE) and value != "0"
    ]
    rows: dict[str, dict[str, str]] = {}
    for name, value in filled.items():
        if name.startswith(_NEW) and name.count(".") == 2:  # noqa: PLR2004 - new, row and column
            _, row, column = name.split(".")
            rows.setdefault(row, {})[column] = value
    new = [rows[row] for row in sorted(rows) if "product" in rows[row]]
    new_account, email = document.pop("new_account", None), document.pop("email", None)
    if new_account:
        document |= {"account": new_account, "email": email}
    if "account" in document:
        return {**document, "lines": new}
    return {
        **document,
        **({"lines": changes} if changes else {}),
        **({"add": new} if new else {}),
    }
