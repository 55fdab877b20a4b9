"""One mail to a mail server, with a time-out and in plain words when it is refused."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import make_msgid
from enum import StrEnum

from cpqbridge.domain.addresses import is_loopback_host
from cpqbridge.errors import ConfigurationError, TransientError

TIMEOUT_SECONDS = 15.0
_FOR_GOOD = 500
"""Answers below are of the moment (RFC 5321, 4.2.1)."""


class Security(StrEnum):
    """How the connection to a mail server is encrypted."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """A mail server, who signs in there (nobody where `user` is empty), and from whom to whom mails go."""

    host: str
    port: int
    security: Security
    user: str
    password: str = field(repr=False)
    sender: str
    recipients: tuple[str, ...]


def send_mail(server: MailServer, *, subject: str, text: str) -> str:
    """Hand a mail to the server; return what it answered, in words for people.

    Raises:
        ConfigurationError: the server refuses it, or the password would go over the network in clear text.
        TransientError: the server does not answer, or says that it may be tried later.
    """
    if server.security is Security.NONE and server.user and not is_loopback_host(server.host):
        raise ConfigurationError(
            "The password of the mail server would be sent without encryption.",
            code="mail_unencrypted",
            field="security",
            fix="Choose STARTTLS (port 587) or TLS (port 465).",
        )
    message = EmailMessage()
    message["From"] = server.sender
    message["To"] = ", ".join(server.recipients)
    message["Subject"] = " ".join(subject.split())
    message["Message-ID"] = make_msgid(domain=server.sender.rpartition("@")[2] or "localhost")
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text)
    with _told(server), _connected(server) as connection:
        refused = connection.send_message(message)
    if refused:
        named = ", ".join(sorted(refused))
        raise ConfigurationError(
            f"The mail server took the mail, but not for: {named}.",
            code="mail_recipient_refused",
            field="recipients",
            fix="Correct these addresses.",
        )
    return f"The mail server {server.host} took the mail for {len(server.recipients)} recipient(s)."


@contextmanager
def _connected(server: MailServer) -> Iterator[smtplib.SMTP]:
    context = ssl.create_default_context()
    connection: smtplib.SMTP
    if server.security is Security.TLS:
        connection = smtplib.SMTP_SSL(server.host, server.port, timeout=TIMEOUT_SECONDS, context=context)
    else:
        connection = smtplib.SMTP(server.host, server.port, timeout=TIMEOUT_SECONDS)
    with connection:
        if server.security is Security.STARTTLS:
            connection.starttls(context=context)
        if server.user:
            connection.login(server.user, server.password)
        yield connection


def _codes(error: smtplib.SMTPRecipientsRefused | smtplib.SMTPSenderRefused) -> list[int]:
    if isinstance(error, smtplib.SMTPSenderRefused):
        return [error.smtp_code]
    return [code for code, _text in error.recipients.values()]


@contextmanager
def _told(server: MailServer) -> Iterator[None]:
    """Say in our words what is wrong: a server's own text may hold what it was sent."""
    where = f"{server.host}, port {server.port}"
    try:
        yield
    except smtplib.SMTPAuthenticationError:
        raise ConfigurationError(
            f"The mail server ({where}) refused user name or password.",
            code="mail_sign_in_refused",
            field="password",
            fix="Give both again; many providers want a password made for apps.",
        ) from None
    except smtplib.SMTPNotSupportedError:
        raise ConfigurationError(
            f"The mail server ({where}) does not offer what was chosen: STARTTLS, or signing in.",
            code="mail_not_supported",
            field="security",
            fix="Choose another encryption or port, or leave the user name empty.",
        ) from None
    except (smtplib.SMTPRecipientsRefused, smtplib.SMTPSenderRefused) as error:
        if all(code < _FOR_GOOD for code in _codes(error)):
            # Many servers turn a sender they do not know yet away once.
            raise TransientError(
                f"The mail server ({where}) does not take the mail for now.",
                code="mail_server_answer",
                fix="It is tried again; if it stays, ask whoever runs the mail server.",
            ) from None
        raise ConfigurationError(
            f"The mail server ({where}) refused the sender or every recipient.",
            code="mail_recipient_refused",
            field="recipients",
            fix="Check the addresses, and that this user may send in the name of the sender.",
        ) from None
    except ssl.SSLError as error:
        raise ConfigurationError(
            f"The mail server ({where}) has no encryption that can be trusted ({error.reason or 'TLS'}).",
            code="mail_certificate",
            field="security",
            fix="TLS is for port 465, STARTTLS for 587; the certificate must be for this host name.",
        ) from None
    except smtplib.SMTPResponseException as error:
        raise TransientError(
            f"The mail server ({where}) answered with {error.smtp_code}.",
            code="mail_server_answer",
            fix="It is tried again; if it stays, ask whoever runs the mail server.",
        ) from None
    except (OSError, smtplib.SMTPException) as error:
        raise TransientError(
            f"The mail server ({where}) cannot be reached ({type(error).__name__}).",
            code="mail_server_unreachable",
            fix="Check host, port and encryption, and that the firewall lets this machine out.",
        ) from None
