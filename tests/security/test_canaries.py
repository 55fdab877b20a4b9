"""Secrets that were given away on purpose are looked for everywhere: nobody may ever see them again.

Every secret has the word CANARY in it. A home is given all of them, works, runs into every kind of trouble
that has to do with them, and then its pages, exports, commands, logs and files are read.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import structlog
from tests.faults.two_sides import service, two_sides
from tests.security.conftest import House, house_of

import cpqbridge.web
from cpqbridge.cli.main import main
from cpqbridge.cli.runtime import Runtime
from cpqbridge.errors import CpqbridgeError
from cpqbridge.logs import configure_logging
from cpqbridge.mapping.configuration import parse_configuration
from cpqbridge.settings import Settings
from cpqbridge.store import logins
from cpqbridge.store.users import Role
from cpqbridge.sync.alert_settings import AlertSettings, ChannelInput
from cpqbridge.sync.webhook_setup import WebhookSetup

CANARY = "canary"
TOKEN = "00DQy0000000001!AQcanarySalesforceToken.of_the.session"
STRIPE_KEY = "sk_test_51canaryStripeKey0000"
WEBHOOK_SECRET = "whsec_canaryWebhookSecret"
CLIENT_SECRET = "canaryClientSecret"
REFRESH_TOKEN = "5Aep861canaryRefreshToken"
MAIL_PASSWORD = "canaryMailPassword"
SLACK_PATH = "canarySlackPath"
PASSWORD = "canary in a password"
UNFINISHED = "second"
NOBODY_LISTENS = "127.0.0.1:9"
TEMPLATES = Path(cpqbridge.web.__file__).parent / "templates"

COMMANDS = [
    ("config", "show"),
    ("connection", "list"),
    ("connection", "webhook", "test"),
    ("order", "list"),
    ("order", "list", "--csv"),
    ("order", "preview", "00000101"),
    ("status",),
    ("user", "list"),
]


@dataclass
class Told:
    """A home that was given every canary; `said` is what its errors said."""

    house: House
    said: list[str]

    def attempt(self, function: Callable[[], object]) -> None:
        """Do something that goes wrong, and keep what is said of it."""
        try:
            function()
        except CpqbridgeError as error:
            self.said += [str(error), repr(error), repr(vars(error))]


def give_everything(opened, sides) -> None:
    settings = parse_configuration({"version": 1})
    opened.add_connection(
        name="test",
        salesforce_url=sides.salesforce_url,
        salesforce_token=TOKEN,
        stripe_key=STRIPE_KEY,
        stripe_api_base=sides.stripe_url,
        configuration=replace(settings, currency="usd"),
    )
    WebhookSetup(opened).give("test", WEBHOOK_SECRET, keeps_old=False)
    login = logins.Login(
        sign_in_url=sides.salesforce_url,
        client_id="the-app",
        username="admin@acme.example",
        client_secret=CLIENT_SECRET,
        refresh_token=REFRESH_TOKEN,
    )
    with opened.store.write() as transaction:
        logins.save(opened.store, transaction, connection_id=1, login=login, at=opened.clock.now())
    alerts = AlertSettings(opened)
    mail = ChannelInput(
        kind="mail",
        name="mail",
        secret=MAIL_PASSWORD,
        host="127.0.0.1",
        port="9",
        security="none",
        user="alerts",
        sender="a@acme.example",
        recipients="b@acme.example",
    )
    slack = ChannelInput(
        kind="webhook", name="slack", secret=f"http://{NOBODY_LISTENS}/services/T0/B0/{SLACK_PATH}"
    )
    for channel in (mail, slack):
        assert not alerts.test(alerts.add(channel).channel_id).is_sent


def begin_another_set_up(house: House) -> None:
    """Give the secret of an app to a set-up that is left in the middle of signing in."""
    admin = house.client(Role.ADMIN)
    assert admin.post("/connections/new", data={"name": UNFINISHED}).status_code == 303
    form = {"environment": "sandbox", "client_id": "3MVG9the.app", "client_secret": CLIENT_SECRET}
    page = admin.post(f"/connections/{UNFINISHED}/setup/salesforce", data=form)
    assert "https://test.salesforce.com/services/oauth2/authorize" in page.text
    assert sightings(page.text) == []


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> Iterator[Told]:
    home = tmp_path_factory.mktemp("told")
    configure_logging(home, level="debug")
    with two_sides(3) as sides, service(home) as opened:
        give_everything(opened, sides)
        house = house_of(opened, sides=sides)
        made = Told(house=house, said=[])
        house.site.accounts.accept(house.site.accounts.first_link(), name="Ada", password=PASSWORD)
        for form in (
            {"name": "Ada", "password": PASSWORD},
            {"name": "Ada", "password": f"{PASSWORD}!"},
            {"name": PASSWORD, "password": PASSWORD},
        ):
            house.client(None).post("/sign-in", data=form)
        opened.sync("test", sides.order_ids[0])
        sides.org.tokens = frozenset()
        made.attempt(lambda: opened.sync("test", sides.order_ids[1]))
        made.attempt(lambda: opened.check_connection("test"))
        sides.org.tokens = None
        made.attempt(lambda: opened.check_connection("test", salesforce_token=TOKEN))
        sides.account.credentials.expire(STRIPE_KEY)
        made.attempt(lambda: opened.sync("test", sides.order_ids[2]))
        made.attempt(lambda: opened.check_connection("test", stripe_key=f"{STRIPE_KEY}wrong"))
        made.attempt(lambda: opened.check_connection("test", stripe_key="no key but canary"))
        begin_another_set_up(house)
        yield made
    root = logging.getLogger()
    for handler in list(root.handlers):
        if type(handler).__module__ != "_pytest.logging":
            root.removeHandler(handler)
            handler.close()
    structlog.reset_defaults()


def sightings(text: str) -> list[str]:
    """Where a canary is seen, with what stands around it; a time zone has the name of its islands."""
    text = text.replace("Atlantic/Canary", "")
    return [
        text[max(found.start() - 60, 0) : found.end() + 30]
        for found in re.finditer(CANARY, text, re.IGNORECASE)
    ]


def test_what_went_wrong_was_said_without_them(told: Told) -> None:
    everything = " ".join(told.said)
    for trouble in ("Salesforce no longer lets", "does not accept the key", "not a secret or restricted key"):
        assert trouble in everything
    assert [seen for text in told.said for seen in sightings(text)] == []


@pytest.mark.parametrize("role", list(Role))
def test_no_page_and_no_export_shows_one(told: Told, role: Role) -> None:
    found = []
    client = told.house.client(role)
    for route in told.house.site.routes:
        if route.method == "GET":
            address = told.house.address(route)
            unfinished = address.replace("/connections/test", f"/connections/{UNFINISHED}")
            for path in (address, unfinished):
                answer = client.get(path)
                texts = (answer.text, repr(answer.headers))
                found += [(route.path, seen) for text in texts for seen in sightings(text)]
    assert found == []


def test_no_form_gives_back_the_secret_that_was_typed(told: Told) -> None:
    names = {"client_secret", "key", "refresh_token", "salesforce_token", "secret", "stripe_key", "token"}
    for template in TEMPLATES.rglob("*.html"):
        text = template.read_text()
        names |= set(re.findall(r'field\("(\w+)"[^)]*type="password"', text))
        names |= set(re.findall(r'type="password"[^>]*name="(\w+)"', text))
    assert {"password", "again", "old"} <= names
    found = []
    for route in told.house.site.routes:
        if route.method == "POST":
            form = dict.fromkeys(names, "canary typed into a form") | {"name": "Somebody"}
            answer = told.house.client(Role.ADMIN).post(told.house.address(route), data=form)
            texts = (answer.text, repr(answer.headers))
            found += [(route.path, seen) for text in texts for seen in sightings(text)]
    assert found == []


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_no_command_prints_one(told: Told, words: tuple[str, ...], as_json: bool, capsys) -> None:
    @contextmanager
    def open_service(_settings: Settings):
        yield told.house.site.service

    home = told.house.site.service.store.home
    runtime = Runtime(settings=lambda: Settings(home=home, log_level="debug"), open_service=open_service)
    main([*words, *(["--json"] if as_json and "--csv" not in words else [])], runtime=runtime)
    said = capsys.readouterr()
    assert said.out + said.err
    assert sightings(said.out + said.err) == []


def test_no_log_and_no_file_of_the_home_has_one(told: Told) -> None:
    home = told.house.site.service.store.home
    files = [path for path in home.rglob("*") if path.is_file()]
    assert {"cpqbridge.sqlite3", "cpqbridge.log"} <= {path.name for path in files}
    assert (home / "logs" / "cpqbridge.log").stat().st_size > 1000
    found = [(path.name, seen) for path in files for seen in sightings(path.read_bytes().decode("latin-1"))]
    assert found == []


def test_no_repr_of_what_holds_a_secret_shows_it() -> None:
    login = logins.Login(
        sign_in_url="", client_id="", username="", client_secret=CLIENT_SECRET, refresh_token=REFRESH_TOKEN
    )
    channel = ChannelInput(kind="mail", name="mail", secret=MAIL_PASSWORD)
    assert sightings(repr((login, channel, Settings(secret_key=CANARY, stripe_webhook_secret=CANARY)))) == []
