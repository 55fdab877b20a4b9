"""Runs the installed command as people do: a process of its own, a fresh home, nothing from the environment."""

import json
import os
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

COMMAND = Path(sys.executable).parent / "cpqbridge"
TIMEOUT_SECONDS = 90


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output as the one JSON document it must be."""
        return json.loads(self.out)


class Visitor:
    """Somebody at the app over HTTP, with cookies, who sends the app's own origin as browsers do."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())

    def page(self, path: str) -> str:
        with self._opener.open(f"{self.address}{path}") as answer:
            return answer.read().decode()

    def send(self, path: str, **form: str) -> str:
        """Send a form and return the page that one is led to."""
        request = urllib.request.Request(
            f"{self.address}{path}",
            data=urllib.parse.urlencode(form).encode(),
            headers={"Origin": self.address},
        )
        with self._opener.open(request) as answer:
            return answer.read().decode()


class Shell:
    """Runs commands in one home."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = {
            "PATH": os.environ.get("PATH", ""),
            "CPQBRIDGE_HOME": str(home),
            "TMPDIR": str(home.parent),
        }
        self._processes: list[subprocess.Popen[str]] = []

    def run(
        self, *arguments: str | Path, given: str = "", environment: Mapping[str, str] | None = None
    ) -> Ended:
        """Run a command to its end; nobody ever sees a traceback."""
        done = subprocess.run(
            [COMMAND, *map(str, arguments)],
            input=given,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
            env={**self.environment, **(environment or {})},
        )
        assert "Traceback" not in done.stdout + done.stderr
        return Ended(code=done.returncode, out=done.stdout, err=done.stderr)

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        """Start a command that goes on until the test ends."""
        process = subprocess.Popen(
            [COMMAND, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
        )
        self._processes.append(process)
        return process

    def start_sandbox(self, *arguments: str | Path) -> str:
        """Start a simulated system on a free port and return its address."""
        process = self.start("sandbox", *arguments, "--port", "0")
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        return str(json.loads(line)["url"])

    def stop(self) -> None:
        """End everything that was started."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.communicate(timeout=20)


@pytest.fixture
def shell(tmp_path):
    opened = Shell(tmp_path / "home")
    yield opened
    opened.stop()
