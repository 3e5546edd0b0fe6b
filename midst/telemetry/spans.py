"""Spans on the hot path. A request that is not sampled pays for one decision, and nothing after.

The stock instrumentations start a span for each statement and command even when nobody will see
it. Here a statement that has ended becomes a span, and only when its request is recorded.
"""

import sys
from collections.abc import Callable
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from time import time_ns

from django.conf import settings
from django.utils.module_loading import import_string
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, get_current_span
from opentelemetry.util.types import AttributeValue

_MAX_TEXT = 2000
_NS = 1_000_000_000

# None while this process is not traced.
tracer: Tracer | None = None
# The span of the request or task that runs here, if it is recorded.
recorded: ContextVar[Span | None] = ContextVar("recorded", default=None)


def start(new: Tracer) -> None:
    global tracer  # noqa: PLW0603
    tracer = new


def stop() -> None:
    global tracer  # noqa: PLW0603
    tracer = None


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
    operation, table = labels
    attributes: dict[str, AttributeValue] = {
        "db.system.name": "postgresql",
        "db.operation.name": operation.upper(),
        "db.query.text": sql[:_MAX_TEXT],
    }
    if table not in {"none", "other"}:
        attributes["db.collection.name"] = table
    attributes.update(call_site())
    queryid = _queryid_of()(sql)
    if queryid is not None:
        attributes["db.postgresql.queryid"] = str(queryid)
    _ended(f"{operation.upper()} {table}", seconds, attributes, error)


def command(operation: str, seconds: float) -> None:
    """Add the Redis command that has just been answered."""
    attributes: dict[str, AttributeValue] = {
        "db.system.name": "redis",
        "db.operation.name": operation.upper(),
    }
    _ended(operation.upper(), seconds, attributes, None)


def _ended(
    name: str,
    seconds: float,
    attributes: dict[str, AttributeValue],
    error: BaseException | None,
) -> None:
    if tracer is None:
        return
    now = time_ns()
    started = now - int(seconds * _NS)
    span = tracer.start_span(name, kind=SpanKind.CLIENT, attributes=attributes, start_time=started)
    if error is not None:
        failed(span, error)
    span.end(now)


def failed(span: Span, error: BaseException) -> None:
    """Mark a span by the error's class: its message may hold what people have written."""
    span.set_attribute("error.type", type(error).__qualname__)
    span.set_status(Status(StatusCode.ERROR))


def call_site() -> dict[str, AttributeValue]:
    """Return file, line and function of the innermost frame that is the project's; or nothing."""
    frame = sys._getframe(1)
    while frame is not None:
        path = _project_path(frame.f_code.co_filename)
        if path is not None:
            return {
                "code.file.path": path,
                "code.line.number": frame.f_lineno,
                "code.function.name": frame.f_code.co_qualname,
            }
        frame = frame.f_back  # type: ignore[assignment]
    return {}


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
