"""Modules and functions stay small enough to read; every exception is named here with its reason."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODULE_LINES = 500
TEST_MODULE_LINES = 700  # tables of scenarios read best in one piece
FUNCTION_LINES = 70

# path, or path::function -> why it may be longer.
EXCEPTIONS = {
    "src/cpqbridge_sim/stripe/billing/invoicing.py::new_invoice": "the whole body of a Stripe invoice, a field a line",
    "src/cpqbridge_sim/stripe/billing/subscription_body.py::blank_subscription": "the whole body of a subscription",
}


def modules() -> Iterator[tuple[str, str]]:
    for folder in ("src", "tools", "benchmarks", "tests"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "generated" not in path.parts:
                yield path.relative_to(ROOT).as_posix(), path.read_text()


def too_long() -> Iterator[tuple[str, int]]:
    for name, text in modules():
        lines = text.count("\n")
        if lines > (TEST_MODULE_LINES if name.startswith("tests/") else MODULE_LINES):
            yield name, lines
        for node in ast.walk(ast.parse(text)):  # in tests, builders of whole records may be long
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > FUNCTION_LINES and not name.startswith("tests/"):
                    yield f"{name}::{node.name}", length


def test_modules_and_functions_when_measured_are_within_the_limits():
    unexplained = [f"{name}: {lines} lines" for name, lines in too_long() if name not in EXCEPTIONS]
    assert not unexplained, "\n".join(["Split these, or name them with a reason:", *unexplained])


def test_exceptions_when_no_longer_needed_are_gone():
    assert sorted(EXCEPTIONS) == sorted({name for name, _ in too_long()} & set(EXCEPTIONS))
