"""Alerts of drift reports, sent where ``[monitoring.alert]`` says: to a webhook, by mail."""

import http.client
import json
import smtplib
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from email.message import EmailMessage
from typing import Any
from urllib.parse import urlsplit

from src.config_model import Alert

TIMEOUT_S = 10.0
# Beside or instead of the file of settings, which is no place for secrets.
WEBHOOK, USER, PASSWORD = "ALERT_WEBHOOK", "SMTP_USER", "SMTP_PASSWORD"  # noqa: S105


def send_alert(
    alert: Alert, secrets: Mapping[str, str], subject: str, text: str, facts: Mapping[str, Any]
) -> list[str]:
    """Send to every place that is configured; return a sentence for each that was not reached.

    `secrets` are environment variables. The webhook gets a POST of JSON: "text" (which chat
    services show) and the facts.
    """
    url = secrets.get(WEBHOOK) or alert.webhook
    ways: dict[str, Callable[[], None]] = {}
    if url:
        body = {"text": f"{subject}\n{text}", **facts}
        ways[f"webhook at {urlsplit(url).hostname}"] = lambda: _post(url, body)
    if alert.recipients:
        place = f"{alert.smtp_host}:{alert.smtp_port}"
        ways[f"mail through {place}"] = lambda: _mail(alert, secrets, subject, text)
    problems = []
    for place, deliver in ways.items():
        try:
            deliver()
        except (OSError, ValueError, smtplib.SMTPException, http.client.HTTPException) as e:
            cause, problem = e.reason if isinstance(e, urllib.error.URLError) else e, str(e)
            if isinstance(cause, ssl.SSLCertVerificationError):
                problem = f"its certificate is not trusted ({cause.verify_message}); "
                problem += "SSL_CERT_FILE may name one of your own"
            # A message may repeat the URL, which may hold a token.
            problems.append(f"{place}: {problem.replace(url, '...') if url else problem}")
    return problems


def _post(url: str, body: Mapping[str, Any]) -> None:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method="POST")  # noqa: S310
    with urllib.request.urlopen(request, timeout=TIMEOUT_S):  # noqa: S310
        pass  # any answer but 2xx raises


def _mail(alert: Alert, secrets: Mapping[str, str], subject: str, text: str) -> None:
    message = EmailMessage()
    message["Subject"], message["From"] = subject, alert.sender
    message["To"] = ", ".join(alert.recipients)
    message.set_content(text)
    context, place = ssl.create_default_context(), (alert.smtp_host, alert.smtp_port)
    with (
        smtplib.SMTP_SSL(*place, timeout=TIMEOUT_S, context=context)
        if alert.smtp_security == "tls"
        else smtplib.SMTP(*place, timeout=TIMEOUT_S)
    ) as server:
        if alert.smtp_security == "starttls":
            server.starttls(context=context)
        if secrets.get(USER):
            server.login(secrets[USER], secrets.get(PASSWORD, ""))
        server.send_message(message)
