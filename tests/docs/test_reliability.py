"""Every promise of docs/reliability.md names tests, and every test it names exists."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reliability.md"
PROMISES = (
    "Every qualifying order ends in one visible state",
    "At-least-once work, at-most-once effect",
    "It can be stopped at any instant",
    "An unchanged contract causes no write",
    "Older data never overwrites newer",
    "Past billing is never changed without a person",
    "A bad record stops its own contract only",
    "After an unknown outcome it reads, it never guesses",
)
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def promises() -> dict[str, list[tuple[str, str]]]:
    sections = re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)[1:]
    return {section.partition("\n")[0]: NAMED.findall(section) for section in sections}


def test_page_has_every_promise_and_no_other():
    assert tuple(promises()) == PROMISES


@pytest.mark.parametrize("promise", PROMISES)
def test_promise_names_tests_that_exist(promise: str):
    named = promises()[promise]
    assert named
    missing = [f"{path}::{name}" for path, name in named if name not in functions_of(path)]
    assert missing == []


def functions_of(path: str) -> set[str]:
    file = ROOT / path
    if not file.exists():
        return set()
    tree = ast.parse(file.read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
