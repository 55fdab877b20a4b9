"""Make .venv in the repository root hold exactly what requirements/dev.txt names, and this package.

Called by the Makefile. Uses the standard library only, because nothing else is there yet. Two
calls at once are safe: the second waits, then finds the work done.
"""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv"
STAMP = ENVIRONMENT / ".ready"
INPUTS = ("requirements/dev.txt", "tools/set_up.py")
PIP = (
    str(ENVIRONMENT / "bin" / "python"),
    "-m",
    "pip",
    "--disable-pip-version-check",
    "--no-input",
    "install",
)


def wanted_state() -> str:
    """Return a fingerprint of all that decides what the environment holds; settings of tools do not."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    parts = (sys.version_info[:2], project["build-system"], project["project"], project["tool"]["hatch"])
    digest = hashlib.sha256(repr(parts).encode())
    for name in INPUTS:
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def run(*command: str, hint: str) -> None:
    """Run a command quietly; on failure show its output and what to do, and end."""
    outcome = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if outcome.returncode:
        sys.exit(f"{outcome.stdout}{outcome.stderr}\nSet-up failed. {hint}")


def python_works() -> bool:
    """Return whether the environment's own interpreter starts and has the version of this one."""
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        return False
    question = "import pip, sys; print(sys.version_info[:2])"
    outcome = subprocess.run([str(python), "-c", question], capture_output=True, text=True, check=False)
    return outcome.stdout.strip() == f"{sys.version_info[:2]}"


def set_up() -> None:
    """Create the environment where it is missing or broken, and install into it."""
    if not python_works():
        run(
            sys.executable,
            "-m",
            "venv",
            "--clear",
            str(ENVIRONMENT),
            hint="Python needs its venv module; on Debian and Ubuntu: apt-get install python3-venv",
        )
    run(
        *PIP,
        "--quiet",
        "--require-hashes",
        "--requirement",
        "requirements/dev.txt",
        hint="A package could not be fetched; check the network and pip's index settings.",
    )
    run(
        *PIP,
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--editable",
        ".",
        hint="The package itself could not be installed.",
    )


def main() -> None:
    """Set up unless the stamp says that it was done from the same inputs."""
    with Path(__file__).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = wanted_state()
        if STAMP.exists() and STAMP.read_text().strip() == wanted and python_works():
            STAMP.touch()
            return
        print("Setting up .venv (about a minute the first time)", file=sys.stderr)
        set_up()
        STAMP.write_text(wanted + "\n")


if __name__ == "__main__":
    main()
