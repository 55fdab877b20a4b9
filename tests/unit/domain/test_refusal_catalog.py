"""The catalogue of causes: every code used has its entry, every entry says what to do."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from cpqbridge.domain.refusal import OrderState
from cpqbridge.domain.refusal_catalog import REFUSAL_CATALOG

SOURCE = Path(__file__).parents[3] / "src" / "cpqbridge"


@pytest.mark.parametrize("code", sorted(REFUSAL_CATALOG))
def test_cause_when_in_the_catalogue_is_complete(code):
    cause = REFUSAL_CATALOG[code]
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", code)
    assert cause.title
    assert not cause.title.endswith(".")
    for text in (cause.meaning, cause.fix):
        assert re.fullmatch(r"[A-Z`].*\.", text)
    assert cause.state not in {OrderState.SYNCED, OrderState.UNCHANGED, OrderState.QUEUED}


def codes_in(folder: str) -> set[str]:
    """Return what stands as `code` in calls of a layer's refusing functions."""
    found = set()
    for path in sorted((SOURCE / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name not in {"Refusal", "refuse", "_refuse", "_hold", "_limit"}:
                continue
            candidates = [*node.args[:2], *(word.value for word in node.keywords if word.arg == "code")]
            found |= {
                part.value
                for candidate in candidates
                for part in ast.walk(candidate)
                if isinstance(part, ast.Constant)
                and isinstance(part.value, str)
                and re.fullmatch(r"[a-z]+(_[a-z]+)+", part.value)
            }
    return found


@pytest.mark.parametrize("folder", ["mapping", "planning"])
def test_code_when_used_by_a_layer_is_in_the_catalogue(folder):
    used = codes_in(folder)
    assert used, f"no refusal found in {folder}: the search is broken"
    assert used - set(REFUSAL_CATALOG) == set()
