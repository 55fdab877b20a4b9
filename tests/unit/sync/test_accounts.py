"""Signing in and out, one-time links, and the people an admin lets in and go."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from argon2 import PasswordHasher

from cpqbridge.clock import SettableClock
from cpqbridge.errors import ConfigurationError, TransientError
from cpqbridge.store import audit, sessions, users
from cpqbridge.store.database import open_store
from cpqbridge.store.one_time_links import Purpose
from cpqbridge.store.users import Role
from cpqbridge.sync.accounts import Accounts, SignedIn
from cpqbridge.sync.acting import acting_as
from cpqbridge.sync.passwords import Passwords
from cpqbridge.sync.people import People
from cpqbridge.sync.service import ServiceOptions, SyncService

NOW = datetime(2026, 2, 1, 12, 30, tzinfo=UTC)
GOOD = "four plain words here"
OTHER = "quite another sentence"
HERE = "203.0.113.7"
QUICK = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
"""The real settings take a tenth of a second for each password."""


class House:
    """The accounts of a home, at a time that is set."""

    def __init__(self, home, hasher: PasswordHasher = QUICK) -> None:
        self.store = open_store(home, synchronous="OFF")
        self.clock = SettableClock(NOW)
        self.service = SyncService(self.store, ServiceOptions(clock=self.clock))
        self.accounts = self.accounts_with(hasher)
        self.people = People(self.service, clock=self.clock)

    def accounts_with(self, hasher: PasswordHasher | None) -> Accounts:
        return Accounts(self.service, clock=self.clock, passwords=Passwords(hasher))

    def later(self, **span) -> datetime:
        self.clock.set(self.clock.now() + timedelta(**span))
        return self.clock.now()

    def first_admin(self, name: str = "Ada") -> SignedIn:
        token = self.accounts.first_link()
        assert token is not None
        return self.accounts.accept(token, name=name, password=GOOD)

    def person(self, name: str, role: Role) -> SignedIn:
        return self.accounts.accept(self.people.invite(name, role).token, name="", password=GOOD)

    def sign_in(self, name: str = "Ada", password: str = GOOD, address: str = HERE) -> SignedIn:
        return self.accounts.sign_in(name, password, address=address)

    def who(self, token: str) -> str | None:
        user = self.accounts.user_of(token, self.clock.now())
        return None if user is None else user.name

    def actions(self) -> list[tuple[str, str, str]]:
        with self.store.read() as transaction:
            found = audit.latest(transaction, connection_id=None, limit=50)
        return [(entry.actor, entry.action, entry.subject) for entry in found]


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path)
    yield made
    made.service.close()
    made.store.close()


def refused(code: str, call, *arguments, **named):
    with pytest.raises((ConfigurationError, TransientError)) as caught:
        call(*arguments, **named)
    assert caught.value.code == code
    return caught.value


# The first start.


def test_the_first_link_makes_an_admin_who_is_signed_in(house) -> None:
    token = house.accounts.first_link()
    assert house.accounts.welcome(token).purpose is Purpose.FIRST
    made = house.accounts.accept(token, name="  Ada Lovelace ", password=GOOD)
    assert (made.user.name, made.user.role, house.who(made.token)) == (
        "Ada Lovelace",
        Role.ADMIN,
        "Ada Lovelace",
    )
    refused("link_unusable", house.accounts.accept, token, name="Eve", password=GOOD)
    assert house.accounts.first_link() is None
    assert house.actions() == [
        ("Ada Lovelace", "password_chosen", "Ada Lovelace"),
        ("Ada Lovelace", "user_added", "Ada Lovelace"),
    ]


def test_each_start_replaces_the_first_link(house) -> None:
    old = house.accounts.first_link()
    new = house.accounts.first_link()
    refused("link_unusable", house.accounts.welcome, old)
    assert house.accounts.welcome(new).role is Role.ADMIN


def test_the_first_link_ends_after_a_day(house) -> None:
    token = house.accounts.first_link()
    house.later(hours=24)
    refused("link_unusable", house.accounts.accept, token, name="Ada", password=GOOD)


def test_the_first_link_is_worth_nothing_once_somebody_invited_is_in(house) -> None:
    invited = house.people.invite("Grace", Role.ADMIN)
    first = house.accounts.first_link()
    house.accounts.accept(invited.token, name="", password=GOOD)
    refused("link_unusable", house.accounts.welcome, first)


def test_two_who_use_the_first_link_at_once_make_one_admin(house) -> None:
    token = house.accounts.first_link()
    results: list[object] = []

    def use(name: str) -> None:
        try:
            results.append(house.accounts.accept(token, name=name, password=GOOD).user.name)
        except ConfigurationError as error:
            results.append(error.code)

    threads = [threading.Thread(target=use, args=(f"Person {number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results.count("link_unusable") == 3
    assert len(house.people.everybody()) == 1


# Signing in.


def test_name_and_password_begin_a_session_whatever_the_capitals(house) -> None:
    house.first_admin()
    assert house.who(house.sign_in("aDA ").token) == "Ada"


@pytest.mark.parametrize(
    ("name", "password"), [("Ada", OTHER), ("Nobody", GOOD), ("Ada", ""), ("Grace", GOOD), ("Joan", "")]
)
def test_what_does_not_fit_is_refused_in_the_same_words(house, name: str, password: str) -> None:
    house.first_admin()
    house.people.disable(house.person("Grace", Role.VIEWER).user)
    house.people.invite("Joan", Role.VIEWER)
    error = refused("sign_in_refused", house.sign_in, name, password)
    assert str(error) == "Name and password do not fit. Try again, or ask an admin for a new link."


def test_an_unknown_name_costs_a_check_as_a_known_one_does(house) -> None:
    house.first_admin()
    checks: list[str] = []

    class Watched(PasswordHasher):
        def verify(self, *arguments):
            checks.append(arguments[1])
            return super().verify(*arguments)

    house.accounts = house.accounts_with(Watched(time_cost=1, memory_cost=64, parallelism=1))
    refused("sign_in_refused", house.sign_in, "Ada", OTHER)
    refused("sign_in_refused", house.sign_in, "Nobody", OTHER)
    assert checks == [OTHER, OTHER]


def test_passwords_are_hashed_as_rfc_9106_says_and_anew_when_they_were_not(house) -> None:
    ada = house.first_admin().user
    house.accounts = house.accounts_with(None)
    house.sign_in()
    with house.store.read() as transaction:
        stored = users.password_hash(transaction, ada.user_id)
    assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert house.who(house.sign_in().token) == "Ada"


def test_signing_in_ends_the_session_it_replaces(house) -> None:
    first = house.first_admin()
    second = house.accounts.sign_in("Ada", GOOD, address=HERE, replaces=first.token)
    assert (house.who(first.token), house.who(second.token)) == (None, "Ada")


# Sessions.


def test_a_session_ends_when_idle_for_twelve_hours(house) -> None:
    token = house.first_admin().token
    house.later(hours=11, minutes=59)
    assert house.who(token) == "Ada"
    house.later(hours=11, minutes=59)
    assert house.who(token) == "Ada"
    house.later(hours=12)
    assert house.who(token) is None


def test_a_session_ends_after_a_week_however_busy(house) -> None:
    token = house.first_admin().token
    for _ in range(20):
        house.later(hours=8)
        assert house.who(token) == "Ada"
    house.later(hours=8)
    assert house.who(token) is None


def test_the_database_holds_no_token(house) -> None:
    token = house.first_admin().token
    link = house.people.invite("Grace", Role.VIEWER).token
    everything = b"".join(path.read_bytes() for path in house.store.home.iterdir() if path.is_file())
    assert token.encode() not in everything
    assert link.encode() not in everything
    assert GOOD.encode() not in everything
    assert sessions.token_hash(token).encode() in everything


def test_signing_out_ends_one_session_or_all(house) -> None:
    tokens = [house.first_admin().token, house.sign_in().token, house.sign_in().token]
    house.accounts.sign_out(tokens[0])
    assert [house.who(token) for token in tokens] == [None, "Ada", "Ada"]
    assert house.accounts.sign_out_everywhere(house.people.of_name("Ada")) == 2
    assert [house.who(token) for token in tokens] == [None, None, None]


@pytest.mark.parametrize("change", ["disable", "role", "password", "link"])
def test_what_changes_a_person_ends_their_sessions(house, change: str) -> None:
    house.first_admin()
    grace = house.person("Grace", Role.OPERATOR)
    if change == "disable":
        house.people.disable(grace.user)
        house.people.enable(grace.user)
    elif change == "role":
        house.people.change_role(grace.user, Role.VIEWER)
    elif change == "password":
        house.accounts.change_password(grace.user, old=GOOD, new=OTHER, address=HERE)
    else:
        house.accounts.accept(house.people.make_link(grace.user).token, name="", password=OTHER)
    assert house.who(grace.token) is None


def test_old_sessions_leave_the_database(house) -> None:
    house.first_admin()
    house.later(days=8)
    house.sign_in()
    with house.store.read() as transaction:
        assert sessions.end_all(transaction, house.people.of_name("Ada").user_id) == 1


# Passwords.


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("elevenchars", "password_length"),
        ("x" * 201, "password_length"),
        ("Password1234!", "password_guessed"),
        ("Salesforce2026", "password_guessed"),
        ("1Q2w3E4r5T6y", "password_guessed"),
        ("aaaaaaaaaaaaa", "password_guessed"),
        ("ada.lovelace", "password_guessed"),
        ("Ada.Lovelace2026", "password_guessed"),
        ("ada.lovelaceada.lovelace", "password_guessed"),
    ],
)
def test_a_bad_password_is_refused_at_its_field(house, password: str, code: str) -> None:
    token = house.accounts.first_link()
    error = refused(code, house.accounts.accept, token, name="Ada.Lovelace", password=password)
    assert error.field == "password"
    assert password not in str(error)


@pytest.mark.parametrize("password", ["twelve chars", "ada.lovelace and her engine", "Ünïcödé wörds"])
def test_a_good_password_is_taken(house, password: str) -> None:
    made = house.accounts.accept(house.accounts.first_link(), name="Ada.Lovelace", password=password)
    assert house.who(house.sign_in("ada.lovelace", password).token) == made.user.name


def test_changing_the_password_takes_the_old_one(house) -> None:
    ada = house.first_admin()
    error = refused(
        "password_wrong", house.accounts.change_password, ada.user, old=OTHER, new=OTHER, address=HERE
    )
    assert error.field == "old"
    after = house.accounts.change_password(ada.user, old=GOOD, new=OTHER, address=HERE)
    assert (house.who(ada.token), house.who(after.token)) == (None, "Ada")
    refused("sign_in_refused", house.sign_in)
    house.sign_in(password=OTHER)


# Names.


@pytest.mark.parametrize("name", ["", "A", "A" * 81, "<b>Ada</b>", "Ada\nEve", "-ada", "a/b", "ada;"])
def test_what_cannot_be_a_name_is_refused(house, name: str) -> None:
    assert refused("user_name", house.people.invite, name, Role.VIEWER).field == "name"


@pytest.mark.parametrize("name", ["cpqbridge", "Command Line", "COMMAND LINE"])
def test_nobody_is_called_as_the_program_is(house, name: str) -> None:
    refused("user_name_reserved", house.people.invite, name, Role.VIEWER)


@pytest.mark.parametrize("name", ["ada", "ADA", "\uff21\uff44\uff41"])
def test_a_name_is_taken_in_any_spelling(house, name: str) -> None:
    house.first_admin()
    refused("user_exists", house.people.invite, name, Role.VIEWER)


# People.


def test_an_invited_person_has_the_role_and_chooses_only_the_password(house) -> None:
    house.first_admin()
    with acting_as("Ada"):
        link = house.people.invite("Grace", Role.OPERATOR)
    welcome = house.accounts.welcome(link.token)
    assert (welcome.purpose, welcome.name, welcome.role) == (Purpose.INVITE, "Grace", Role.OPERATOR)
    made = house.accounts.accept(link.token, name="Eve", password=GOOD)
    assert (made.user.name, made.user.role) == ("Grace", Role.OPERATOR)
    assert house.actions()[:2] == [("Grace", "password_chosen", "Grace"), ("Ada", "user_added", "Grace")]
    assert "token" not in repr(link)


def test_a_new_link_replaces_the_one_before_and_ends_after_three_days(house) -> None:
    house.first_admin()
    old = house.people.invite("Grace", Role.VIEWER)
    new = house.people.make_link(old.user)
    refused("link_unusable", house.accounts.welcome, old.token)
    house.later(days=3)
    refused("link_unusable", house.accounts.welcome, new.token)


def test_a_link_resets_a_forgotten_password_and_a_block(house) -> None:
    ada = house.first_admin()
    for _ in range(5):
        refused("sign_in_refused", house.sign_in, password=OTHER)
    refused("sign_in_blocked", house.sign_in)
    link = house.people.make_link(ada.user)
    assert house.accounts.welcome(link.token).purpose is Purpose.RESET
    house.accounts.accept(link.token, name="", password=OTHER)
    house.sign_in(password=OTHER)


def test_who_left_gets_no_link_and_loses_the_old_one(house) -> None:
    house.first_admin()
    link = house.people.invite("Grace", Role.VIEWER)
    house.people.disable(link.user)
    refused("link_unusable", house.accounts.accept, link.token, name="", password=GOOD)
    refused("user_disabled", house.people.make_link, house.people.of_name("Grace"))


def test_the_last_admin_who_can_sign_in_stays(house) -> None:
    ada = house.first_admin()
    house.people.invite("Grace", Role.ADMIN)
    assert refused("last_admin", house.people.change_role, ada.user, Role.VIEWER).field == "role"
    refused("last_admin", house.people.disable, ada.user)
    assert house.who(ada.token) == "Ada"
    house.person("Joan", Role.ADMIN)
    house.people.change_role(ada.user, Role.VIEWER)
    assert house.people.of_name("Ada").role is Role.VIEWER


def test_a_change_is_noted_with_before_and_after(house) -> None:
    house.first_admin()
    grace = house.person("Grace", Role.VIEWER).user
    with acting_as("Ada"):
        house.people.change_role(grace, Role.OPERATOR)
        house.people.change_role(grace, Role.OPERATOR)
    with house.store.read() as transaction:
        (entry, before) = audit.latest(transaction, connection_id=None, limit=2)
    assert (entry.actor, entry.action, entry.subject) == ("Ada", "user_role_changed", "Grace")
    assert (entry.before, entry.after) == ({"role": "viewer"}, {"role": "operator"})
    assert before.action == "password_chosen"


def test_nobody_of_a_name_or_id_is_said(house) -> None:
    refused("user_unknown", house.people.of_name, "Eve")
    refused("user_unknown", house.people.of_id, 7)


# Throttling.


def test_tries_for_a_name_are_blocked_for_longer_each_time(house) -> None:
    house.first_admin()
    for number in range(5):
        refused("sign_in_refused", house.sign_in, password=OTHER, address=f"203.0.113.{number}")
    waits = []
    for number in range(7):
        error = refused("sign_in_blocked", house.sign_in, address=f"198.51.100.{number}")
        waits.append(error.retry_after_seconds)
        house.later(seconds=error.retry_after_seconds)
        refused("sign_in_refused", house.sign_in, password=OTHER, address=f"192.0.2.{number}")
    assert waits == [30, 60, 120, 240, 480, 900, 900]


def test_a_block_says_how_long_to_wait_and_then_ends(house) -> None:
    house.first_admin()
    for _ in range(5):
        refused("sign_in_refused", house.sign_in, password=OTHER)
    assert "Wait 30 seconds" in refused("sign_in_blocked", house.sign_in).fix
    house.later(seconds=29)
    assert "Wait 1 second," in refused("sign_in_blocked", house.sign_in).fix
    house.later(seconds=1)
    house.sign_in()
    refused("sign_in_refused", house.sign_in, password=OTHER)


def test_a_block_is_noted_without_what_was_typed(house) -> None:
    house.first_admin()
    for name in ("Ada", "typed too early"):
        for _ in range(5):
            refused("sign_in_refused", house.sign_in, name, OTHER)
        refused("sign_in_blocked", house.sign_in, name, OTHER)
    blocks = [entry for entry in house.actions() if entry[1] == "sign_in_blocked"]
    assert blocks == [
        ("cpqbridge", "sign_in_blocked", "a name that nobody has"),
        ("cpqbridge", "sign_in_blocked", "Ada"),
    ]


def test_an_unknown_name_is_blocked_as_a_known_one_is(house) -> None:
    house.first_admin()
    for name in ("Ada", "Nobody"):
        for _ in range(5):
            refused("sign_in_refused", house.sign_in, name, OTHER)
        refused("sign_in_blocked", house.sign_in, name, OTHER)


@pytest.mark.parametrize("own", [HERE, "2001:db8:1:2::1"])
def test_one_address_that_tries_many_names_is_blocked(house, own: str) -> None:
    house.first_admin()
    for number in range(20):
        refused("sign_in_refused", house.sign_in, f"Name {number}", OTHER, own)
        if number == 10:
            house.sign_in(address=own)
    error = refused("sign_in_blocked", house.sign_in, address=own)
    assert error.retry_after_seconds == 60
    refused("sign_in_blocked", house.sign_in, address="2001:db8:1:2:ffff::9" if ":" in own else own)
    house.sign_in(address="203.0.113.8")


def test_many_tries_at_once_count_each(house) -> None:
    house.first_admin()
    codes: list[str] = []

    def attempt() -> None:
        try:
            house.sign_in(password=OTHER)
        except (ConfigurationError, TransientError) as error:
            codes.append(error.code)

    threads = [threading.Thread(target=attempt) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes.count("sign_in_refused") == 5


def test_failures_are_forgotten_after_a_day(house) -> None:
    house.first_admin()
    for _ in range(4):
        refused("sign_in_refused", house.sign_in, password=OTHER)
    house.later(hours=24)
    for _ in range(4):
        refused("sign_in_refused", house.sign_in, password=OTHER)
    house.sign_in()


def test_what_was_typed_as_a_name_is_not_stored(house) -> None:
    house.first_admin()
    refused("sign_in_refused", house.sign_in, "my secret typed too early", OTHER)
    everything = b"".join(path.read_bytes() for path in house.store.home.iterdir() if path.is_file())
    assert b"typed too early" not in everything


def test_roles_cover_those_below() -> None:
    assert [[role.covers(needed) for needed in Role] for role in Role] == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]
