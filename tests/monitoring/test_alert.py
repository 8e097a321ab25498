"""Alerts beside servers that listen: what arrives, and what is said where nothing does."""

from __future__ import annotations

import base64
import json
import shutil
import socketserver
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.policy import default
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from src.config_model import Alert
from src.monitoring.alert import send_alert

SUBJECT, TEXT = "drift: 500 products, lot été", "moved: language\naccuracy, estimated: 0.700"
FACTS = {"name": "été", "run_id": "r1"}


class Hook(BaseHTTPRequestHandler):
    """Keeps what is posted; answers 204, or 500 below /broken."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.path, self.headers["Content-Type"], json.loads(body)))
        self.send_response(500 if self.path == "/broken" else 204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Mailbox(socketserver.StreamRequestHandler):
    """As much SMTP as a mail takes (RFC 5321), with AUTH PLAIN."""

    def handle(self) -> None:
        self.say("220 here")
        words, lines = [], []
        while line := self.rfile.readline().decode().rstrip("\r\n"):
            words.append(line)
            if line.lower().startswith("ehlo"):
                self.say("250-here\r\n250 AUTH PLAIN")
            elif line.startswith("AUTH"):
                self.say("235 welcome")
            elif line.lower() == "data":
                self.say("354 go on")
                while (text := self.rfile.readline()) != b".\r\n":
                    lines.append(text)
                self.say("250 kept")
            else:
                self.say("221 bye" if line.lower() == "quit" else "250 fine")
        self.server.seen.append((words, message_from_bytes(b"".join(lines), policy=default)))

    def say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


@contextmanager
def listening(server: socketserver.TCPServer) -> Iterator[tuple[int, list[Any]]]:
    """Yield port and what has arrived; it is whole once the block is left."""
    server.seen = []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1], server.seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_webhook_gets_the_text_and_the_facts() -> None:
    with listening(HTTPServer(("127.0.0.1", 0), Hook)) as (port, seen):
        alert = Alert(webhook=f"http://127.0.0.1:{port}/hook")
        assert send_alert(alert, {}, SUBJECT, TEXT, FACTS) == []
        secret = {"ALERT_WEBHOOK": f"http://127.0.0.1:{port}/token"}  # goes before the settings
        assert send_alert(alert, secret, SUBJECT, TEXT, {}) == []
    text = f"{SUBJECT}\n{TEXT}"
    assert seen == [
        ("/hook", "application/json", {"text": text, **FACTS}),
        ("/token", "application/json", {"text": text}),
    ]


@pytest.mark.parametrize("secrets", [{}, {"SMTP_USER": "me", "SMTP_PASSWORD": "pass"}])
def test_a_mail_goes_to_everybody(secrets: dict[str, str]) -> None:
    with listening(socketserver.TCPServer(("127.0.0.1", 0), Mailbox)) as (port, seen):
        alert = Alert(
            smtp_host="127.0.0.1",
            smtp_port=port,
            smtp_security="none",
            sender="shop@example.org",
            recipients=("a@example.org", "b@example.org"),
        )
        assert send_alert(alert, secrets, SUBJECT, TEXT, FACTS) == []
    ((words, mail),) = seen
    assert (mail["subject"], mail["from"]) == (SUBJECT, "shop@example.org")
    assert mail["to"] == "a@example.org, b@example.org"
    assert mail.get_content().split() == TEXT.split()
    assert [word for word in words if word.startswith("rcpt")] == [
        "rcpt TO:<a@example.org>",
        "rcpt TO:<b@example.org>",
    ]
    told = base64.b64encode(b"\0me\0pass").decode()
    assert (f"AUTH PLAIN {told}" in words) == bool(secrets)


def test_what_does_not_arrive_is_said_without_the_secret(free_port: int) -> None:
    alert = Alert(
        smtp_host="127.0.0.1", smtp_port=free_port, sender="s@example.org", recipients=("a@b.org",)
    )
    with listening(HTTPServer(("127.0.0.1", 0), Hook)) as (port, _):
        secrets = {"ALERT_WEBHOOK": f"http://user:token@127.0.0.1:{port}/broken"}
        problems = send_alert(alert, secrets, SUBJECT, TEXT, FACTS)
    assert len(problems) == 2
    assert problems[0].startswith("webhook at 127.0.0.1: ")
    assert problems[1].startswith(f"mail through 127.0.0.1:{free_port}: ")
    assert "token" not in "".join(problems)
    odd = {"ALERT_WEBHOOK": "hooks.example.org/token"}
    (problem,) = send_alert(Alert(), odd, SUBJECT, TEXT, FACTS)
    assert "token" not in problem


def test_nothing_is_sent_where_nothing_is_configured() -> None:
    assert send_alert(Alert(), {}, SUBJECT, TEXT, FACTS) == []


@pytest.mark.parametrize(
    "values", [{"webhook": "ftp://x"}, {"recipients": ["a@b.org"]}, {"smtp_port": 0}]
)
def test_settings_that_can_send_nothing_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Alert(**values)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and the certificate that it signed for this machine itself, in one file."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes a certificate, is not installed")
    file = tmp_path_factory.mktemp("tls") / "own.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext"
    words = [*command.split(), "subjectAltName=IP:127.0.0.1", "-keyout", str(file), "-out", "-"]
    made = subprocess.run(words, check=True, capture_output=True)
    file.write_bytes(file.read_bytes() + made.stdout)
    return file


def with_tls(server: socketserver.TCPServer, certificate: Path) -> socketserver.TCPServer:
    """Let a server speak TLS from the first byte on."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # of a caller that does not trust it
    return server


class StartTls(Mailbox):
    """The same mailbox, which turns to TLS when it is asked to, and takes nothing before."""

    certificate: Path

    def handle(self) -> None:
        self.say("220 here")
        while (line := self.rfile.readline().decode().strip().lower()) != "starttls":
            self.say("250-here\r\n250 STARTTLS" if line.startswith("ehlo") else "530 TLS first")
        self.say("220 go on")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate)
        with context.wrap_socket(self.request, server_side=True) as self.request:
            self.setup()
            super().handle()

    def say(self, line: str) -> None:
        if line != "220 here" or not isinstance(self.request, ssl.SSLSocket):
            super().say(line)


@pytest.mark.parametrize("security", ["tls", "starttls", "webhook"])
def test_over_tls_what_is_trusted_gets_it_and_what_is_not_is_named(
    security: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if security == "webhook":
        server = with_tls(HTTPServer(("127.0.0.1", 0), Hook), certificate)
    elif security == "tls":
        server = with_tls(socketserver.TCPServer(("127.0.0.1", 0), Mailbox), certificate)
    else:
        handler = type("Handler", (StartTls,), {"certificate": certificate})
        server = socketserver.TCPServer(("127.0.0.1", 0), handler)
        server.handle_error = lambda *_: None
    with listening(server) as (port, seen):
        alert = Alert(webhook=f"https://127.0.0.1:{port}/hook")
        if security != "webhook":
            alert = Alert(
                smtp_host="127.0.0.1",
                smtp_port=port,
                smtp_security=security,
                sender="shop@example.org",
                recipients=("a@example.org",),
            )
        (problem,) = send_alert(alert, {}, SUBJECT, TEXT, FACTS)
        assert "its certificate is not trusted (self-signed certificate)" in problem
        assert "SSL_CERT_FILE" in problem
        assert not seen
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert send_alert(alert, {}, SUBJECT, TEXT, FACTS) == []
    if security == "webhook":
        assert seen[0][2] == {"text": f"{SUBJECT}\n{TEXT}", **FACTS}
    else:
        assert seen[0][1]["subject"] == SUBJECT
        assert seen[0][1].get_content().split() == TEXT.split()
