"""One observation per request: count, duration, what it asked of the database, trace, log line."""

import sys
from collections.abc import Callable
from functools import lru_cache
from time import perf_counter, time
from typing import NamedTuple

from django.core.exceptions import DisallowedHost
from django.core.signals import got_request_exception
from django.http import HttpRequest, HttpResponse
from opentelemetry import baggage, context
from opentelemetry.trace import Span
from prometheus_client.samples import Exemplar

from midst.telemetry import logs, metrics, request_context, sentry, tracing
from midst.telemetry.request_context import METHODS, UNMATCHED, Request, identify, template
from midst.telemetry.sampling import decide_against, forget_caller
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


class ObservingMiddleware:
    """Outermost. Django turns exceptions into responses inside, so none escapes it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self._traced: Callable[[HttpRequest], HttpResponse] | None = None
        got_request_exception.connect(_on_exception, dispatch_uid="midst.telemetry.requests")

    def __call__(self, request: HttpRequest) -> HttpResponse:
        method = str(request.method) if request.method in METHODS else "other"
        observed = Request(identify(request.META), method)
        # Whether it is traced is decided before anything else is built for it.
        sampling = tracing.decide(method, request.META)
        attached = None
        if sampling is not None and sampling.sampled and not _is_host_allowed(request):
            sampling = decide_against()
        if sampling is not None:
            observed.caller = sampling.caller
            attached = context.attach(sampling.context)
        token = request_context.current.set(observed)
        observed.transaction = sentry.begin_transaction(method)
        _in_flight.inc(1)
        observed.started = perf_counter()
        try:
            if sampling is not None and sampling.sampled:
                if not sampling.trusted:
                    forget_caller(request)
                response = self._around()(request)
            else:
                response = self.get_response(request)
        except BaseException:  # The process was told to end.
            _in_flight.inc(-1)
            if observed.transaction is not None:
                sentry.end_transaction(observed.transaction, method, failed=True)
            raise
        else:
            _end(observed, request, response.status_code)
        finally:
            request_context.current.reset(token)
            if attached is not None:
                context.detach(attached)
        response.headers[request_context.HEADER] = observed.id
        return response

    def _around(self) -> Callable[[HttpRequest], HttpResponse]:
        """A request that is not sampled passes the instrumentation by."""
        if self._traced is None:
            self._traced = tracing.around_request(self.get_response)
        return self._traced


def _is_host_allowed(request: HttpRequest) -> bool:
    """The instrumentation asks for the request's URL, which raises: a probe would be a 400."""
    try:
        request.get_host()
    except DisallowedHost:
        return False
    return True


def _end(observed: Request, request: HttpRequest, status: int) -> None:
    """Count, time and log a request that has been answered with ``status``."""
    seconds = perf_counter() - observed.started
    match = request.resolver_match
    numbers = _numbers(observed.method, match.route if match else None, status)
    with process.lock:
        cells = process.segment.cells  # type: ignore[union-attr]
        cells[_in_flight.index] -= 1
        cells[numbers.requests.index] += 1
        bucket = numbers.duration.observe(seconds)
        numbers.queries.observe(observed.queries)
        numbers.queries_s.observe(observed.queries_s)
    trace_id = tracing.trace_id()
    if observed.span is not None:
        trace_id = f"{observed.span.get_span_context().trace_id:032x}"
        bucket.set_exemplar(Exemplar({"trace_id": trace_id}, seconds, time()))
    if logs.are_requests_logged():
        logs.log_request(observed, request.path, status, numbers.route, seconds, trace_id)
    if observed.transaction is not None:
        name = f"{observed.method} {numbers.route}"
        sentry.end_transaction(observed.transaction, name, status=status)


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
