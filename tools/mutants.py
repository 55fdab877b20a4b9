"""Plant small errors in `cpqbridge.planning`, one at a time, and list those that no test catches.

`python tools/mutants.py --mutants 400 --seed 1`. A mutant is one changed expression: a comparison, an
arithmetic or boolean operator, a number or truth value, a negated condition, `min` for `max`. Which ones are
taken depends on the seed and the sources only. Each worker has a copy of the package; the work tree is never
touched. Neither mutmut (which has no sample by seed and needs its own copy of the whole project) nor
cosmic-ray (which changes the sources in place) fits that.
"""

from __future__ import annotations

import argparse
import ast
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from random import Random

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "cpqbridge"
PLANNING = "planning"
WANTED_SHARE = 0.9
# The fast tests come first: most mutants never get to the lives of whole contracts.
TESTS = (
    "tests/unit/planning",
    "tests/scenarios",
    "tests/simulation/test_contract_lives.py",
    "tests/simulation/test_new_orders.py",
)
OPTIONS = ("-x", "-q", "--no-header", "--tb=no", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:cov")
PROFILE = "--hypothesis-profile=mutants"
MEMORY_BYTES = 2 * 2**30
RUN = (
    "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, ({memory}, {memory})); "
    "sys.path.insert(0, {path!r}); import cpqbridge; assert cpqbridge.__file__.startswith({path!r}); "
    "import pytest; sys.exit(pytest.main(sys.argv[1:]))"
)
FAILED = 1
INTERRUPTED = 2

SWAPPED: dict[type[ast.AST], tuple[type[ast.AST], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),  # codespell:ignore
    ast.NotIn: (ast.In,),  # codespell:ignore
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Add,),
    ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Mult,),
    ast.Mod: (ast.FloorDiv,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
}
RENAMED = {"min": "max", "max": "min", "any": "all", "all": "any"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One changed expression of a file under the package; the span is in bytes of its UTF-8 text."""

    path: str
    line: int
    span: tuple[int, int]
    before: str
    after: str

    def __str__(self) -> str:
        """Return where it is and what was changed."""
        return f"src/cpqbridge/{self.path}:{self.line}  {self.before}  ->  {self.after}"

    def applied(self, source: bytes) -> bytes:
        """Return the file with the change; parentheses keep what stands around it as it was."""
        return source[: self.span[0]] + f"({self.after})".encode() + source[self.span[1] :]


def mutants_of(source: str, path: str) -> Iterator[Mutant]:
    """Yield every mutant of a file, in the order of its text."""
    starts = [0]
    for line in source.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    tree = ast.parse(source)
    conditions = {id(test) for node in ast.walk(tree) for test in _conditions(node)}
    for node in _expressions(tree):
        span = (
            starts[node.lineno - 1] + node.col_offset,
            starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0),
        )
        changed = [*_changed(node)]
        if id(node) in conditions and not isinstance(node, ast.Compare | ast.UnaryOp | ast.Constant):
            changed.append(ast.UnaryOp(op=ast.Not(), operand=node))
        for after in dict.fromkeys(map(ast.unparse, changed)):
            yield Mutant(path=path, line=node.lineno, span=span, before=ast.unparse(node), after=after)


def _conditions(node: ast.AST) -> list[ast.expr]:
    """Return the expressions whose truth a node asks for, or that its function returns as an answer."""
    match node:
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
            return [test]
        case ast.comprehension(ifs=tests):
            return tests
        case ast.FunctionDef(returns=ast.Name(id="bool"), body=[*_, ast.Return(value=ast.expr() as value)]):
            return [value]
    return []


def _expressions(node: ast.AST) -> Iterator[ast.expr]:
    """Yield the expressions that decide something: no annotations, decorators, messages or `strict=`."""
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns", "decorator_list", "bases"}:
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(child, ast.JoinedStr):
                continue
            if isinstance(child, ast.keyword) and child.arg == "strict":
                continue
            if isinstance(child, ast.expr):
                yield child
            yield from _expressions(child)


def _changed(node: ast.expr) -> Iterator[ast.expr]:
    """Yield the expression with each change that fits its kind."""
    match node:
        case ast.Compare(left=left, ops=[operator], comparators=comparators):
            for other in SWAPPED.get(type(operator), ()):
                yield ast.Compare(left=left, ops=[other()], comparators=comparators)
        case ast.BinOp(left=left, op=operator, right=right) if not _is_text(left, right):
            for other in SWAPPED.get(type(operator), ()):
                yield ast.BinOp(left=left, op=other(), right=right)
        case ast.BoolOp(op=operator, values=values):
            yield ast.BoolOp(op=SWAPPED[type(operator)][0](), values=values)
            for place in range(len(values)):
                rest = values[:place] + values[place + 1 :]
                yield ast.BoolOp(op=operator, values=rest) if len(rest) > 1 else rest[0]
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield operand
        case ast.Constant(value=bool() as value):
            yield ast.Constant(value=not value)
        case ast.Constant(value=int() as value):
            yield ast.Constant(value=value + 1)
            yield ast.Constant(value=value - 1)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords) if name in RENAMED:
            yield ast.Call(func=ast.Name(id=RENAMED[name]), args=args, keywords=keywords)


def _is_text(*operands: ast.expr) -> bool:
    return any(
        isinstance(each, ast.JoinedStr) or (isinstance(each, ast.Constant) and isinstance(each.value, str))
        for each in operands
    )


def sample(count: int, seed: int) -> list[Mutant]:
    """Return so many mutants of the package, the same for the same seed and sources."""
    every = [
        mutant
        for file in sorted((PACKAGE / PLANNING).glob("*.py"))
        for mutant in mutants_of(file.read_text(encoding="utf-8"), f"{PLANNING}/{file.name}")
    ]
    return Random(seed).sample(every, min(count, len(every)))  # noqa: S311 - nothing secret is drawn


class Copy:
    """A copy of the package that one worker changes; `limit_seconds` ends a run that never ends."""

    def __init__(self, folder: Path) -> None:
        """Copy the package into the folder, compiled files included."""
        self._folder = folder
        shutil.copytree(PACKAGE, folder / PACKAGE.name)

    def catches(self, mutant: Mutant, *, limit_seconds: float) -> bool:
        """Return whether a test fails, or never ends, with the mutant."""
        file = self._folder / PACKAGE.name / mutant.path
        original = file.read_bytes()
        # A compiled file of the same second and size would be taken for the changed one.
        for compiled in (file.parent / "__pycache__").glob(f"{file.stem}.*"):
            compiled.unlink()
        try:
            file.write_bytes(mutant.applied(original))
            return self.run(limit_seconds=limit_seconds) != 0
        finally:
            file.write_bytes(original)

    def run(self, *, limit_seconds: float | None = None) -> int:
        """Return the exit code of the tests on the copy as it is; a run that takes too long has failed."""
        code = RUN.format(memory=MEMORY_BYTES, path=str(self._folder))
        try:
            outcome = subprocess.run(
                [sys.executable, "-B", "-c", code, *TESTS, *OPTIONS, PROFILE],
                cwd=ROOT,
                capture_output=True,
                timeout=limit_seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return FAILED
        return outcome.returncode


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the sample and print what survived; 1 when too little was caught, 2 when nothing can be said."""
    parser = argparse.ArgumentParser(description="Plant errors in the planner and list what no test catches.")
    parser.add_argument("--mutants", type=int, default=400, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="which ones (default: %(default)s)")
    parser.add_argument("--processes", type=int, default=2, help="at once (default: %(default)s)")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="mutants-") as name:
        folders = [Path(name) / str(number) for number in range(max(given.processes, 1))]
        copies = [Copy(folder) for folder in folders]
        started = time.perf_counter()
        if copies[0].run():
            print("The tests fail without any mutant, so nothing can be said.", file=sys.stderr)
            return INTERRUPTED
        baseline = time.perf_counter() - started
        print(f"Without a mutant the tests pass in {baseline:.0f} s.", flush=True)
        survivors = _survivors(sample(given.mutants, given.seed), copies, limit_seconds=3 * baseline + 20)
    return FAILED if survivors else 0


def _survivors(mutants: Sequence[Mutant], copies: Sequence[Copy], *, limit_seconds: float) -> bool:
    """Run the mutants on the copies, print what survives, and return whether that is too much."""
    free: SimpleQueue[Copy] = SimpleQueue()
    for copy in copies:
        free.put(copy)

    def is_caught(mutant: Mutant) -> bool:
        copy = free.get()
        try:
            return copy.catches(mutant, limit_seconds=limit_seconds)
        finally:
            free.put(copy)

    started = time.perf_counter()
    caught = 0
    with ThreadPoolExecutor(len(copies)) as pool:
        for mutant, is_dead in zip(mutants, pool.map(is_caught, mutants), strict=True):
            caught += is_dead
            if not is_dead:
                print(f"survived  {mutant}", flush=True)
    share = caught / len(mutants) if mutants else 1.0
    minutes = (time.perf_counter() - started) / 60
    print(
        f"{caught} of {len(mutants)} mutants caught, {share:.1%} (wanted {WANTED_SHARE:.0%}), "
        f"in {minutes:.1f} minutes."
    )
    return share < WANTED_SHARE


if __name__ == "__main__":
    sys.exit(main())
