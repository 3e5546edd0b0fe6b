"""Structured logs: JSON in production, lines for people in development; one line per request."""

import logging
import os
import re
import sys
from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import cache
from random import getrandbits
from typing import Any

import msgspec
import structlog
from msgspec import UNSET, UnsetType
from structlog.typing import EventDict, Processor

from midst.telemetry import spans

HEADER = "X-Request-ID"
_META = "HTTP_X_REQUEST_ID"
_WELL_FORMED = re.compile(r"[A-Za-z0-9._-]{8,64}")

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
_requests = logging.getLogger("midst.request")
_encoder = msgspec.json.Encoder(enc_hook=str)
_STDERR = 2


def identify(meta: dict[str, Any]) -> str:
    """Return the id that the client gave, when it is well-formed, else a new one."""
    given = meta.get(_META)
    if given is not None and _WELL_FORMED.fullmatch(given):
        return str(given)
    return f"{getrandbits(64):016x}"


class RequestLine(msgspec.Struct, gc=False):
    """One request, as JSON has it: numbers and names, of what a client has sent the path alone."""

    method: str
    path: str
    status: int
    route: str
    duration_ms: float
    queries: int
    queries_ms: float
    time: datetime | UnsetType = UNSET
    request_id: str | UnsetType = UNSET
    trace_id: str | UnsetType = UNSET
    event: str = "request"
    level: str = "info"
    logger: str = _requests.name


def request_line(line: RequestLine) -> None:
    """Log one request.

    As JSON it does not go through the formatters: each request pays for its line. It is one
    system call, so that lines of threads and processes do not mix.
    """
    if not _requests.isEnabledFor(logging.INFO):
        return
    if not _is_json():
        _requests.info(
            "%s %s %s route=%s duration_ms=%s queries=%s queries_ms=%s",
            line.method, line.path, line.status,
            line.route, line.duration_ms, line.queries, line.queries_ms,
        )  # fmt: skip
        return
    line.time = datetime.now(UTC)
    line.request_id = request_id.get() or UNSET
    line.trace_id = spans.trace_id() or UNSET
    # A log that nobody can take any more (its disk is full, its reader gone) fails no request.
    with suppress(OSError):
        os.write(_STDERR, _encoder.encode(line) + b"\n")


def json_formatter() -> logging.Formatter:
    """For ``LOGGING``: one JSON object a line, from any logger."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.add_logger_name, *_common()],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_text),
        ],
    )


def human_formatter() -> logging.Formatter:
    """For ``LOGGING``: lines to read; the ids come last."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.add_logger_name, *_common()],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
    )


def _common() -> list[Processor]:
    return [
        structlog.stdlib.add_log_level,
        _add_ids,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    ]


def _add_ids(logger: Any, name: str, event: EventDict) -> EventDict:
    request, trace = request_id.get(), spans.trace_id()
    if request is not None:
        event["request_id"] = request
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
