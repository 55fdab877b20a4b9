"""The command itself: version, help, usage, and what an error of ours looks like."""

import json
import subprocess
import sys
from contextlib import contextmanager

import pytest

from cpqbridge import __version__
from cpqbridge.cli.main import main
from cpqbridge.cli.runtime import Runtime
from cpqbridge.errors import InvariantError
from cpqbridge.settings import Settings

COMMANDS = (
    ("connection", "add"),
    ("connection", "list"),
    ("connection", "check"),
    ("order", "list"),
    ("order", "preview"),
    ("order", "explain"),
    ("order", "sync"),
    ("config", "show"),
    ("config", "apply"),
    ("config", "versions"),
    ("config", "restore"),
    ("sandbox", "salesforce"),
    ("sandbox", "stripe"),
    ("serve",),
    ("worker",),
    ("rehearse",),
    ("demo",),
)


def test_version_is_printed(shell):
    ended = shell.run("--version")
    assert (ended.code, ended.out) == (0, f"cpqbridge {__version__}\n")


@pytest.mark.parametrize("words", [["--version"], ["rehearse", "--queries"], ["order", "--help"]])
def test_what_needs_no_engine_loads_none(words):
    program = (
        "import json, sys; from cpqbridge.cli.main import main; code = main(sys.argv[1:]);"
        "print(json.dumps([code, [n for n in ('dbos', 'stripe', 'fastapi', 'sqlalchemy') if n in sys.modules]]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, check=True, timeout=60
    )
    assert json.loads(done.stdout.splitlines()[-1]) == [0, []]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(capsys, command):
    assert main([*command, "--help"]) == 0
    assert "Usage: cpqbridge" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [["nonsense"], ["order"], ["order", "sync"], ["order", "preview", "1", "2"], ["serve", "--port", "x"]],
)
def test_wrong_usage_ends_with_two(capsys, words):
    assert main(words) == 2
    assert capsys.readouterr().err


@pytest.mark.parametrize("error", [ZeroDivisionError("the token is abc"), InvariantError("does not hold")])
def test_error_nobody_planned_for_ends_with_three_and_is_in_the_log(tmp_path, capsys, error):
    @contextmanager
    def broken(_settings):
        raise error
        yield

    settings = Settings(home=tmp_path / "home")
    runtime = Runtime(settings=lambda: settings, open_service=broken)
    assert main(["order", "list", "--json"], runtime=runtime) == 3
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    error_id = said.err.split("(id ")[1].split(")")[0]
    log = (tmp_path / "home" / "logs" / "cpqbridge.log").read_text()
    assert error_id in log
    assert type(error).__name__ in log
    assert "Traceback" in log


def test_home_that_cannot_be_used_is_said(shell, tmp_path):
    (tmp_path / "file").write_text("")
    ended = shell.run("connection", "list", environment={"CPQBRIDGE_HOME": str(tmp_path / "file")})
    assert ended.code == 2
    assert "CPQBRIDGE_HOME" in ended.err


def test_environment_that_cannot_be_used_is_said(shell):
    ended = shell.run("connection", "list", environment={"CPQBRIDGE_NOW": "soon"})
    assert ended.code == 2
    assert "CPQBRIDGE_NOW" in ended.err
