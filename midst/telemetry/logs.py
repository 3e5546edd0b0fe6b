"""Structured logs: JSON in production, lines for people in development; one line per request."""

import logging
import os
import re
import sys
from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import cache
from secrets import token_hex
from typing import Any

import msgspec
import structlog
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
    return token_hex(8)


def request_line(*, method: str, path: str, status: int, **figures: Any) -> None:
    """Log one request; ``figures`` are numbers and names, never what a client has sent."""
    if not _requests.isEnabledFor(logging.INFO):
        return
    if _is_json():
        _write_json(method=method, path=path, status=status, **figures)
    else:
        rest = " ".join(f"{name}={value}" for name, value in figures.items())
        _requests.info("%s %s %s %s", method, path, status, rest)


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
    event.update(_ids())
    return event


def _ids() -> dict[str, str]:
    found = {}
    request = request_id.get()
    if request is not None:
        found["request_id"] = request
    trace = spans.trace_id()
    if trace is not None:
        found["trace_id"] = trace
    return found


@cache
def _is_json() -> bool:
    handlers = logging.getLogger().handlers
    return any(
        isinstance(each.formatter, structlog.stdlib.ProcessorFormatter)
        and any(isinstance(p, structlog.processors.JSONRenderer) for p in each.formatter.processors)
        for each in handlers
    )


def _write_json(**event: Any) -> None:
    """Write what ``json_formatter`` would, at half its price: each request pays this.

    One system call a line, so that lines of threads and processes do not mix.
    """
    line: dict[str, Any] = {
        **event,
        "event": "request",
        "level": "info",
        "logger": _requests.name,
        **_ids(),
    }
    line["time"] = datetime.now(UTC)
    # A log that nobody can take any more (its disk is full, its reader gone) fails no request.
    with suppress(OSError):
        os.write(_STDERR, _encoder.encode(line) + b"\n")


def _text(event: EventDict, **_: Any) -> str:
    return _encoder.encode(event).decode()
