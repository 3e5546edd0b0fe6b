"""Counts, times and traces every statement Django sends; looks at the pools.

A statement's text is looked at once. Its span is made when it has ended, and only while a recorded
span runs. The pools are looked at once a second: no request pays for it.
"""

import re
import sys
from collections.abc import Callable
from functools import cache, lru_cache
from pathlib import Path
from threading import Event, Thread
from time import perf_counter, time_ns
from typing import Any

from django.conf import settings
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.utils.module_loading import import_string
from django_prometheus import db as django_db
from django_prometheus import models as django_models
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer, get_current_span
from opentelemetry.util.types import AttributeValue
from prometheus_client import Counter, Histogram

from midst.telemetry import metrics, request_context, sentry, tracing

POOL_INTERVAL_S = 1.0

_in_use = metrics.ACTIVE_CONNECTIONS.labels("database_in_use")
_idle = metrics.ACTIVE_CONNECTIONS.labels("database_idle")
_waiting = metrics.ACTIVE_CONNECTIONS.labels("database_waiting")

Execute = Callable[[str, Any, bool, dict[str, Any]], Any]

_MAX_TEXT = 2000
_NS = 1_000_000_000

_OPERATION = re.compile(
    r"\s*(?:/\*.*?\*/\s*)*(?:WITH\b.*?\)\s*)?(SELECT|INSERT|UPDATE|DELETE)\b", re.I | re.S
)
_TABLE = re.compile(r'\b(?:FROM|INTO|UPDATE)\s+(?:ONLY\s+)?((?:"[^"]+"|\w+)(?:\."?\w+"?)?)', re.I)


def classify(sql: str) -> tuple[str, str]:
    """Return ``(operation, table)`` of a statement; ``("other", "none")`` when it has neither.

    Only tables that a model knows are named: the rest, from raw SQL, share ``other``.
    """
    found = _OPERATION.match(sql)
    if found is None:
        return "other", "none"
    operation = found[1].lower()
    table = _TABLE.search(sql, found.start(1))
    if table is None:
        return operation, "none"
    name = table[1].strip('"')
    return operation, name if name in _known_tables() else "other"


@cache
def _known_tables() -> frozenset[str]:
    from django.db import connection

    return frozenset(connection.introspection.django_table_names(include_views=False))


@lru_cache(maxsize=2048)
def _measured(sql: str) -> tuple[Counter, Histogram, tuple[str, str]]:
    labels = classify(sql)
    return metrics.DB_QUERIES.labels(*labels), metrics.DB_DURATION.labels(*labels), labels


def measure(execute: Execute, sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
    """Django's ``execute_wrapper``: run the statement, then count and time it."""
    failure: BaseException | None = None
    start = perf_counter()
    try:
        return execute(sql, params, many, context)
    except BaseException as error:
        failure = error
        raise
    finally:
        seconds = perf_counter() - start
        text = sql if isinstance(sql, str) else str(sql)
        count, duration, labels = _measured(text)
        count.inc()
        duration.observe(seconds)
        request = request_context.current.get()
        if request is not None:
            request.queries += 1
            request.queries_s += seconds
            if request.transaction is not None:
                sentry.add_statement(request.transaction, " ".join(labels), seconds)
        if tracing.tracer is not None and get_current_span().is_recording():
            _add_span(tracing.tracer, text, labels, seconds, failure)
        if failure is not None:
            django_db.errors_total.labels(*_names(context), type(failure).__name__).inc()
        # An exception and its frame would keep each other.
        failure = None


def _add_span(
    tracer: Tracer, sql: str, labels: tuple[str, str], seconds: float, error: BaseException | None
) -> None:
    """Make the span of the statement that has just ended, with the line of ours that asked.

    Attributes are those of OpenTelemetry's semantic conventions for databases and code; queryid
    is PostgreSQL's, where ``TRACES_QUERYID`` knows it.
    """
    operation, table = labels
    end = time_ns()
    span = tracer.start_span(
        f"{operation.upper()} {table}",
        kind=SpanKind.CLIENT,
        attributes=_attributes(sql, labels, _call_site(), _queryid_of()(sql)),
        start_time=end - int(seconds * _NS),
    )
    if error is not None:
        # Only the class is kept: a message may quote people.
        span.set_attribute("error.type", type(error).__qualname__)
        span.set_status(Status(StatusCode.ERROR))
    span.end(end)


@lru_cache(maxsize=1024)
def _attributes(
    sql: str, labels: tuple[str, str], site: tuple[str, int, str] | None, queryid: int | None
) -> dict[str, AttributeValue]:
    operation, table = labels
    attributes: dict[str, AttributeValue] = {
        "db.system.name": "postgresql",
        "db.operation.name": operation.upper(),
        "db.query.text": sql[:_MAX_TEXT],
    }
    if table not in {"none", "other"}:
        attributes["db.collection.name"] = table
    if site is not None:
        attributes["code.file.path"], attributes["code.line.number"], name = site
        attributes["code.function.name"] = name
    if queryid is not None:
        attributes["db.postgresql.queryid"] = str(queryid)
    return attributes


def _call_site() -> tuple[str, int, str] | None:
    """Return file, line and function of the innermost frame that is the project's."""
    frame = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        path = _project_path(code.co_filename)
        if path is not None:
            return path, frame.f_lineno, code.co_qualname
        frame = frame.f_back  # type: ignore[assignment]
    return None


@cache
def _project_path(filename: str) -> str | None:
    path = Path(filename)
    if not path.is_relative_to(settings.BASE_DIR) or "site-packages" in path.parts:
        return None
    inside = path.relative_to(settings.BASE_DIR)
    return None if inside.parts[:2] == ("midst", "telemetry") else str(inside)


@cache
def _queryid_of() -> Callable[[str], int | None]:
    """``TRACES_QUERYID`` names a function that knows PostgreSQL's id of a statement."""
    if not settings.TRACES_QUERYID:
        return lambda _: None
    found: Callable[[str], int | None] = import_string(settings.TRACES_QUERYID)
    return found


def install() -> None:
    """Measure every connection that is opened from now on."""
    connection_created.connect(_on_connection, dispatch_uid="midst.telemetry.database")


def _on_connection(connection: BaseDatabaseWrapper, **_: object) -> None:
    django_db.connections_total.labels(connection.alias, connection.vendor).inc()
    if measure in connection.execute_wrappers:
        return
    connection.execute_wrappers.append(measure)
    if settings.DJANGO_PROMETHEUS_MIDDLEWARE:
        connection.execute_wrappers.append(_measure_for_django_prometheus)


def count_failed_connection(connection: BaseDatabaseWrapper) -> None:
    """Count a connection that could not be had, of the server or of the pool."""
    django_db.connection_errors_total.labels(connection.alias, connection.vendor).inc()


_MODEL_OPERATIONS = {
    "insert": django_models.model_inserts,
    "update": django_models.model_updates,
    "delete": django_models.model_deletes,
}


def _measure_for_django_prometheus(
    execute: Execute, sql: Any, params: Any, many: bool, context: dict[str, Any]
) -> Any:
    """Count and time a statement under django-prometheus' own names too.

    What models do is told from statements: its mixin sees neither ``bulk_create()`` nor
    ``update()``, and a receiver of signals would make each ``delete()`` of many load them first.
    """
    names, number = _names(context), len(params) if many else 1
    django_db.execute_total.labels(*names).inc(number)
    if many:
        django_db.execute_many_total.labels(*names).inc(number)
    *_, (operation, table) = _measured(str(sql))
    if operation in _MODEL_OPERATIONS and table not in {"none", "other"}:
        _MODEL_OPERATIONS[operation].labels(table).inc(number)
    with django_db.query_duration_seconds.labels(*names).time():
        return execute(sql, params, many, context)


def _names(context: dict[str, Any]) -> tuple[str, str]:
    return context["connection"].alias, context["connection"].vendor


def watch_pools() -> Event:
    """Look at this process' pools until the returned event is set; started after the fork."""
    stop = Event()

    def look() -> None:
        while not stop.wait(POOL_INTERVAL_S):
            sample_pools()

    Thread(target=look, name="pool-metrics", daemon=True).start()
    return stop


def sample_pools() -> None:
    """Set the gauges from what the pools say of themselves."""
    most = size = idle = waiting = 0
    for alias in connections:
        pool = getattr(connections[alias], "pool", None)
        if pool is None:
            continue
        most += pool.max_size
        # It says that it has connections even before it is opened.
        if pool.closed:
            continue
        stats = pool.get_stats()
        size += stats["pool_size"]
        idle += stats["pool_available"]
        waiting += stats["requests_waiting"]
    metrics.DATABASE_POOL_MAX.set(most)
    _in_use.set(size - idle)
    _idle.set(idle)
    _waiting.set(waiting)
