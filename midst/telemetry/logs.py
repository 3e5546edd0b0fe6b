"""Structured logs: JSON in production, lines for people in development; one line per request."""

import logging
import os
import select
import sys
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from typing import Any

import msgspec
import structlog
from msgspec import UNSET, UnsetType
from structlog.typing import EventDict, Processor

from midst.telemetry import request_context, tracing
from midst.telemetry.hiding import hidden, one_line, traceback_text
from midst.telemetry.request_context import Request

_requests = logging.getLogger("midst.request")
_encoder = msgspec.json.Encoder(enc_hook=str)
_STDERR = 2


class _Line(msgspec.Struct, gc=False):
    """One request as JSON has it: of what a client has sent the path alone."""

    method: str
    path: str
    status: int
    route: str
    duration_ms: float
    queries: int
    queries_ms: float
    request_id: str
    trace_id: str | UnsetType
    time: datetime
    event: str = "request"
    level: str = "info"
    logger: str = _requests.name


def are_requests_logged() -> bool:
    return _requests.isEnabledFor(logging.INFO)


def may_wait() -> bool:
    """Say whether a line would have to wait for who reads the log: its pipe is full."""
    return are_requests_logged() and not _stderr().poll(0)


@cache
def _stderr() -> select.poll:
    found = select.poll()
    found.register(_STDERR, select.POLLOUT)
    return found


def log_request(
    request: Request, path: str, status: int, route: str, seconds: float, trace_id: str | None
) -> None:
    """Log a request that has been answered.

    As JSON it does not go through the formatters: they take ten times as long. Each line is one
    write, so lines of several processes never mix (up to Linux' PIPE_BUF).
    """
    line = _Line(
        request.method, path, status, route, round(seconds * 1000, 2),
        request.queries, round(request.queries_s * 1000, 2), request.id,
        trace_id or UNSET, datetime.now(UTC),
    )  # fmt: skip
    if _is_json():
        # A log that nobody can take any more (its disk is full, its reader gone) fails no request.
        with suppress(OSError):
            os.write(_STDERR, _encoder.encode(line) + b"\n")
        return
    _requests.info(
        "%s %s %s route=%s duration_ms=%s queries=%s queries_ms=%s",
        line.method, path, status, route, line.duration_ms, line.queries, line.queries_ms,
    )  # fmt: skip


def json_formatter() -> logging.Formatter:
    """For ``LOGGING``: one JSON object a line, from any logger."""
    return _formatter(structlog.processors.JSONRenderer(serializer=_text))


def human_formatter() -> logging.Formatter:
    """For ``LOGGING``: lines to read; the ids come last."""
    # By default it prints local variables where the package rich is there.
    console = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )
    return _formatter(_on_one_line, console)


def _formatter(*rendering: Processor) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_logger_name,
            structlog.stdlib.add_log_level,
            _add_ids,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _without_secrets,
            structlog.processors.ExceptionRenderer(traceback_text),
            *rendering,
        ],
    )


def _without_secrets(logger: Any, name: str, event: EventDict) -> EventDict:
    """Who logs an error often puts its message into the line as well."""
    if event.get("exc_info"):
        event["event"] = hidden(str(event["event"]))
    return event


def _on_one_line(logger: Any, name: str, event: EventDict) -> EventDict:
    for key, value in event.items():
        if isinstance(value, str) and key != "exception":
            event[key] = one_line(value)
    return event


def _add_ids(logger: Any, name: str, event: EventDict) -> EventDict:
    request, trace = request_context.current.get(), tracing.trace_id()
    if request is not None:
        event["request_id"] = request.id
    if trace is not None:
        event["trace_id"] = trace
    return event


@cache
def _is_json() -> bool:
    handlers = logging.getLogger().handlers
    return any(
        isinstance(each.formatter, structlog.stdlib.ProcessorFormatter)
        and any(isinstance(p, structlog.processors.JSONRenderer) for p in each.formatter.processors)
        for each in handlers
    )


def _text(event: EventDict, **_: Any) -> str:
    return _encoder.encode(event).decode()
