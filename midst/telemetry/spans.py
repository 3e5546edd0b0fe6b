"""Spans that no instrumentation makes: SQL statements with their call site, and commands.

A statement's span is made once it has ended, and only while a recorded span runs.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache
from pathlib import Path
from time import time_ns

from django.conf import settings
from django.utils.module_loading import import_string
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, get_current_span
from opentelemetry.util.types import AttributeValue

from midst.telemetry import tracing

_MAX_TEXT = 2000
_NS = 1_000_000_000
# These run until they are told to stop.
_SERVERS = frozenset({"metrics_server", "runserver", "shell", "dbshell", "stack"})


def is_recording() -> bool:
    """Say whether the request or task that runs here is traced."""
    return get_current_span().is_recording()


def statement(
    sql: str, labels: tuple[str, str], seconds: float, error: BaseException | None
) -> None:
    """Add the statement that has just ended, with the line of ours that asked for it.

    Attributes are those of OpenTelemetry's semantic conventions for databases and code; queryid
    is PostgreSQL's, where ``TRACES_QUERYID`` knows it.
    """
    if tracing.tracer is None:
        return
    operation, table = labels
    end = time_ns()
    span = tracing.tracer.start_span(
        f"{operation.upper()} {table}",
        kind=SpanKind.CLIENT,
        attributes=_attributes(sql, labels, _call_site(), _queryid_of()(sql)),
        start_time=end - int(seconds * _NS),
    )
    if error is not None:
        mark_failed(span, error)
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


def mark_failed(span: Span, error: BaseException) -> None:
    """Mark a span that still runs. Only the class is kept: a message may quote people."""
    span.set_attribute("error.type", type(error).__qualname__)
    span.set_status(Status(StatusCode.ERROR))


@contextmanager
def traced_command(arguments: Sequence[str]) -> Iterator[None]:
    """Trace ``manage.py NAME ...`` as one span if tracing is on; without its arguments."""
    name = arguments[1] if len(arguments) > 1 else "help"
    if name in _SERVERS or not tracing.is_wanted():
        yield
        return
    tracing.start()
    assert tracing.tracer is not None  # noqa: S101 -- just started
    with tracing.tracer.start_as_current_span(
        f"manage.py {name}", record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield
        except SystemExit:
            raise
        except BaseException as error:
            mark_failed(span, error)
            raise
        finally:
            span.end()
            tracing.stop()


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
