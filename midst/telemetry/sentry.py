"""Uncaught errors of requests, tasks and commands go to Sentry, once each, and nothing personal.

Off and silent without ``SENTRY_DSN``. None of the SDK's integrations: they wrap every request
and task and read headers and variables. Nor its tracing, which would measure again what
OpenTelemetry measures: an event carries the trace's id, and the span the event's.
"""

import re
import sys
from types import TracebackType
from typing import Any

import sentry_sdk
from celery import signals
from django.conf import settings
from django.core.signals import got_request_exception
from django.http import HttpRequest
from sentry_sdk.types import Event, Hint

from midst.telemetry import request_context, spans
from midst.telemetry.request_context import UNMATCHED, template

# An exit waits this long for the last event.
FLUSH_S = 2.0
_UID = "midst.telemetry.sentry"
_HIDDEN = "[hidden]"
_SECRETS = (
    # What PostgreSQL tells of the row, or of a statement's parameters.
    re.compile(r"^(DETAIL|CONTEXT):.*", re.M | re.S),
    # RFC 5322 allows more than letters before the @.
    re.compile(r"[^\s@<>()\[\],;:\"]+@[\w-]+(\.[\w-]+)+"),
    re.compile(r"\bmidst_[\w-]+|\beyJ[\w-]+\.[\w-]+\.[\w-]*"),
    re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]+"),
    re.compile(r"(?<=://)[^\s/@]+@"),
    re.compile(
        r"(?i)\b\w*(passw(or)?d|secret|token|cookie|session|authorization|api_?key)\w*"
        r"['\"]?\s*[:=]\s*(['\"][^'\"]*['\"]|[^\s,;&}]+)"
    ),
)


def start() -> None:
    """Report from now on, if there is a DSN. Its threads start when they are needed."""
    if not settings.SENTRY_DSN:
        return
    sentry_sdk.init(
        dsn=settings.SENTRY_DSN,
        environment=settings.SENTRY_ENVIRONMENT,
        release=settings.VERSION,
        default_integrations=False,
        auto_enabling_integrations=False,
        include_local_variables=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        auto_session_tracking=False,
        before_send=_before_send,
    )
    got_request_exception.connect(_on_request, dispatch_uid=_UID)
    signals.task_failure.connect(_on_task, dispatch_uid=_UID)
    if sys.excepthook is not _on_exit:
        global _excepthook
        _excepthook, sys.excepthook = sys.excepthook, _on_exit


def stop() -> None:
    """Send what is left, but wait ``FLUSH_S`` at most."""
    if sentry_sdk.get_client().is_active():
        sentry_sdk.flush(FLUSH_S)


def _on_request(request: HttpRequest | None = None, **_: Any) -> None:
    error = sys.exc_info()[1]
    if error is None or request is None:
        return
    match = request.resolver_match
    route = template(match.route) if match else UNMATCHED
    here = request_context.current.get()
    _report(error, f"{request.method} {route}", request_id=here.id if here else None)


def _on_task(sender: Any, exception: BaseException, task_id: str = "", **_: Any) -> None:
    if not isinstance(exception, tuple(sender.throws)):
        _report(exception, sender.name, task_id=task_id)


def _on_exit(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    """What ends a command. An interrupt is no error."""
    if isinstance(error, Exception):
        _report(error, " ".join(["manage.py", *sys.argv[1:2]]))
        stop()
    _excepthook(kind, error, traceback)


_excepthook = sys.excepthook


def _report(error: BaseException, where: str, **tags: str | None) -> None:
    with sentry_sdk.new_scope() as scope:
        scope.set_transaction_name(where)
        for name, value in tags.items():
            if value:
                scope.set_tag(name, value)
        event = scope.capture_exception(error)
    span = spans.recorded.get()
    if span is not None and event is not None:
        span.set_attribute("sentry.event_id", event)


def _before_send(event: Event, hint: Hint) -> Event:
    """Hide what a message may hold of people and keys; name the trace it happened in."""
    for each in event.get("exception", {}).get("values", []):
        each["value"] = hidden(str(each.get("value", "")))
    event.pop("breadcrumbs", None)
    trace = spans.trace_id()
    if trace is not None:
        event.setdefault("contexts", {})["trace"] = {
            "trace_id": trace,
            "span_id": spans.span_id(),
            "type": "trace",
        }
    return event


def hidden(text: str) -> str:
    """Return ``text`` without addresses, tokens, passwords and the rows of database errors."""
    for secret in _SECRETS:
        text = secret.sub(_HIDDEN, text)
    return text
