"""Alerts from the trouble to the message: told once, with news, reminded, ended, tried again, by one process."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.unit.sync.a_home import Home, a_home
from tests.unit.sync.receivers import mail_server, webhook

from cpqbridge.domain.refusal import OrderState
from cpqbridge.errors import ConfigurationError, TransientError
from cpqbridge.store import alert_messages, alerts, audit, connections
from cpqbridge.store.alert_messages import MessageState
from cpqbridge.sync.alert_sending import Sending
from cpqbridge.sync.alert_settings import AlertSettings, ChannelInput
from cpqbridge.sync.alerting import WAITS, AlertWatch
from cpqbridge.sync.sending_mail import MailServer, Security, send_mail
from cpqbridge.sync.sending_webhook import post_text

NOW = datetime(2026, 2, 1, 12, tzinfo=UTC)
URL = "http://127.0.0.1:9/services/secret-path"


class Sent:
    """Stands in for both senders: keeps the texts, or is out of order."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.problem: Exception | None = None

    def post(self, _url: str, text: str, *, allows_loopback: bool) -> str:
        if self.problem is not None:
            raise self.problem
        self.texts.append(text)
        return "taken"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with a_home(tmp_path, now=NOW) as made:
        yield made


@pytest.fixture
def sent() -> Sent:
    return Sent()


def watch_of(home: Home, sent: Sent) -> AlertWatch:
    return AlertWatch(home.service, sending=Sending(home.service, post=sent.post))


def hook(home: Home, **values: object) -> int:
    given = ChannelInput(kind="webhook", name="chat", secret=URL, **values)
    return AlertSettings(home.service).add(given).channel_id


def refuse(home: Home, number: int) -> None:
    home.order(f"80100000000000{number}AAA", f"0000010{number}", OrderState.REFUSED, code="no_email")


def turn(home: Home, watch: AlertWatch, *, minutes: float = 0) -> None:
    home.clock.set(home.clock.now() + timedelta(minutes=minutes))
    watch.look()
    watch.send_due()


def titles(sent: Sent) -> list[str]:
    return [text.splitlines()[0] for text in sent.texts]


def test_trouble_is_told_once_by_however_many_processes_and_its_end_too(home: Home, sent: Sent) -> None:
    hook(home, app_url="https://billing.example")
    watches = [watch_of(home, sent), watch_of(home, sent)]
    with home.service.store.write() as transaction:
        connections.mark_access_lost(transaction, connection_id=1, message="The token expired.")
    for watch in watches * 2:
        turn(home, watch, minutes=1)
    assert titles(sent) == ["test [test mode]: Access lost"]
    assert "The token expired." in sent.texts[0]
    assert "Open: https://billing.example/connections" in sent.texts[0]
    with home.service.store.write() as transaction:
        connections.mark_checked(transaction, connection_id=1, facts=home.connection().facts, at=NOW)
    for watch in watches:
        turn(home, watch, minutes=1)
    assert titles(sent)[1:] == ["test [test mode]: Access lost (solved)"]
    with home.service.store.read() as transaction:
        assert alerts.open_alerts(transaction) == ()


def test_new_orders_are_told_together_at_most_every_quarter_of_an_hour(home: Home, sent: Sent) -> None:
    hook(home)
    watch = watch_of(home, sent)
    refuse(home, 1)
    turn(home, watch)
    refuse(home, 2)
    turn(home, watch, minutes=5)
    refuse(home, 3)
    turn(home, watch, minutes=5)
    assert titles(sent) == ["test [test mode]: Orders need someone"]
    turn(home, watch, minutes=5)
    assert titles(sent)[1:] == ["test [test mode]: Orders need someone (2 more)"]
    assert "2 more: 00000102 (no_email), 00000103 (no_email)." in sent.texts[1]
    turn(home, watch, minutes=60)
    assert len(sent.texts) == 2


def test_order_that_was_solved_and_fails_anew_is_told_again(home: Home, sent: Sent) -> None:
    hook(home)
    watch = watch_of(home, sent)
    refuse(home, 1)
    refuse(home, 2)
    turn(home, watch)
    home.order("801000000000002AAA", "00000102", OrderState.SYNCED)
    turn(home, watch, minutes=20)
    refuse(home, 2)
    turn(home, watch, minutes=1)
    assert titles(sent)[1:] == ["test [test mode]: Orders need someone (1 more)"]


def test_trouble_that_lasts_is_reminded_of_once_a_day(home: Home, sent: Sent) -> None:
    hook(home)
    watch = watch_of(home, sent)
    refuse(home, 1)
    for _ in range(50):
        turn(home, watch, minutes=60)
    assert titles(sent) == [
        "test [test mode]: Orders need someone",
        "test [test mode]: Orders need someone (reminder)",
        "test [test mode]: Orders need someone (reminder)",
    ]


def test_channel_is_told_only_of_what_was_chosen_for_it(home: Home, sent: Sent) -> None:
    hook(home, kinds=["access_lost"])
    hook(home, connection_ids=[7])
    off = hook(home)
    AlertSettings(home.service).switch(off, is_active=False)
    refuse(home, 1)
    turn(home, watch_of(home, sent))
    assert sent.texts == []


def test_message_that_does_not_get_through_is_tried_with_growing_waits_and_given_up(
    home: Home, sent: Sent
) -> None:
    channel_id = hook(home)
    watch = watch_of(home, sent)
    sent.problem = TransientError("No answer.", code="webhook_unreachable")
    refuse(home, 1)
    turn(home, watch)
    for wait in WAITS:
        turn(home, watch, minutes=wait.total_seconds() / 60 - 0.5)
        turn(home, watch, minutes=0.5)
    with home.service.store.read() as transaction:
        first = alert_messages.latest(transaction, limit=9)[-1]
    assert (first.state, first.attempts, first.error) == (MessageState.GIVEN_UP, len(WAITS) + 1, "No answer.")
    assert AlertSettings(home.service).channel(channel_id).last_error == "No answer."


def test_messages_of_a_channel_keep_their_order_after_an_outage(home: Home, sent: Sent) -> None:
    hook(home)
    watch = watch_of(home, sent)
    sent.problem = TransientError("No answer.", code="webhook_unreachable")
    refuse(home, 1)
    turn(home, watch)
    home.order("801000000000001AAA", "00000101", OrderState.SYNCED)
    turn(home, watch, minutes=0.5)
    sent.problem = None
    turn(home, watch, minutes=1)
    assert [title.rpartition(": ")[2] for title in titles(sent)] == [
        "Orders need someone",
        "Orders need someone (solved)",
    ]


def test_start_tells_of_the_time_when_nothing_ran(home: Home, sent: Sent) -> None:
    hook(home)
    home.go_live()
    home.polled()
    home.clock.set(NOW + timedelta(hours=9))
    watch = watch_of(home, sent)
    watch.start()
    watch.stop()
    home.polled()
    last = watch_of(home, sent)
    turn(home, last)
    assert titles(sent) == ["test [test mode]: Nothing ran", "test [test mode]: Nothing ran (solved)"]
    assert "since 2026-02-01 13:00 (Europe/Berlin)" in sent.texts[0]


def test_secrets_of_channels_are_in_no_message_list_or_audit_entry(home: Home, sent: Sent) -> None:
    settings = AlertSettings(home.service, sending=Sending(home.service, post=sent.post))
    channel_id = hook(home)
    settings.test(channel_id)
    given = ChannelInput(kind="webhook", name="chat 2", secret=URL + "-new")
    settings.change(channel_id, given)
    settings.remove(channel_id)
    with home.service.store.read() as transaction:
        entries = audit.latest(transaction, connection_id=None, limit=9)
    assert [each.action for each in entries] == [
        "alert_channel_removed",
        "alert_channel_changed",
        "alert_channel_tested",
        "alert_channel_added",
    ]
    assert "secret-path" not in f"{entries}{given}{sent.texts}"
    assert entries[1].after is not None
    assert entries[1].after["secret"] == "replaced"
    assert b"secret-path" not in (home.service.store.home / "cpqbridge.sqlite3").read_bytes()


def mail_input(**values: str) -> ChannelInput:
    fields = {
        "host": "127.0.0.1",
        "port": "2525",
        "security": "none",
        "sender": "alerts@home.example",
        "recipients": "one@home.example, two@home.example",
    }
    return ChannelInput(kind="mail", name="mail", **{**fields, **values})


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"host": "no host"}, "host"),
        ({"port": "0"}, "port"),
        ({"port": "many"}, "port"),
        ({"security": "some"}, "security"),
        ({"sender": "nobody"}, "sender"),
        ({"sender": "a@b.example\nBcc: c@d.example"}, "sender"),
        ({"recipients": ""}, "recipients"),
        ({"recipients": "a@b.example c"}, "recipients"),
        ({"user": "somebody"}, "secret"),
        ({"kinds": []}, "kinds"),
        ({"kinds": ["strange"]}, "kinds"),
    ],
)
def test_mail_channel_with_a_wrong_value_names_its_field(home: Home, values, field) -> None:
    with pytest.raises(ConfigurationError) as caught:
        AlertSettings(home.service).add(mail_input(**values))
    assert caught.value.field == field


def test_stored_password_goes_to_no_other_server(home: Home) -> None:
    settings = AlertSettings(home.service)
    made = settings.add(mail_input(user="somebody", secret="canary"))
    settings.change(made.channel_id, mail_input(user="somebody", recipients="three@home.example"))
    with pytest.raises(ConfigurationError) as caught:
        settings.change(made.channel_id, mail_input(user="somebody", host="mail.elsewhere.example"))
    assert caught.value.field == "secret"


@pytest.mark.parametrize(
    "url", ["", "ftp://x.example", "http://hooks.example/x", "https://user@hooks.example/x"]
)
def test_webhook_address_that_is_not_https_is_refused(home: Home, url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        AlertSettings(home.service).add(ChannelInput(kind="webhook", name="chat", secret=url))
    assert caught.value.code == "webhook_address"


def test_webhook_on_this_machine_is_for_simulated_homes_only(tmp_path: Path) -> None:
    with a_home(tmp_path, now=NOW, simulated=False) as real, pytest.raises(ConfigurationError):
        hook(real)


@pytest.mark.parametrize(
    "number",
    [
        "10.0.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "192.168.1.1",
        "::1",
        "fd00::1",
        "::ffff:10.0.0.1",
        "0.0.0.0",
    ],
)
def test_webhook_whose_name_leads_inside_is_never_connected_to(number: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        post_text(
            "https://hooks.example/x",
            "text",
            allows_loopback=False,
            look_up=lambda _host, _port: ["203.0.113.7", number] if number == "10.0.0.1" else [number],
        )
    assert caught.value.code == "webhook_private"


def test_mail_and_webhook_when_sent_for_real_arrive_and_refusals_are_told_in_words() -> None:
    with mail_server() as box, webhook() as taker:
        server = MailServer(
            host="127.0.0.1",
            port=box.port,
            security=Security.NONE,
            user="",
            password="",
            sender="alerts@home.example",
            recipients=("one@home.example", "two@home.example"),
        )
        assert "took the mail for 2" in send_mail(server, subject="Trouble\nBcc: x", text="What to do: this.")
        assert box.mails[0]["Subject"] == "Trouble Bcc: x"
        assert box.mails[0].get_payload().strip() == "What to do: this."
        box.refused = frozenset({"two@"})
        with pytest.raises(ConfigurationError, match="but not for: two"):
            send_mail(server, subject="s", text="t")
        box.busy = True
        with pytest.raises(TransientError, match="for now"):
            send_mail(server, subject="s", text="t")
        box.busy, box.refused = False, frozenset({"@home"})
        with pytest.raises(ConfigurationError, match="refused the sender or every recipient"):
            send_mail(server, subject="s", text="t")
        assert "took the message" in post_text(taker.url, "text", allows_loopback=True)
        assert taker.texts == ["text"]
        for status, kind in ((404, ConfigurationError), (429, TransientError), (500, TransientError)):
            taker.status = status
            with pytest.raises(kind, match=str(status)):
                post_text(taker.url, "text", allows_loopback=True)
        taker.status, taker.location = 302, "http://127.0.0.1:9/"
        with pytest.raises(ConfigurationError, match="302"):
            post_text(taker.url, "text", allows_loopback=True)
    with pytest.raises(TransientError, match="cannot be reached"):
        send_mail(server, subject="s", text="t")
    with pytest.raises(TransientError, match="cannot be reached"):
        post_text(taker.url, "text", allows_loopback=True)


def test_password_is_never_sent_without_encryption_to_another_machine() -> None:
    server = MailServer(
        host="mail.example",
        port=25,
        security=Security.NONE,
        user="somebody",
        password="canary",
        sender="a@b.example",
        recipients=("c@d.example",),
    )
    with pytest.raises(ConfigurationError) as caught:
        send_mail(server, subject="s", text="t")
    assert caught.value.code == "mail_unencrypted"
    assert "canary" not in f"{server}{caught.value}"
