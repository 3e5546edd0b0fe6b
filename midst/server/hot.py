"""The hot path: an answer that the cache holds for everybody is sent by the event loop itself.

Nobody tells it what a URL means. When Django has answered a request out of the cache, and of
nothing else (``midst.kernel.http.Origin``), the address is remembered with the entry behind it and
the headers that Django sent. The next request for that address is answered by that entry, if it is
valid by the cache's versions: one round trip, that of the rate limit included. As any shared cache
(RFC 9111, 4.1) it leaves alone who sends a header that the answer varies by. Whatever it can't
answer goes to Django, which learns what was decided and counted already.
"""

from collections import OrderedDict
from collections.abc import Iterable
from time import monotonic, perf_counter
from typing import Any, NamedTuple

from django.conf import settings
from redis.exceptions import RedisError

from midst.accounts import throttle
from midst.kernel import ratelimit
from midst.kernel.cache import Source, circuit, versions
from midst.kernel.cache.entries import Entry
from midst.kernel.cache.reading import is_audited, is_due
from midst.kernel.http import Origin, is_named
from midst.kernel.redis import is_current, timeout_s
from midst.server.connections import Scope
from midst.server.redis_link import Link, Links, is_possible, pack
from midst.server.threads import Answer
from midst.telemetry import answered, logs, request_context, requests, tracing
from midst.telemetry.request_context import Request
from perfops.origins.middleware import count_silent

_OK, _NOT_MODIFIED = 200, 304
# Longer addresses are left to Django (bytes).
_LONGEST = 1024
_SAFE = frozenset({"GET", "HEAD"})
# Who sends one of these is Django's: what an answer varies by, and what announces a body.
_SELECTING = frozenset({b"authorization", b"cookie", b"origin"})
_DJANGOS = _SELECTING | {b"content-length", b"transfer-encoding", b"expect", b"upgrade"}
# What is read of a request, as Django's META names it.
_READ = {
    b"host": "HTTP_HOST",
    b"if-none-match": "HTTP_IF_NONE_MATCH",
    b"x-request-id": "HTTP_X_REQUEST_ID",
    b"x-forwarded-for": "HTTP_X_FORWARDED_FOR",
    b"x-forwarded-proto": "HTTP_X_FORWARDED_PROTO",
    b"traceparent": "HTTP_TRACEPARENT",
    b"tracestate": "HTTP_TRACESTATE",
    b"baggage": "HTTP_BAGGAGE",
}
# Each answer has its own; all other headers are those that Django sent.
_OWN = frozenset(
    {b"etag", b"content-length", b"x-cache", b"x-request-id", b"ratelimit", b"ratelimit-policy"}
)
# What Django may have sent besides: with any other header an answer is not understood here.
_UNDERSTOOD = _OWN | {
    b"cache-control", b"content-security-policy", b"content-type", b"cross-origin-opener-policy",
    b"referrer-policy", b"strict-transport-security", b"vary", b"x-content-type-options",
    b"x-frame-options",
}  # fmt: skip

Headers = tuple[tuple[bytes, bytes], ...]
Key = tuple[bytes, bytes, str, str, str]


class _Asked(NamedTuple):
    """A request that may be answered here. ``key``: what the answer depends on of it."""

    key: Key
    method: str
    meta: dict[str, Any]


class _Known:
    """An address, the entry behind it and the headers, by the answer's status."""

    __slots__ = ("headers", "heartbeat", "lookup", "origin", "run_id")

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.headers: dict[int, Headers] = {}
        self.run_id, self.heartbeat, self.lookup = "", b"", b""

    def look_up(self, run_id: str) -> bytes:
        """Return the packed command; ``heartbeat`` is that of the test write."""
        if self.run_id != run_id:
            source = self.origin.source
            heartbeat, lookup = versions.commands(run_id, source.key, source.groups)
            self.run_id, self.heartbeat, self.lookup = run_id, pack([heartbeat]), pack([lookup])
        return self.lookup


def make() -> "HotPath | None":
    """Return the hot path, or None where it is turned off or the settings do not allow it."""
    url = settings.CACHES["default"]["LOCATION"]
    # Django reads no other header for its decisions on a request's host and scheme.
    proxied = settings.SECURE_PROXY_SSL_HEADER
    understood = not settings.USE_X_FORWARDED_HOST and (
        proxied is None or proxied[0] == "HTTP_X_FORWARDED_PROTO"
    )
    if not settings.HOT_PATH or not understood or settings.DJANGO_PROMETHEUS_MIDDLEWARE:
        return None
    if not is_possible(url):
        return None
    return HotPath(Links(url, timeout_s), most=settings.HOT_PATH_ADDRESSES)


class HotPath:
    """``most`` addresses are remembered; those that were asked for last."""

    def __init__(self, links: Links, *, most: int) -> None:
        self._links = links
        self._most = most
        self._known: OrderedDict[Key, _Known] = OrderedDict()
        # An answer's headers are mostly those of another.
        self._headers: dict[Headers, Headers] = {}
        self._written_at = 0.0

    def learn(self, scope: Scope, answer: Answer) -> None:
        """Remember what Django has answered, if it may be answered here the next time."""
        origin, asked = answer.origin, _asked(scope)
        if origin is None or asked is None or answer.status not in {_OK, _NOT_MODIFIED}:
            return
        if len(asked.key[0]) + len(asked.key[1]) > _LONGEST or not _is_public(answer.headers):
            return
        known = self._known.get(asked.key)
        if known is None or known.origin[1:] != origin[1:]:
            known = self._known[asked.key] = _Known(origin)
            if len(self._known) > self._most:
                self._known.popitem(last=False)
        shared = tuple(each for each in answer.headers if each[0] not in _OWN)
        if len(self._headers) > self._most:
            self._headers.clear()
        known.headers[answer.status] = self._headers.setdefault(shared, shared)

    async def answer(self, scope: Scope, decided: dict[str, Any]) -> Answer | None:
        """Return the answer, or None when it is Django's to give.

        ``decided`` gets what Django's environ must have then.
        """
        asked = _asked(scope)
        known = None if asked is None else self._known.get(asked.key)
        if asked is None or known is None or circuit.is_open() or logs.may_wait():
            return None
        link = self._links.ready()
        if link is None:
            return None
        if not is_current(link.run_id):
            # Django's client has met another server, which may know more.
            link.close()
            return None
        self._known.move_to_end(asked.key)
        decision = requests.decide(asked.method, asked.meta, is_audited=is_audited())
        decided[requests.DECISION] = decision
        if decision.is_audited:
            return None
        observed = Request(request_context.identify(asked.meta), asked.method)
        requests.begin(observed)
        answer = None
        try:
            answer = await self._look_up(link, known, asked, observed, decided)
        finally:
            if answer is None:
                requests.abandon()
        if answer is None:
            return None
        origin, sampling = known.origin, decision.sampling
        if "HTTP_BAGGAGE" in asked.meta:
            count_silent(asked.meta["HTTP_BAGGAGE"], asked.method, origin.route)
        trace_id = None if sampling is None else tracing.trace_id(sampling.context)
        said = (observed, origin.path, origin.route, answer.status, trace_id)
        if not decision.is_recorded:
            requests.end(*said)
            return answer
        about = _attributes(scope, asked, origin.path, answer.status)
        redis = self._links.attributes
        with answered.recorded(observed, decision, asked.meta, about, redis, origin.route):
            requests.end(*said)
        return answer

    async def _look_up(
        self, link: Link, known: _Known, asked: _Asked, observed: Request, decided: dict[str, Any]
    ) -> Answer | None:
        lookup, began = known.look_up(link.run_id), monotonic()
        limited = throttle.anonymous_limit(asked.meta)
        is_heartbeat = began - self._written_at >= versions.HEARTBEAT_S
        names: tuple[str, ...] = ("mget",)
        if limited is not None:
            names, lookup = ("evalsha", *names), pack([ratelimit.command(*limited)]) + lookup
        if is_heartbeat:
            names, lookup = ("set", *names), known.heartbeat + lookup
        try:
            sent = perf_counter()
            replies = await link.ask(names, lookup)
            observed.round_trip = (names, sent, perf_counter())
        except RedisError:
            return None
        state = None if limited is None else ratelimit.spent(limited[0], replies[-2])
        if limited is not None:
            if state is None:
                return None
            decided[ratelimit.SPENT] = ratelimit.Spent(limited[1], state)
        if (state is not None and not state.allowed) or (is_heartbeat and replies[0] != b"OK"):
            return None
        if is_heartbeat:
            self._written_at = began
        return self._shown(link, known, asked, observed.id, replies[-1], state)

    def _shown(
        self,
        link: Link,
        known: _Known,
        asked: _Asked,
        name: str,
        reply: Any,
        state: ratelimit.State | None,
    ) -> Answer | None:
        """Return what ``reply``, that of the look-up, holds for the request called ``name``."""
        entry = _valid(known.origin.source, reply)
        if entry is None:
            return None
        tag = f'"{entry.tag}"'
        status = _NOT_MODIFIED if is_named(tag, asked.meta.get("HTTP_IF_NONE_MATCH")) else _OK
        headers = known.headers.get(status)
        if headers is None or circuit.is_open() or not is_current(link.run_id):
            return None
        circuit.record_success()
        known.origin.source.region.count_hit()
        body = entry.body if status == _OK else b""
        own: dict[str, str] = {} if state is None else state.headers()
        return Answer(
            status,
            [
                *headers,
                (b"etag", tag.encode()),
                (b"x-cache", b"HIT"),
                (b"content-length", b"%d" % len(body)),
                (b"x-request-id", name.encode()),
                *((each.lower().encode(), value.encode()) for each, value in own.items()),
            ],
            body,
        )


def _valid(source: Source, reply: Any) -> Entry | None:
    """Return the entry that an MGET has replied, if it may be shown by the cache's own rules."""
    # The entry, the version of all entries, one for each group.
    if not isinstance(reply, list) or len(reply) != len(source.groups) + 2:
        return None
    try:
        entry = versions.judge(source.key, reply[0], reply[1:]).entry
    except RedisError:
        return None
    return None if entry is None or entry.missing or is_due(entry) else entry


def _asked(scope: Scope) -> _Asked | None:
    """Return what is read of a request, or None for one that only Django can answer."""
    method = scope["method"]
    if method not in _SAFE:
        return None
    client = scope.get("client")
    meta: dict[str, Any] = {"REMOTE_ADDR": (client[0] if client else "") or ""}
    for name, value in scope["headers"]:
        if name in _DJANGOS:
            return None
        read = _READ.get(name)
        if read is not None:
            if read in meta:
                return None
            meta[read] = value.decode("latin-1")
    key = (
        scope["raw_path"], scope["query_string"], scope["scheme"],
        meta.get("HTTP_HOST", ""), meta.get("HTTP_X_FORWARDED_PROTO", ""),
    )  # fmt: skip
    return _Asked(key, method, meta)


def _attributes(scope: Scope, asked: _Asked, path: str, status: int) -> answered.Attributes:
    """Return what the span of an answered request says of it."""
    return {
        "url.scheme": scope["scheme"],
        "url.path": path,
        "server.address": asked.meta.get("HTTP_HOST", ""),
        "server.port": (scope.get("server") or ("", 0))[1] or 0,
        "network.protocol.version": scope["http_version"],
        "http.response.status_code": status,
    }


def _is_public(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Say whether an answer is for everybody who sends none of the headers left to Django."""
    found = dict(headers)
    control = {each.strip() for each in found.get(b"cache-control", b"").split(b",")}
    vary = {each.strip().lower() for each in found.get(b"vary", b"").split(b",")}
    return b"public" in control and vary <= _SELECTING and found.keys() <= _UNDERSTOOD
