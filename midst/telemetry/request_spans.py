"""A span for each request, in the trace of its caller if one is told."""

import sys
from collections.abc import Mapping
from contextvars import Token
from typing import Any, NamedTuple

from django.core.signals import got_request_exception
from django.http import HttpRequest, HttpResponse
from opentelemetry import baggage, context, propagate
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context

from midst.telemetry import sampling, spans

# The load generator tells in baggage which run a request belongs to.
RUN = "perfops.run"
_HEADERS = {
    "HTTP_TRACEPARENT": "traceparent",
    "HTTP_TRACESTATE": "tracestate",
    "HTTP_BAGGAGE": "baggage",
}
_SERVER_ERROR = 500


class Entered(NamedTuple):
    """A request that runs; ``leave`` it in any case."""

    span: Span
    here: Token[context.Context]
    recorded: spans.Kept

    def leave(self) -> None:
        spans.recorded.reset(self.recorded)
        context.detach(self.here)
        self.span.end()


def install() -> None:
    """Let a request's span know of an exception that becomes a 500."""
    got_request_exception.connect(_on_exception, dispatch_uid="midst.telemetry.requests")


def enter(tracer: Tracer, method: str, meta: Mapping[str, Any]) -> Entered:
    """Start the span of a request; it is finished by ``describe`` and ``leave``."""
    if "HTTP_TRACEPARENT" in meta or "HTTP_BAGGAGE" in meta:
        headers = {name: meta[header] for header, name in _HEADERS.items() if header in meta}
        caller = propagate.extract(headers, context=sampling.NOWHERE)
        span = tracer.start_span(method, context=caller, kind=SpanKind.SERVER)
    else:
        caller, span = sampling.NOWHERE, sampling.begin(tracer, method)
    here = context.attach(set_span_in_context(span, caller))
    return Entered(span, here, spans.keep(span))


def describe(span: Span, request: HttpRequest, response: HttpResponse, *, route: str) -> None:
    """Write down what is known of a recorded request once it is answered."""
    span.update_name(f"{request.method} {route}")
    span.set_attributes(
        {
            "http.request.method": str(request.method),
            "http.route": route,
            "http.response.status_code": response.status_code,
            "url.path": request.path,
            "url.scheme": request.scheme or "http",
        }
    )
    run = baggage.get_baggage(RUN)
    if run is not None:
        span.set_attribute(RUN, str(run))
    if response.status_code >= _SERVER_ERROR:
        span.set_status(Status(StatusCode.ERROR))


def _on_exception(**_: object) -> None:
    span, error = spans.recorded.get(), sys.exc_info()[1]
    if span is not None and error is not None:
        spans.failed(span, error)
