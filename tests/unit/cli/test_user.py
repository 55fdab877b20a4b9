"""`cpqbridge user`: people from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tests.unit.store.test_events import store  # noqa: F401 - a fixture

from cpqbridge.cli.main import main
from cpqbridge.cli.runtime import Runtime
from cpqbridge.cli.serve import listen, note_first_link
from cpqbridge.errors import ConfigurationError
from cpqbridge.settings import Settings
from cpqbridge.store import audit
from cpqbridge.sync.accounts import Accounts
from cpqbridge.sync.service import SyncService
from cpqbridge.web.site import Site

GOOD = "four plain words here"
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(store, tmp_path: Path, capsys) -> Iterator[Run]:  # noqa: F811 - the fixture
    @contextmanager
    def open_service(_settings: Settings) -> Iterator[SyncService]:
        yield SyncService(store)

    runtime = Runtime(settings=lambda: Settings(home=tmp_path / "home"), open_service=open_service)

    def run(*words: str) -> tuple[int, str]:
        code = main(["user", *words], runtime=runtime)
        said = capsys.readouterr()
        return code, said.out or said.err

    return run


def test_a_link_that_is_printed_works_once(run: Run, store) -> None:  # noqa: F811
    code, said = run("add", "Ada", "--role", "admin", "--url", "https://billing.example/", "--json")
    told = json.loads(said)
    assert (code, told["user"]["role"], told["user"]["has_password"]) == (0, "admin", False)
    start = "https://billing.example/welcome/"
    assert told["link"].startswith(start)
    accounts = Accounts(SyncService(store))
    accounts.accept(told["link"].removeprefix(start), name="", password=GOOD)
    code, said = run("link", "ada")
    token = said.split("/welcome/")[1].strip()
    assert accounts.accept(token, name="", password=GOOD).user.name == "Ada"
    assert json.loads(run("list", "--json")[1])["users"][0]["has_password"]


def test_serve_prints_the_first_link_until_somebody_is_in(store, capsys) -> None:  # noqa: F811
    site = Site(SyncService(store), public_url="https://billing.example/")
    with closing(listen(0)) as listener:
        note_first_link(site, listener)
        said = capsys.readouterr().err
        token = said.split("https://billing.example/welcome/")[1].strip()
        site.public_url = ""
        note_first_link(site, listener)
        assert f"http://127.0.0.1:{listener.getsockname()[1]}/welcome/" in capsys.readouterr().err
        with pytest.raises(ConfigurationError):
            site.accounts.welcome(token)
        site.accounts.accept(site.accounts.first_link(), name="Ada", password=GOOD)
        note_first_link(site, listener)
        assert capsys.readouterr().err == ""


def test_what_is_done_is_noted_as_the_command_lines(run: Run, store) -> None:  # noqa: F811
    run("add", "Grace")
    assert run("disable", "Grace") == (0, "Grace may no longer sign in.\n")
    with store.read() as transaction:
        found = audit.latest(transaction, connection_id=None, limit=2)
    assert [(entry.actor, entry.action) for entry in found] == [
        ("command line", "user_disabled"),
        ("command line", "user_added"),
    ]


@pytest.mark.parametrize(
    "words", [("link", "Eve"), ("disable", "Eve"), ("add", "Ada", "--role", "boss"), ("add", "a/b")]
)
def test_what_cannot_be_done_is_an_input_error(run: Run, words: tuple[str, ...]) -> None:
    assert run(*words)[0] == 2


def test_an_empty_list_says_how_to_begin(run: Run) -> None:
    code, said = run("list")
    assert (code, "cpqbridge serve" in said) == (0, True)
