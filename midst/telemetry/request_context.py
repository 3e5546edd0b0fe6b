"""The request that runs here: its id, its route, what it has asked of the database so far."""

import re
from collections.abc import Mapping
from contextvars import ContextVar
from functools import lru_cache
from ipaddress import ip_address
from random import getrandbits
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from opentelemetry.trace import Span, SpanContext

HEADER = "X-Request-ID"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNMATCHED = "unmatched"

# What says of a trace where a request belongs: as META names it, and as it is sent.
HEADERS_OF_TRACE = {
    "HTTP_TRACEPARENT": "traceparent",
    "HTTP_TRACESTATE": "tracestate",
    "HTTP_BAGGAGE": "baggage",
}
_META = "HTTP_X_REQUEST_ID"
_WELL_FORMED = re.compile(r"[A-Za-z0-9._-]{8,64}")
_CONVERTER = re.compile(r"<(?:[^>:]+:)?([^>]+)>")
_GROUP = re.compile(r"\(\?P<(\w+)>[^()]*(?:\([^()]*\)[^()]*)*\)")


class Request:
    """One request while it runs: ``queries`` statements sent, which took ``queries_s`` seconds.

    ``caller`` is the span of a caller that is not trusted; ``span`` the request's own once it has
    one; ``error`` the class of an exception that became a 500. ``is_audited``: a hit in the cache
    is compared with the database. ``round_trip``: the commands that the event loop sent to Redis
    for it, when it sent them and when it had the replies (``perf_counter``).
    """

    __slots__ = ("caller", "error", "id", "is_audited", "method", "queries", "queries_s",
                 "round_trip", "span", "started", "transaction")  # fmt: skip

    def __init__(self, name: str, method: str = "GET") -> None:
        self.id = name
        self.method = method
        self.queries = 0
        self.queries_s = 0.0
        self.started = 0.0
        self.caller: SpanContext | None = None
        self.round_trip: tuple[tuple[str, ...], float, float] | None = None
        self.span: Span | None = None
        self.error: str | None = None
        self.is_audited = False
        self.transaction: Any = None


current: ContextVar[Request | None] = ContextVar("request", default=None)


def identify(meta: Mapping[str, Any]) -> str:
    """Return the id that the client gave, when it is well-formed, else a new one."""
    given = meta.get(_META)
    if given is not None and _WELL_FORMED.fullmatch(given):
        return str(given)
    return f"{getrandbits(64):016x}"


def client_address(meta: Mapping[str, Any]) -> str:
    """Return the client's address: as many proxies back as ``TRUSTED_PROXY_HOPS`` says.

    Who comes without a proxy, and so without its header, has the address of the connection: proxies
    write the header themselves, so nobody who comes through one can leave it out.
    """
    hops: int = settings.TRUSTED_PROXY_HOPS
    remote: str = meta.get("REMOTE_ADDR", "")
    if not hops:
        return remote
    forwarded = [part.strip() for part in meta.get("HTTP_X_FORWARDED_FOR", "").split(",")]
    candidate = forwarded[-hops] if len(forwarded) >= hops else ""
    try:
        return str(ip_address(candidate))
    except ValueError:
        return remote


@lru_cache(maxsize=2048)
def template(route: str) -> str:
    """Return Django's ``route`` as a URL template: ``api/<uuid:id>`` becomes ``/api/{id}``."""
    text = _CONVERTER.sub(r"{\1}", _GROUP.sub(r"{\1}", route))
    return "/" + text.replace("^", "").replace("$", "").replace("\\", "").lstrip("/")


def route_of(request: HttpRequest) -> str:
    """Return the URL template that answers, ``unmatched`` when there is none."""
    match = request.resolver_match
    return template(match.route) if match else UNMATCHED
