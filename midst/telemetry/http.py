"""One observation per request: count, duration, what it asked of the database, its trace."""

from collections.abc import Callable
from functools import lru_cache
from time import perf_counter, time
from typing import NamedTuple

from django.http import HttpRequest, HttpResponse
from prometheus_client.samples import Exemplar

from midst.telemetry import logs, metrics, requests, spans
from midst.telemetry.database import RequestQueries, current_request
from midst.telemetry.routes import METHODS, UNMATCHED, template
from midst.telemetry.shared import direct
from midst.telemetry.shared.values import SharedValue

_in_flight = direct.number(metrics.ACTIVE_CONNECTIONS.labels("http"))


class _Route(NamedTuple):
    duration: direct.Distribution
    queries: direct.Distribution
    seconds: direct.Distribution


@lru_cache(maxsize=4096)
def _route(method: str, route: str) -> _Route:
    return _Route(
        direct.Distribution(metrics.HTTP_DURATION.labels(method, route)),
        direct.Distribution(metrics.HTTP_DB_QUERIES.labels(route)),
        direct.Distribution(metrics.HTTP_DB_SECONDS.labels(route)),
    )


@lru_cache(maxsize=8192)
def _answered(method: str, route: str, status: int) -> SharedValue:
    return direct.number(metrics.HTTP_REQUESTS.labels(method, route, str(status)))


class ObservingMiddleware:
    """Outermost: trace, metrics and log line of a request, all from one look at the clock.

    Django turns exceptions into responses inside, so none escapes it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        requests.install()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        name = logs.identify(request.META)
        naming = logs.request_id.set(name)
        tracer = spans.tracer
        method = request.method if request.method in METHODS else "other"
        assert method is not None  # noqa: S101 -- membership above says so, mypy can't see it
        entered = None if tracer is None else requests.enter(tracer, method, request.META)
        try:
            response = self._measured(request, method)
        finally:
            if entered is not None:
                entered.leave()
            logs.request_id.reset(naming)
        response.headers[logs.HEADER] = name
        return response

    def _measured(self, request: HttpRequest, method: str) -> HttpResponse:
        start = perf_counter()
        queries = RequestQueries()
        token = current_request.set(queries)
        direct.add((_in_flight, 1))
        try:
            response = self.get_response(request)
        finally:
            direct.add((_in_flight, -1))
            current_request.reset(token)
        seconds = perf_counter() - start
        match = request.resolver_match
        route = template(match.route) if match else UNMATCHED
        told = _route(method, route)
        bucket = told.duration.bucket(seconds)
        direct.add(
            (_answered(method, route, response.status_code), 1),
            (told.duration.sum, seconds),
            (bucket, 1),
            (told.queries.sum, queries.count),
            (told.queries.bucket(queries.count), 1),
            (told.seconds.sum, queries.seconds),
            (told.seconds.bucket(queries.seconds), 1),
        )
        span = spans.recorded.get()
        if span is not None:
            bucket.set_exemplar(Exemplar(spans.exemplar(span), seconds, time()))
            requests.describe(span, request, response, route=route)
        logs.request_line(
            logs.RequestLine(
                method=method,
                path=request.path,
                status=response.status_code,
                route=route,
                duration_ms=round(seconds * 1000, 2),
                queries=queries.count,
                queries_ms=round(queries.seconds * 1000, 2),
            )
        )
        return response
