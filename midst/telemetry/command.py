"""A management command as one span, where it is one piece of work."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from opentelemetry import context
from opentelemetry.trace import set_span_in_context

from midst.telemetry import spans, tracing

# These run until they are told to stop.
_SERVERS = frozenset({"metrics_server", "runserver", "shell", "dbshell", "stack"})


@contextmanager
def traced(arguments: Sequence[str]) -> Iterator[None]:
    """Trace ``manage.py NAME ...`` if tracing is on; its arguments stay out of it."""
    name = arguments[1] if len(arguments) > 1 else "help"
    if name in _SERVERS or not tracing.is_wanted():
        yield
        return
    tracing.start()
    assert spans.tracer is not None  # noqa: S101 -- just started
    span = spans.tracer.start_span(f"manage.py {name}")
    here = context.attach(set_span_in_context(span))
    recorded = spans.keep(span)
    try:
        yield
    finally:
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, SystemExit):
            spans.failed(span, error)
        spans.recorded.reset(recorded)
        context.detach(here)
        span.end()
        tracing.stop()
