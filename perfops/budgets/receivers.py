"""Who is sent alerts: mail addresses and webhooks of the settings, each with a bounded time."""

import json
import logging
from collections.abc import Iterator
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from django.core.mail import EmailMessage, get_connection

from perfops.budgets.alerts import Alert
from perfops.budgets.selectors import Judgement
from perfops.conf import conf
from perfops.formatting import first_line

log = logging.getLogger(__name__)


def send(alert: Alert) -> list[str]:
    """Send ``alert`` to every receiver of the settings; return a sentence for each that failed.

    Each has ``ALERT_TIMEOUT_S``. Addresses of webhooks are secrets: only their host is named.
    """
    return list(_failures(alert))


def _failures(alert: Alert) -> Iterator[str]:
    if conf().ALERT_EMAILS:
        try:
            _mail(alert, conf().ALERT_EMAILS)
        except Exception as error:
            log.exception("alert of run %s was not mailed", alert.run.pk)
            yield f"The alert could not be mailed: {first_line(error)}."
    for url in conf().ALERT_WEBHOOKS:
        yield from _posted(alert, url, as_json(alert))
    for url in conf().ALERT_SLACK_WEBHOOKS:
        yield from _posted(alert, url, as_slack(alert))


def _mail(alert: Alert, receivers: tuple[str, ...]) -> None:
    connection = get_connection(timeout=conf().ALERT_TIMEOUT_S)
    body = "\n".join([*alert.lines, ""])
    EmailMessage(alert.subject, body, to=receivers, connection=connection).send()


def as_json(alert: Alert) -> dict[str, object]:
    """Return the body of a generic webhook; values in the units of ``Budget``."""
    return {
        "version": 1,
        "subject": alert.subject,
        "run": alert.run.pk,
        "scenario": alert.run.scenario,
        "target": alert.run.target,
        "violated": [_as_row(each) for each in alert.begun],
        "over": [_as_row(each) for each in alert.over],
    }


def _as_row(each: Judgement) -> dict[str, object]:
    names = ("name", "action", "value", "target", "threshold", "reason")
    return {name: getattr(each, name) for name in names}


def as_slack(alert: Alert) -> dict[str, object]:
    """Return the body of an incoming webhook of Slack, and of those that understand it."""
    text = "\n".join([f"*{alert.subject}*", *alert.lines])
    return {"text": text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")}


class _NoRedirects(HTTPRedirectHandler):
    """A receiver that moved is no receiver: nothing is sent where no setting says so."""

    def redirect_request(self, *_: object) -> None:
        return None


def _posted(alert: Alert, url: str, body: dict[str, object]) -> Iterator[str]:
    host = urlsplit(url).hostname or "a webhook without a host"
    if urlsplit(url).scheme not in {"http", "https"}:
        yield f"The alert was not taken by {host}: its URL is neither http nor https."
        return
    try:
        request = Request(  # noqa: S310 -- checked above
            url, json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST"
        )
        with build_opener(_NoRedirects).open(request, timeout=conf().ALERT_TIMEOUT_S):
            pass
    except (OSError, URLError, ValueError) as error:
        # Never the traceback: it has the URL.
        said = first_line(error).replace(url, host)
        log.error("alert of run %s was not taken by %s: %s", alert.run.pk, host, said)  # noqa: TRY400
        yield f"The alert was not taken by {host}: {said}."
