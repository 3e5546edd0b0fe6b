"""One observation per request: count, duration, what it asked of the database, its trace."""

from collections.abc import Callable
from functools import lru_cache
from time import perf_counter, time
from typing import NamedTuple

from django.http import HttpRequest, HttpResponse
from prometheus_client.samples import Exemplar

from midst.telemetry import logs, metrics, request_context, request_spans, spans
from midst.telemetry.request_context import METHODS, UNMATCHED, Request, template
from midst.telemetry.shared.values import Distribution, SharedValue, number, process

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
    """Outermost: trace, metrics and log line of a request, all from one look at the clock.

    Django turns exceptions into responses inside, so none escapes it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        request_spans.install()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        here = Request(logs.identify(request.META))
        token = request_context.current.set(here)
        tracer = spans.tracer
        method = request.method if request.method in METHODS else "other"
        assert method is not None  # noqa: S101 -- membership above says so, mypy can't see it
        entered = None if tracer is None else request_spans.enter(tracer, method, request.META)
        try:
            response = self._measured(request, method, here)
        finally:
            if entered is not None:
                entered.leave()
            request_context.current.reset(token)
        response.headers[logs.HEADER] = here.id
        return response

    def _measured(self, request: HttpRequest, method: str, here: Request) -> HttpResponse:
        _in_flight.inc(1)
        start = perf_counter()
        try:
            response = self.get_response(request)
        except BaseException:  # The process was numbers to end.
            _in_flight.inc(-1)
            raise
        seconds = perf_counter() - start
        match = request.resolver_match
        numbers = _numbers(method, match.route if match else None, response.status_code)
        with process.lock:
            cells = process.segment.cells  # type: ignore[union-attr]
            cells[_in_flight.index] -= 1
            cells[numbers.requests.index] += 1
            bucket = numbers.duration.observe(seconds)
            numbers.queries.observe(here.queries)
            numbers.queries_s.observe(here.queries_s)
        span = spans.recorded.get()
        if span is not None:
            bucket.set_exemplar(Exemplar(spans.exemplar(span), seconds, time()))
            request_spans.describe(span, request, response, route=numbers.route)
        if logs.are_requests_logged():
            answered = logs.Answered(
                method, request.path, response.status_code, numbers.route, seconds,
                here.queries, here.queries_s, here.id, spans.trace_id(), time(),
            )  # fmt: skip
            logs.log_request(answered)
        return response
