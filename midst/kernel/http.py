"""Responses: problem details (RFC 9457), conditional reads and writes (RFC 9110, 13)."""

import logging
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec
from django.db import DatabaseError, InterfaceError, connection
from django.http import HttpRequest, HttpResponse
from django.urls import get_script_prefix

from midst.kernel.cache import Answer, Source, bypass, tag_of
from midst.kernel.problems import (
    CHANGED,
    UNAVAILABLE,
    FieldError,
    Problem,
    Type,
    is_worth_a_second_try,
    why_unavailable,
)
from midst.telemetry import request_context
from midst.telemetry.request_context import template

PROBLEM = "application/problem+json"
JSON = "application/json"
# May be kept, must be asked for again: the ETag makes that cheap, and nobody sees old data.
_SHARED = "public, no-cache"
_OWN = "private, no-store"
_VARY = "Authorization, Cookie"
_CHALLENGE = 'Bearer realm="midst"'
_RETRY_AFTER_S = 5
_SAFE = frozenset({"GET", "HEAD"})

log = logging.getLogger(__name__)


def problem(
    kind: Type, detail: str = "", *, errors: Sequence[FieldError] = (), headers: Any = None
) -> HttpResponse:
    """Return an RFC 9457 answer; ``errors`` appears only when there are any."""
    return _problem(kind.uri, kind.title, kind.status, detail or kind.meaning, errors, headers)


def plain_problem(status: int, detail: str = "", *, headers: Any = None) -> HttpResponse:
    """Return an RFC 9457 answer that says no more than its status."""
    known = HTTPStatus(status)
    detail = detail or known.description or known.phrase
    return _problem("about:blank", known.phrase, status, detail, (), headers)


def _problem(
    kind: str, title: str, status: int, detail: str, errors: Sequence[FieldError], headers: Any
) -> HttpResponse:
    body: dict[str, Any] = {"type": kind, "title": title, "status": status, "detail": detail}
    if errors:
        body["errors"] = errors
    response = HttpResponse(
        msgspec.json.encode(body), status=status, content_type=PROBLEM, headers=headers
    )
    # The same address may answer another client, or the same one later, with something else.
    response.headers.setdefault("Cache-Control", _OWN)
    response.headers.setdefault("Vary", _VARY)
    if status == HTTPStatus.UNAUTHORIZED:
        # RFC 9110, 15.5.2: every 401 names a way to authenticate.
        response.headers.setdefault("WWW-Authenticate", _CHALLENGE)
    return response


def respond(request: HttpRequest, answer: Answer, *, own: bool = False) -> HttpResponse:
    """Send ``answer``, or 304 to a read when the client has it.

    ``own``: the answer is for this user alone, no cache may keep it.
    """
    tag = f'"{answer.tag}"'
    headers = {
        "ETag": tag,
        "Cache-Control": _OWN if own else _SHARED,
        "Vary": _VARY,
        "X-Cache": answer.outcome.value,
    }
    if request.method in _SAFE and _client_has(request, tag):
        response = PublicResponse(status=HTTPStatus.NOT_MODIFIED, headers=headers)
    else:
        response = PublicResponse(answer.body, content_type=JSON, headers=headers)
    if not own:
        response.origin = _origin(request, answer)
    return response


class Origin(NamedTuple):
    """What an answer for everybody was made of: one entry of the cache, and the request's route.

    ``route``: Django's pattern; ``path``: the request's, as logs show it.
    """

    source: Source
    route: str
    path: str


class PublicResponse(HttpResponse):
    """What ``respond`` returns. With an ``origin`` the same request is answered by that entry.

    So long as the entry is valid, and the request is counted against its address' limit: the view
    asked nothing else.
    """

    origin: Origin | None = None


def _origin(request: HttpRequest, answer: Answer) -> Origin | None:
    source, match = answer.source, request.resolver_match
    observed = request_context.current.get()
    if source is None or match is None or observed is None or request.method not in _SAFE:
        return None
    before, after = source.statements
    # What a view has asked the database itself decides over its answer, and no entry knows of it.
    asked_nothing = before == 0 and observed.queries == after
    if not asked_nothing or not getattr(request, "is_counted_by_address", False):
        return None
    return Origin(source, match.route, request.path)


def send(body: object, *, status: int = 200, location: str | None = None) -> HttpResponse:
    """Send an answer that no cache may keep: that of a write, or one person's own list."""
    headers = {"Cache-Control": _OWN, "Vary": _VARY}
    if location is not None:
        headers["Location"] = location
    return HttpResponse(
        body if isinstance(body, bytes) else msgspec.json.encode(body),
        status=status,
        content_type=JSON,
        headers=headers,
    )


def no_content() -> HttpResponse:
    headers = {"Cache-Control": _OWN, "Vary": _VARY}
    return HttpResponse(status=HTTPStatus.NO_CONTENT, headers=headers)


def send_own(request: HttpRequest, body: bytes) -> HttpResponse:
    """Send one person's view of a resource, with the tag that ``If-Match`` may name."""
    return respond(request, bypass(lambda: body), own=True)


def check_preconditions(request: HttpRequest, body: bytes) -> None:
    """Refuse a write whose condition does not hold; call it under the lock, before the write.

    ``body`` is the resource as it is now. Raises ``Problem`` (412) unless ``If-Match`` names it,
    and when ``If-None-Match`` does (RFC 9110, 13.1.1, 13.1.2, 13.2.2).
    """
    tag = f'"{tag_of(body)}"'
    asked: str | None = request.META.get("HTTP_IF_MATCH")
    # Strong comparison: a weak tag never matches.
    if asked is not None and asked.strip() != "*" and tag not in _tags(asked):
        raise Problem(CHANGED)
    if _client_has(request, tag):
        raise Problem(CHANGED, "It exists as `If-None-Match` names it: nothing was written.")


def _client_has(request: HttpRequest, tag: str) -> bool:
    return is_named(tag, request.META.get("HTTP_IF_NONE_MATCH"))


def is_named(tag: str, asked: str | None) -> bool:
    """Say whether ``If-None-Match`` names ``tag``: compared weakly (RFC 9110, 13.1.2)."""
    if asked is None:
        return False
    return asked.strip() == "*" or tag in (each.removeprefix("W/") for each in _tags(asked))


def _tags(header: str) -> list[str]:
    return [each.strip() for each in header.split(",")]


class HeadMiddleware:
    """Below ``/api/`` HEAD is answered as GET; the server leaves the body out (RFC 9110, 9.3.2)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method != "HEAD" or not request.path_info.startswith("/api/"):
            return self.get_response(request)
        request.method = "GET"
        try:
            response = self.get_response(request)
        finally:
            request.method = "HEAD"
        return response


class ProblemMiddleware:
    """Makes every error below ``/api/`` problem details, and a lost PostgreSQL a 503 anywhere.

    A request of the API whose transaction PostgreSQL ended for another one's sake (a deadlock) is
    tried once more.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if (
            response.status_code < HTTPStatus.BAD_REQUEST
            or not request.path_info.startswith("/api/")
            or response.headers.get("Content-Type") == PROBLEM
        ):
            return response
        # Allow, Retry-After and others belong to the status, not to the body.
        kept = {
            name: value
            for name, value in response.headers.items()
            if name.lower() not in {"content-type", "content-length"}
        }
        if "GET" in kept.get("Allow", ""):
            kept["Allow"] += ", HEAD"
        return plain_problem(response.status_code, headers=kept)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if is_worth_a_second_try(error) and self._may_try_again(request):
            log.warning(
                "once more, after %s: %s", type(error.__cause__).__name__, request.path_info
            )
            try:
                return _view_again(request)
            except (DatabaseError, InterfaceError) as second:
                error = second
                if why_unavailable(error) is None:
                    raise
        reason = why_unavailable(error)
        if reason is None:
            return None
        log.error("no answer from the database for %s", request.path_info, exc_info=error)
        headers = {"Retry-After": str(_RETRY_AFTER_S)}
        if request.path_info.startswith("/api/"):
            return problem(UNAVAILABLE, reason, headers=headers)
        return HttpResponse(
            reason,
            status=HTTPStatus.SERVICE_UNAVAILABLE,
            content_type="text/plain",
            headers=headers,
        )

    @staticmethod
    def _may_try_again(request: HttpRequest) -> bool:
        """A request of the API is one transaction, which is undone; a page may be more."""
        return request.path_info.startswith("/api/") and not connection.in_atomic_block


def _view_again(request: HttpRequest) -> HttpResponse:
    match = request.resolver_match
    if match is None:
        raise ValueError("only a view's errors come here")
    response: HttpResponse = match.func(request, *match.args, **match.kwargs)
    return response


# Inline styles appear in Django's own admin templates; scripts never come inline.
_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'none'"
)


class ContentSecurityPolicyMiddleware:
    """Send a strict Content-Security-Policy with every answer that sets none itself."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", _POLICY)
        return response


# A page that is cached for everybody must hold nothing that one client chose freely: neither a
# header such as SCRIPT_NAME nor another spelling of the path reaches an address made here.


def own_path(request: HttpRequest) -> str:
    """Return the path of the matched route, each of its parameters percent-encoded.

    Valid inside a view only. Parameters of type ``str`` must have been validated before the path
    goes into an answer that others may get.
    """
    match = request.resolver_match
    if match is None:
        raise ValueError("own_path needs a request that has been routed to a view")
    parameters = {name: quote(str(value), safe="") for name, value in match.kwargs.items()}
    return get_script_prefix() + template(match.route).removeprefix("/").format(**parameters)


def item_path(request: HttpRequest, key: object) -> str:
    """Return the path of one member of the collection that ``request`` was sent to."""
    return f"{own_path(request)}/{quote(str(key), safe='')}"
