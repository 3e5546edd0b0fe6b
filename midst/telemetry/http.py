"""One observation per request: count, duration, and what it asked of the database."""

import re
from collections.abc import Callable
from functools import lru_cache
from time import perf_counter
from typing import NamedTuple

from django.http import HttpRequest, HttpResponse

from midst.telemetry import metrics
from midst.telemetry.database import RequestQueries, current_request

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_UNMATCHED = "unmatched"
_CONVERTER = re.compile(r"<(?:[^>:]+:)?([^>]+)>")
_GROUP = re.compile(r"\(\?P<(\w+)>[^()]*(?:\([^()]*\)[^()]*)*\)")


class _Route(NamedTuple):
    duration: Callable[[float], None]
    queries: Callable[[float], None]
    seconds: Callable[[float], None]


@lru_cache(maxsize=2048)
def template(route: str) -> str:
    """Return Django's ``route`` as a URL template: ``api/<uuid:id>`` becomes ``/api/{id}``."""
    text = _CONVERTER.sub(r"{\1}", _GROUP.sub(r"{\1}", route))
    return "/" + text.replace("^", "").replace("$", "").replace("\\", "").lstrip("/")


@lru_cache(maxsize=4096)
def _route(method: str, route: str) -> _Route:
    return _Route(
        metrics.HTTP_DURATION.labels(method, route).observe,
        metrics.HTTP_DB_QUERIES.labels(route).observe,
        metrics.HTTP_DB_SECONDS.labels(route).observe,
    )


@lru_cache(maxsize=8192)
def _answered(method: str, route: str, status: int) -> Callable[[], None]:
    return metrics.HTTP_REQUESTS.labels(method, route, str(status)).inc


class MetricsMiddleware:
    """Outermost middleware; Django turns exceptions into responses inside, so none escapes it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        start = perf_counter()
        queries = RequestQueries()
        token = current_request.set(queries)
        try:
            response = self.get_response(request)
        finally:
            current_request.reset(token)
        match = request.resolver_match
        route = template(match.route) if match else _UNMATCHED
        method = request.method if request.method in _METHODS else "other"
        assert method is not None  # noqa: S101 -- membership above says so, mypy can't see it
        observe = _route(method, route)
        observe.duration(perf_counter() - start)
        observe.queries(queries.count)
        observe.seconds(queries.seconds)
        _answered(method, route, response.status_code)()
        return response
