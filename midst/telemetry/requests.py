"""One observation per request: count, duration, what it asked of the database, trace, log line.

``ObservingMiddleware`` does it for Django's requests. Whoever answers a request before Django's
middleware does the same by hand::

    request = requests.begin("GET", meta)  # HTTP_... and REMOTE_ADDR, as in HttpRequest.META
    with requests.spanned(request, pattern="api/v1/profiles/<uuid:id>", path=path):
        ...
    requests.end(request, pattern="api/v1/profiles/<uuid:id>", path=path, status=200)
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from time import perf_counter, time
from typing import Any, NamedTuple

from django.core.signals import got_request_exception
from django.http import HttpRequest, HttpResponse
from opentelemetry import baggage, context
from opentelemetry.trace import Span, SpanKind
from prometheus_client.samples import Exemplar

from midst.telemetry import logs, metrics, request_context, sentry, tracing
from midst.telemetry.request_context import METHODS, UNMATCHED, Request, identify, template
from midst.telemetry.shared.values import Distribution, SharedValue, number, process

# The load generator says in baggage which run a request belongs to.
RUN = "perfops.run"

_in_flight = number(metrics.ACTIVE_CONNECTIONS.labels("http"))


class _Numbers(NamedTuple):
    """What moves when a request has been answered."""

    route: str
    requests: SharedValue
    duration: Distribution
    queries: Distribution
    queries_s: Distribution


@lru_cache(maxsize=8192)
def _numbers(method: str, pattern: str | None, status: int) -> _Numbers:
    route = UNMATCHED if pattern is None else template(pattern)
    return _Numbers(
        route,
        number(metrics.HTTP_REQUESTS.labels(method, route, str(status))),
        Distribution(metrics.HTTP_DURATION.labels(method, route)),
        Distribution(metrics.HTTP_DB_QUERIES.labels(route)),
        Distribution(metrics.HTTP_DB_SECONDS.labels(route)),
    )


def begin(method: str | None, meta: Mapping[str, Any]) -> Request:
    """Begin to observe a request; ``end`` it in any case, in the same thread or task.

    Whether it is traced is decided here, before anything else is built for it.
    """
    known = method if method in METHODS else "other"
    assert known is not None  # noqa: S101 -- membership above says so, mypy can't see it
    request = Request(identify(meta), known)
    sampling = tracing.decide(known, meta)
    attached = None
    if sampling is not None:
        request.sampled, request.caller = sampling.sampled, sampling.caller
        attached = context.attach(sampling.context)
    request.tokens = request_context.current.set(request), attached
    request.transaction = sentry.begin_transaction(known)
    _in_flight.inc(1)
    request.started = perf_counter()
    return request


def end(request: Request, *, pattern: str | None, path: str, status: int) -> None:
    """Count, time and log a request that has been answered with ``status``.

    ``pattern`` is Django's route that matched (``ResolverMatch.route``), None when none did.
    """
    seconds = perf_counter() - request.started
    numbers = _numbers(request.method, pattern, status)
    with process.lock:
        cells = process.segment.cells  # type: ignore[union-attr]
        cells[_in_flight.index] -= 1
        cells[numbers.requests.index] += 1
        bucket = numbers.duration.observe(seconds)
        numbers.queries.observe(request.queries)
        numbers.queries_s.observe(request.queries_s)
    trace_id = tracing.trace_id()
    if request.span is not None:
        trace_id = f"{request.span.get_span_context().trace_id:032x}"
        bucket.set_exemplar(Exemplar({"trace_id": trace_id}, seconds, time()))
    if logs.are_requests_logged():
        answered = logs.Answered(
            request.method, path, status, numbers.route, seconds,
            request.queries, request.queries_s, request.id, trace_id, time(),
        )  # fmt: skip
        logs.log_request(answered)
    if request.transaction is not None:
        name = f"{request.method} {numbers.route}"
        sentry.end_transaction(request.transaction, name, status=status)
    _leave(request)


def abandon(request: Request) -> None:
    """Put back what ``begin`` has set, for a request that nobody will answer."""
    _in_flight.inc(-1)
    if request.transaction is not None:
        sentry.end_transaction(request.transaction, request.method, failed=True)
    _leave(request)


def _leave(request: Request) -> None:
    if request.tokens is not None:
        (token, attached), request.tokens = request.tokens, None
        request_context.current.reset(token)
        if attached is not None:
            context.detach(attached)


@contextmanager
def spanned(request: Request, *, pattern: str, path: str) -> Iterator[None]:
    """Put a sampled request that does not go through Django within its span."""
    if not request.sampled or tracing.tracer is None:
        yield
        return
    attributes = {"http.request.method": request.method, "url.path": path, "url.scheme": "http"}
    with tracing.tracer.start_as_current_span(
        request.method, kind=SpanKind.SERVER, attributes=attributes,
        record_exception=False, set_status_on_exception=False,
    ) as span:  # fmt: skip
        _describe(span, request)
        _name(span, request, template(pattern))
        yield


class ObservingMiddleware:
    """Outermost. Django turns exceptions into responses inside, so none escapes it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self._traced: Callable[[HttpRequest], HttpResponse] | None = None
        got_request_exception.connect(_on_exception, dispatch_uid="midst.telemetry.requests")

    def __call__(self, request: HttpRequest) -> HttpResponse:
        observed = begin(request.method, request.META)
        try:
            response = self._handler(observed)(request)
        except BaseException:  # The process was told to end.
            abandon(observed)
            raise
        match = request.resolver_match
        end(
            observed, pattern=match.route if match else None,
            path=request.path, status=response.status_code,
        )  # fmt: skip
        response.headers[request_context.HEADER] = observed.id
        return response

    def _handler(self, observed: Request) -> Callable[[HttpRequest], HttpResponse]:
        """A request that is not sampled passes the instrumentation by."""
        if not observed.sampled:
            return self.get_response
        if self._traced is None:
            self._traced = tracing.around_request(self.get_response)
        return self._traced


def _on_span(span: Span, request: HttpRequest) -> None:
    """The instrumentation's ``request_hook``."""
    observed = request_context.current.get()
    if observed is not None:
        span.set_attribute("url.path", request.path)
        _describe(span, observed)


def _on_response(span: Span, request: HttpRequest, response: HttpResponse) -> None:
    """The instrumentation's ``response_hook``: a route is shown as its URL template."""
    observed = request_context.current.get()
    if observed is not None:
        match = request.resolver_match
        _name(span, observed, template(match.route) if match else UNMATCHED)


def _describe(span: Span, request: Request) -> None:
    request.span = span
    if request.caller is not None:
        span.add_link(request.caller)
    run = baggage.get_baggage(RUN)
    if run is not None:
        span.set_attribute(RUN, str(run))


def _name(span: Span, request: Request, route: str) -> None:
    span.update_name(f"{request.method} {route}")
    span.set_attribute("http.route", route)
    if request.error is not None:
        # The instrumentation has put the status there.
        span.set_attribute("error.type", request.error)


def _on_exception(**_: object) -> None:
    """Keep the class of an exception that becomes a 500: its message may quote people."""
    observed, error = request_context.current.get(), sys.exc_info()[1]
    if observed is not None and error is not None:
        observed.error = type(error).__qualname__


tracing.set_request_hooks(request_hook=_on_span, response_hook=_on_response)
