"""Problem details (RFC 9457), and conditional answers to cacheable reads."""

import logging
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse

from midst.kernel.cache import Answer, bypass, tag_of
from midst.kernel.problems import CHANGED, UNAVAILABLE, FieldError, Problem, Type

PROBLEM = "application/problem+json"
JSON = "application/json"
# May be kept, must be asked for again: the ETag makes that cheap, and nobody sees old data.
_SHARED = "public, no-cache"
_OWN = "private, no-store"
_RETRY_AFTER_S = 5

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
    return HttpResponse(
        msgspec.json.encode(body), status=status, content_type=PROBLEM, headers=headers
    )


def respond(request: HttpRequest, answer: Answer, *, own: bool = False) -> HttpResponse:
    """Send ``answer``, or 304 when the client has it. ``own``: for this user's eyes only."""
    tag = f'"{answer.tag}"'
    headers = {
        "ETag": tag,
        "Cache-Control": _OWN if own else _SHARED,
        "Vary": "Authorization, Cookie",
        "X-Cache": answer.outcome.value,
    }
    if _client_has(request, tag):
        return HttpResponse(status=304, headers=headers)
    return HttpResponse(answer.body, content_type=JSON, headers=headers)


def send(body: object, *, status: int = 200, location: str | None = None) -> HttpResponse:
    """Send an answer that nobody may keep: that of a write, or one person's own list."""
    headers = {"Cache-Control": _OWN, "Vary": "Authorization, Cookie"}
    if location is not None:
        headers["Location"] = location
    return HttpResponse(
        body if isinstance(body, bytes) else msgspec.json.encode(body),
        status=status,
        content_type=JSON,
        headers=headers,
    )


def no_content() -> HttpResponse:
    return HttpResponse(status=HTTPStatus.NO_CONTENT, headers={"Cache-Control": _OWN})


def send_own(request: HttpRequest, body: bytes) -> HttpResponse:
    """Send one person's view of a thing, with the tag that ``If-Match`` may name."""
    return respond(request, bypass(lambda: body), own=True)


def check_if_match(request: HttpRequest, body: bytes) -> None:
    """Raise ``Problem`` (412) unless ``body``, what stands there now, is what the client saw."""
    asked: str | None = request.META.get("HTTP_IF_MATCH")
    if asked is None or asked.strip() == "*":
        return
    # Strong comparison (RFC 9110, 13.1.1): a weak tag never matches.
    if f'"{tag_of(body)}"' not in (each.strip() for each in asked.split(",")):
        raise Problem(CHANGED)


def _client_has(request: HttpRequest, tag: str) -> bool:
    """``If-None-Match`` compares weakly (RFC 9110, 13.1.2)."""
    asked: str | None = request.META.get("HTTP_IF_NONE_MATCH")
    if asked is None:
        return False
    return asked.strip() == "*" or tag in (
        each.strip().removeprefix("W/") for each in asked.split(",")
    )


class ProblemMiddleware:
    """Below ``/api/`` every error is problem details; PostgreSQL away is a 503 everywhere."""

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
        # Allow, Retry-After and their like belong to the status, not to the body.
        kept = {
            name: value
            for name, value in response.headers.items()
            if name.lower() not in {"content-type", "content-length"}
        }
        return plain_problem(response.status_code, headers=kept)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, (OperationalError, InterfaceError)):
            return None
        log.error("the database did not answer %s", request.path_info, exc_info=error)
        headers = {"Retry-After": str(_RETRY_AFTER_S)}
        if request.path_info.startswith("/api/"):
            return problem(UNAVAILABLE, headers=headers)
        return HttpResponse(
            UNAVAILABLE.meaning,
            status=HTTPStatus.SERVICE_UNAVAILABLE,
            content_type="text/plain",
            headers=headers,
        )
