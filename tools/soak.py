"""`make soak`: whole matrices of faults, tens of thousands of random contracts, then planted errors.

The matrices of which `make test` runs a sample are run whole. The contracts, one of ten with coupons, are
lived in batches with seeds of their own on all cores; a batch that fails prints the contract that made it
fail and the seed that draws it again. Then `mutants.py` plants errors that the tests have to catch. `--only`
runs one of the three.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import mutants

ROOT = Path(__file__).resolve().parents[1]
FAULTS = "tests/faults"
LIVES = "tests/simulation/test_contract_lives.py"
COUPON_LIVES = "tests/simulation/test_coupon_lives.py"
WITH_COUPONS = 10
CONTRACTS = 20_000
MUTANTS = 400
# A thousand orders take longer than a test may.
FAULTS_TIMEOUT_SECONDS = 7200
PARTS = ("faults", "contracts", "mutants")
# A batch judges the share of refused contracts by itself: small ones would fail by chance.
CONTRACTS_PER_BATCH = 2500


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """So many contracts, drawn from one seed and lived by one test."""

    contracts: int
    seed: int
    lives: str = LIVES

    @property
    def options(self) -> list[str]:
        """Return what pytest is told besides the test."""
        return ["--hypothesis-profile=soak", f"--examples={self.contracts}", f"--hypothesis-seed={self.seed}"]


def batches(contracts: int, seed: int, processes: int) -> list[Batch]:
    """Return the batches, at least one for each process, each with a seed of its own; coupons come last."""
    with_coupons = contracts // WITH_COUPONS
    plain = contracts - with_coupons
    count = max(processes, -(-plain // CONTRACTS_PER_BATCH))
    sizes = [plain // count + (number < plain % count) for number in range(count)]
    found = [
        Batch(contracts=size, seed=seed * 1000 + number) for number, size in enumerate(sizes, start=1) if size
    ]
    if with_coupons:
        found.append(Batch(contracts=with_coupons, seed=seed * 1000, lives=COUPON_LIVES))
    return found


def is_lived(batch: Batch) -> bool:
    """Live a batch, print what came of it, and return whether all held."""
    command = [batch.lives, "-q", "--no-header", "-p", "no:cacheprovider", "-p", "no:xdist", *batch.options]
    started = time.perf_counter()
    outcome = subprocess.run(
        [sys.executable, "-m", "pytest", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - started
    told = outcome.stdout + outcome.stderr if outcome.returncode else _ends(outcome.stdout)
    word = "failed" if outcome.returncode else "passed"
    again = " ".join(["pytest", batch.lives, *batch.options])
    print(f"{batch.contracts} contracts {word} in {seconds:.0f} s ({again})\n{told}", flush=True)
    return outcome.returncode == 0


def are_faults_survived(processes: int) -> bool:
    """Run every test of a fault whole, print what failed, and return whether all passed."""
    words = ["-q", "--no-header", "-p", "no:cacheprovider", "--whole", "--tb=short", "--show-capture=no"]
    split = ["-n", str(processes), "--dist", "worksteal", f"--timeout={FAULTS_TIMEOUT_SECONDS}"]
    outcome = subprocess.run(
        [sys.executable, "-m", "pytest", FAULTS, *words, *split, "--durations=5"], cwd=ROOT, check=False
    )
    return outcome.returncode == 0


def _ends(output: str) -> str:
    """Return the lines that count how contracts ended: a number, then the end."""
    lines = [line.split("  [")[0].rstrip(" .") for line in output.splitlines()]
    return "\n".join(
        line for line in lines if line.lstrip().partition(" ")[0].isdigit() and "passed" not in line
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Soak; return 1 when a fault was not survived, a contract billed wrongly or too few mutants caught."""
    parser = argparse.ArgumentParser(prog="make soak", description="Faults, many contracts, planted errors.")
    parser.add_argument("--contracts", type=int, default=CONTRACTS, help="how many (default: %(default)s)")
    parser.add_argument("--mutants", type=int, default=MUTANTS, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="which ones of both (default: %(default)s)")
    parser.add_argument(
        "--processes", type=int, default=os.cpu_count() or 1, help="at once (default: all cores)"
    )
    parser.add_argument("--only", choices=PARTS, help="one part of it (default: all)")
    given = parser.parse_args(arguments)
    processes = max(given.processes, 1)
    parts = [given.only] if given.only else PARTS
    code = 0
    if "faults" in parts and not are_faults_survived(processes):
        code = 1
    if "contracts" in parts:
        with ThreadPoolExecutor(processes) as pool:
            lived = [*pool.map(is_lived, batches(max(given.contracts, 0), given.seed, processes))]
        code = code if all(lived) else 1
    if "mutants" in parts and given.mutants > 0:
        words = ["--mutants", given.mutants, "--seed", given.seed, "--processes", processes]
        code = mutants.main([str(word) for word in words]) or code
    return code


if __name__ == "__main__":
    sys.exit(main())
