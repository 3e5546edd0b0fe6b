"""Who is sent alerts: mail addresses and webhooks of the settings, each with a bounded time."""

import json
import logging
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from django.core.mail import EmailMessage, get_connection

from perfops.budgets import alert_formats
from perfops.budgets.alerts import Alert
from perfops.conf import conf
from perfops.formatting import first_line

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Receiver:
    """One place that alerts go to. ``address`` is a secret, or people's mail addresses."""

    kind: Literal["mail", "json", "slack"]
    address: tuple[str, ...]

    @property
    def key(self) -> str:
        """Return a digest that tells receivers apart and does not give the address away."""
        return sha256("\n".join([self.kind, *self.address]).encode()).hexdigest()


def receivers() -> list[Receiver]:
    """Return the receivers of the settings."""
    mail = [Receiver("mail", conf().ALERT_EMAILS)] if conf().ALERT_EMAILS else []
    plain = [Receiver("json", (url,)) for url in conf().ALERT_WEBHOOKS]
    return [*mail, *plain, *(Receiver("slack", (url,)) for url in conf().ALERT_SLACK_WEBHOOKS)]


def send(alert: Alert, receiver: Receiver) -> str:
    """Send ``alert``; return a sentence that says what failed, or "".

    It takes ``ALERT_TIMEOUT_S`` at most. Addresses of webhooks are secrets: only their host is
    named.
    """
    if receiver.kind != "mail":
        body = (
            alert_formats.as_json(alert)
            if receiver.kind == "json"
            else alert_formats.as_slack(alert)
        )
        return _posted(alert, receiver.address[0], body)
    try:
        _mail(alert, receiver.address)
    except Exception as error:
        log.exception("alert of run %s was not mailed", alert.run.pk)
        return f"The alert could not be mailed: {first_line(error)}."
    return ""


def _mail(alert: Alert, receivers: tuple[str, ...]) -> None:
    connection = get_connection(timeout=conf().ALERT_TIMEOUT_S)
    body = "\n".join([*alert.lines, ""])
    EmailMessage(alert.subject, body, to=receivers, connection=connection).send()


class _NoRedirects(HTTPRedirectHandler):
    """A receiver that moved is no receiver: nothing is sent where no setting says so."""

    def redirect_request(self, *_: object) -> None:
        return None


def _posted(alert: Alert, url: str, body: dict[str, object]) -> str:
    headers = {"Content-Type": "application/json"}
    return post(url, json.dumps(body).encode(), headers, about=f"alert of run {alert.run.pk}")


def post(url: str, body: bytes, headers: dict[str, str], *, about: str) -> str:
    """Send ``body`` to a URL of the settings; return a sentence that says what failed, or "".

    No redirect is followed; of the URL, only the host is named. It takes ``ALERT_TIMEOUT_S``.
    """
    host = urlsplit(url).hostname or "a webhook without a host"
    if urlsplit(url).scheme not in {"http", "https"}:
        return f"The alert was not taken by {host}: its URL is neither http nor https."
    try:
        request = Request(url, body, headers, method="POST")  # noqa: S310 -- checked above
        with build_opener(_NoRedirects).open(request, timeout=conf().ALERT_TIMEOUT_S):
            return ""
    except (OSError, URLError, ValueError) as error:
        if isinstance(error, HTTPError):
            error.close()
        # Never the traceback: it has the URL.
        said = first_line(error).replace(url, host)
        log.error("%s was not taken by %s: %s", about, host, said)  # noqa: TRY400
        return f"The alert was not taken by {host}: {said}."
