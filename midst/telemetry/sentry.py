"""Uncaught errors of requests, tasks and commands go to Sentry, once each, and nothing personal.

Off and silent without ``SENTRY_DSN``. Commands and threads by the SDK's integrations; those for
Django and Celery wrap every request and task and read headers and variables. Performance tracing
makes transactions of requests and tasks at ``SENTRY_TRACES_SAMPLE_RATE``, decided before anything
is built. An event carries the OpenTelemetry trace's id, and the span the event's.
"""

import sys
import threading
from datetime import UTC, datetime
from random import random
from time import time
from typing import Any

import sentry_sdk
from celery import signals
from django.conf import settings
from django.core.signals import got_request_exception
from django.http import HttpRequest
from opentelemetry.trace import format_span_id, format_trace_id, get_current_span
from sentry_sdk.integrations.atexit import AtexitIntegration
from sentry_sdk.integrations.excepthook import ExcepthookIntegration
from sentry_sdk.integrations.threading import ThreadingIntegration
from sentry_sdk.tracing import Transaction, TransactionSource
from sentry_sdk.types import Event, Hint

from midst.telemetry import request_context, tracing
from midst.telemetry.hiding import hidden

# An exit waits this long for the last event.
FLUSH_S = 2.0
_UID = "midst.telemetry.sentry"


def start() -> None:
    """Report from now on, if there is a DSN. Its threads start when they are needed."""
    global _share  # noqa: PLW0603
    _share = settings.SENTRY_TRACES_SAMPLE_RATE if settings.SENTRY_DSN else 0.0
    if not settings.SENTRY_DSN:
        return
    sentry_sdk.init(
        dsn=settings.SENTRY_DSN,
        environment=settings.SENTRY_ENVIRONMENT,
        release=settings.VERSION,
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[
            ExcepthookIntegration(),
            ThreadingIntegration(propagate_scope=False),
            AtexitIntegration(callback=lambda pending, timeout: None),
        ],
        ignore_errors=[KeyboardInterrupt],
        include_local_variables=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        auto_session_tracking=False,
        before_send=_before_send,
        traces_sample_rate=settings.SENTRY_TRACES_SAMPLE_RATE,
    )
    got_request_exception.connect(_on_request, dispatch_uid=_UID)
    signals.task_failure.connect(_on_task, dispatch_uid=_UID)


def stop() -> None:
    """Send what is left, but wait ``FLUSH_S`` at most."""
    if sentry_sdk.get_client().is_active():
        sentry_sdk.flush(FLUSH_S)


def _on_request(request: HttpRequest | None = None, **_: Any) -> None:
    error = sys.exc_info()[1]
    if error is None or request is None:
        return
    here = request_context.current.get()
    where = f"{request.method} {request_context.route_of(request)}"
    _report(error, where, request_id=here.id if here else None)


def _on_task(sender: Any, exception: BaseException, task_id: str = "", **_: Any) -> None:
    if not isinstance(exception, tuple(sender.throws)):
        _report(exception, sender.name, task_id=task_id)


# The share of requests and tasks that become transactions; 0: none.
_share = 0.0


def is_chosen() -> bool:
    """Decide whether a request or task becomes a transaction."""
    return bool(_share) and random() < _share  # noqa: S311 -- which ones is no secret


def begin_transaction(
    name: str, op: str = "http.server", *, started: float | None = None
) -> Transaction | None:
    """Begin a transaction, for which ``is_chosen`` has decided; ``end_transaction`` ends it.

    ``started``: when it began (s since 1970), if that is not now.
    """
    begun = sentry_sdk.start_transaction(op=op, name=name, sampled=True, start_timestamp=started)
    if not isinstance(begun, Transaction):
        return None
    return begun.__enter__()


def end_transaction(
    transaction: Transaction, name: str, *, status: int | None = None, failed: bool = False
) -> None:
    """End it under ``name``: a URL template or a task, never an address."""
    transaction.name, transaction.source = name, TransactionSource.ROUTE
    trace = tracing.trace_id()
    if trace is not None:
        transaction.set_tag("otel.trace_id", trace)
    if status is not None:
        transaction.set_http_status(status)
    elif failed:
        transaction.set_status("internal_error")
    transaction.__exit__(None, None, None)


def add_statement(transaction: Transaction, name: str, seconds: float) -> None:
    """Add a statement that has ended just now, by its operation and table."""
    now = time()
    span = transaction.start_child(
        op="db", name=name, start_timestamp=datetime.fromtimestamp(now - seconds, UTC)
    )
    span.finish(end_timestamp=datetime.fromtimestamp(now, UTC))


def _report(error: BaseException, where: str, **tags: str | None) -> None:
    with sentry_sdk.new_scope() as scope:
        scope.set_transaction_name(where)
        for name, value in tags.items():
            if value:
                scope.set_tag(name, value)
        event = scope.capture_exception(error)
    span = get_current_span()
    if event is not None and span.is_recording():
        span.set_attribute("sentry.event_id", event)


def _before_send(event: Event, hint: Hint) -> Event:
    """Hide what a message may hold of people and keys; name the trace it happened in."""
    for each in event.get("exception", {}).get("values", []):
        each["value"] = hidden(str(each.get("value", "")))
    event.pop("breadcrumbs", None)
    # What ends a command or a thread comes from the SDK's own hooks, which name neither.
    thread = threading.current_thread()
    is_main = thread is threading.main_thread()
    where = " ".join(["manage.py", *sys.argv[1:2]]) if is_main else f"thread {thread.name}"
    event.setdefault("transaction", where)
    here = get_current_span().get_span_context()
    if here.is_valid:
        event.setdefault("contexts", {})["trace"] = {
            "trace_id": format_trace_id(here.trace_id),
            "span_id": format_span_id(here.span_id),
            "type": "trace",
        }
    return event
