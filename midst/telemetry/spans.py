"""Spans on the hot path. A request that is not sampled pays for one decision, and nothing after.

The stock instrumentations start a span for each statement and command even when nobody will see
it. Here a statement that has ended becomes a span, and only when its request is recorded.
"""

import sys
from collections.abc import Callable
from contextvars import ContextVar, Token
from functools import cache, lru_cache
from pathlib import Path
from time import time_ns
from typing import cast

from django.conf import settings
from django.utils.module_loading import import_string
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace import Span as RecordedSpan
from opentelemetry.trace import Span, Status, StatusCode, Tracer, get_current_span
from opentelemetry.util.types import AttributeValue

from midst.telemetry.client_spans import ClientSpan, Kind

_MAX_TEXT = 2000
_NS = 1_000_000_000

# None while this process is not traced.
tracer: Tracer | None = None
# Takes what has ended.
_take: Callable[[ReadableSpan], None] | None = None
# The span of the request or task that runs here, if it is recorded.
recorded: ContextVar[RecordedSpan | None] = ContextVar("recorded", default=None)
Kept = Token[RecordedSpan | None]


def start(new: Tracer, take: Callable[[ReadableSpan], None]) -> None:
    """Trace with ``new``, whose spans ``take`` gets once they have ended."""
    global tracer, _take
    tracer, _take = new, take
    _of_statement.cache_clear()
    _of_command.cache_clear()


def stop() -> None:
    global tracer, _take  # noqa: PLW0603
    tracer = _take = None


def keep(span: Span) -> Kept:
    """Make ``span`` the one that runs here; reset ``recorded`` at its end."""
    return recorded.set(cast(RecordedSpan, span) if span.is_recording() else None)


def trace_id() -> str | None:
    """Return the present trace's id, sampled or not; None outside of any."""
    if tracer is None:
        return None
    context = get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else None


def span_id() -> str:
    """Return the present span's id; zeros outside of any."""
    return f"{get_current_span().get_span_context().span_id:016x}"


def exemplar(span: Span) -> dict[str, str]:
    """Return what a latency bucket keeps of a recorded request."""
    return {"trace_id": f"{span.get_span_context().trace_id:032x}"}


def statement(
    sql: str, labels: tuple[str, str], seconds: float, error: BaseException | None
) -> None:
    """Add the statement that has just ended, with the line of ours that asked for it."""
    _ended(_of_statement(sql, labels, call_site(), _queryid_of()(sql), _name(error)), seconds)


def command(operation: str, seconds: float) -> None:
    """Add the Redis command that has just been answered."""
    _ended(_of_command(operation), seconds)


@lru_cache(maxsize=1024)
def _of_statement(
    sql: str,
    labels: tuple[str, str],
    site: tuple[str, int, str] | None,
    queryid: int | None,
    error: str | None,
) -> Kind:
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
    return Kind(f"{operation.upper()} {table}", attributes, error)


@lru_cache(maxsize=256)
def _of_command(operation: str) -> Kind:
    name = operation.upper()
    return Kind(name, {"db.system.name": "redis", "db.operation.name": name})


def _ended(kind: Kind, seconds: float) -> None:
    around = recorded.get()
    if _take is None or around is None:
        return
    end = time_ns()
    parent = get_current_span().get_span_context()
    _take(ClientSpan(kind, parent, start=end - int(seconds * _NS), end=end, beside=around))


def _name(error: BaseException | None) -> str | None:
    """Return its class: its message may hold what people have written."""
    return None if error is None else type(error).__qualname__


def failed(span: Span, error: BaseException) -> None:
    """Mark a span that still runs."""
    span.set_attribute("error.type", str(_name(error)))
    span.set_status(Status(StatusCode.ERROR))


def call_site() -> tuple[str, int, str] | None:
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
