"""One observation per request: count, duration, what it asked of the database, trace, log line."""

import sys
from collections.abc import Callable, Mapping
from functools import lru_cache
from time import perf_counter
from typing import Any, NamedTuple

from django.core.exceptions import DisallowedHost
from django.core.signals import got_request_exception
from django.http import HttpRequest, HttpResponse
from opentelemetry import context
from opentelemetry.trace import format_trace_id
from prometheus_client import Counter, Histogram

from midst.telemetry import logs, metrics, request_context, sentry, tracing
from midst.telemetry.request_context import METHODS, UNMATCHED, Request, identify, template
from midst.telemetry.sampling import Sampling, decide_against, forget_caller

_in_flight = metrics.ACTIVE_CONNECTIONS.labels("http")


class _Numbers(NamedTuple):
    """What moves when a request has been answered."""

    route: str
    requests: Counter
    duration: Histogram
    queries: Histogram
    queries_s: Histogram


@lru_cache(maxsize=8192)
def _numbers(method: str, pattern: str | None, status: int) -> _Numbers:
    route = UNMATCHED if pattern is None else template(pattern)
    return _Numbers(
        route,
        metrics.HTTP_REQUESTS.labels(method, route, str(status)),
        metrics.HTTP_DURATION.labels(method, route),
        metrics.HTTP_DB_QUERIES.labels(route),
        metrics.HTTP_DB_SECONDS.labels(route),
    )


class Decision(NamedTuple):
    """What is decided for a request before all else: about its trace, about Sentry's transaction.

    ``is_audited``: a hit in the cache is compared with the database.
    """

    sampling: Sampling | None
    is_transaction: bool
    is_audited: bool = False

    @property
    def is_recorded(self) -> bool:
        """Say whether more is written down of it than counts and a log line."""
        return self.is_transaction or (self.sampling is not None and self.sampling.sampled)


# In the environ: the ``Decision`` that a server has made before it asked Django.
DECISION = "midst.decision"


def decide(method: str, meta: Mapping[str, Any], *, is_audited: bool = False) -> Decision:
    """Decide anew; ``meta`` is as ``HttpRequest.META`` has it."""
    return Decision(tracing.decide(method, meta), sentry.is_chosen(), is_audited)


def begin(observed: Request) -> None:
    """Count a request among those in flight, until ``end``, and start its clock."""
    _in_flight.inc()
    observed.started = perf_counter()


def abandon() -> None:
    """Undo ``begin``: somebody else answers the request, or nobody."""
    _in_flight.dec()


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
        decision: Decision = request.META.pop(DECISION, None) or decide(method, request.META)
        sampling, observed.is_audited = decision.sampling, decision.is_audited
        attached = None
        if sampling is not None and sampling.sampled and not _is_host_allowed(request):
            sampling = decide_against()
        if sampling is not None:
            observed.caller = sampling.caller
            attached = context.attach(sampling.context)
        token = request_context.current.set(observed)
        if decision.is_transaction:
            observed.transaction = sentry.begin_transaction(method)
        begin(observed)
        try:
            if sampling is not None and sampling.sampled:
                if not sampling.trusted:
                    forget_caller(request)
                response = self._around()(request)
            else:
                response = self.get_response(request)
        except BaseException:  # The process was told to end.
            abandon()
            if observed.transaction is not None:
                sentry.end_transaction(observed.transaction, method, failed=True)
            raise
        else:
            match = request.resolver_match
            end(observed, request.path, match.route if match else None, response.status_code,
                tracing.trace_id())  # fmt: skip
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


def end(
    observed: Request, path: str, pattern: str | None, status: int, trace_id: str | None
) -> None:
    """Count, time and log a request that has been answered with ``status``.

    ``pattern``: of the route that answered, as Django has it.
    """
    seconds = perf_counter() - observed.started
    numbers = _numbers(observed.method, pattern, status)
    exemplar = None
    if observed.span is not None:
        trace_id = format_trace_id(observed.span.get_span_context().trace_id)
        exemplar = {"trace_id": trace_id}
    _in_flight.dec()
    numbers.requests.inc()
    numbers.duration.observe(seconds, exemplar)
    numbers.queries.observe(observed.queries)
    numbers.queries_s.observe(observed.queries_s)
    if logs.are_requests_logged():
        logs.log_request(observed, path, status, numbers.route, seconds, trace_id)
    if observed.transaction is not None:
        name = f"{observed.method} {numbers.route}"
        sentry.end_transaction(observed.transaction, name, status=status)


def _on_exception(**_: object) -> None:
    """Keep the class of an exception that becomes a 500: its message may quote people."""
    observed, error = request_context.current.get(), sys.exc_info()[1]
    if observed is not None and error is not None:
        observed.error = type(error).__qualname__
