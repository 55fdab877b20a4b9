"""Generated pages: written, or compared with what stands on disk (`--check`)."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def write_or_compare(name: str, text: str) -> None:
    """Write the page at `name` in the repository; with `--check` end with 1 unless it stands there."""
    path = ROOT / name
    if "--check" not in sys.argv[1:]:
        path.write_text(text)
    elif not path.exists() or path.read_text() != text:
        sys.exit(f"{name} is not up to date: run make generate")


def prose(text: str | None) -> str:
    """Return text in one line, in which angle brackets outside code stay what they are."""
    parts = " ".join((text or "").split()).split("`")
    return "`".join(part if place % 2 else part.replace("<", "\\<") for place, part in enumerate(parts))


def cell(text: str | None) -> str:
    """Return text for one cell of a table."""
    return prose(text).replace("|", "\\|")
