"""A tiny mail server and a tiny webhook on loopback that keep what they are sent."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_string
from email.message import Message
from http.server import BaseHTTPRequestHandler, HTTPServer


@dataclass
class Mailbox:
    port: int = 0
    mails: list[Message] = field(default_factory=list)
    refused: frozenset[str] = frozenset()
    busy: bool = False


@contextmanager
def mail_server() -> Iterator[Mailbox]:
    """Speak as much SMTP as a client without encryption and sign-in needs (RFC 5321)."""
    box = Mailbox()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.say("220 test")
            while line := self.rfile.readline().decode():
                verb = line[:4].upper()
                if verb == "DATA":
                    self.say("354 go on")
                    lines = []
                    while (text := self.rfile.readline().decode()) not in {".\r\n", ""}:
                        lines.append(text)
                    box.mails.append(message_from_string("".join(lines)))
                    self.say("250 taken")
                elif verb == "QUIT":
                    self.say("221 bye")
                    return
                elif verb == "MAIL" and box.busy:
                    self.say("451 later")
                elif verb == "RCPT" and any(each in line for each in box.refused):
                    self.say("550 nobody here")
                else:
                    self.say("250 ok")

        def say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    with _served(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)) as port:
        box.port = port
        yield box


@dataclass
class Hook:
    url: str = ""
    texts: list[str] = field(default_factory=list)
    status: int = 200
    location: str = ""


@contextmanager
def webhook() -> Iterator[Hook]:
    hook = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            hook.texts.append(json.loads(body)["text"])
            self.send_response(hook.status)
            if hook.location:
                self.send_header("Location", hook.location)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_arguments: object) -> None:
            pass

    with _served(HTTPServer(("127.0.0.1", 0), Handler)) as port:
        hook.url = f"http://127.0.0.1:{port}/services/secret-path"
        yield hook


@contextmanager
def _served(server: socketserver.TCPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
