"""Problem details (RFC 9457), and conditional answers to cacheable reads."""

import logging
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse

from midst.kernel.cache import Answer

PROBLEM = "application/problem+json"
JSON = "application/json"
# May be kept, must be asked for again: the ETag makes that cheap, and nobody sees old data.
_SHARED = "public, no-cache"
_OWN = "private, no-store"
_RETRY_AFTER_S = 5

log = logging.getLogger(__name__)


class FieldError(msgspec.Struct, frozen=True):
    """What is wrong with one part of the input; ``field`` like ``query.limit``."""

    field: str
    message: str


def problem(
    status: int, detail: str = "", *, errors: Sequence[FieldError] = (), headers: Any = None
) -> HttpResponse:
    """Return an RFC 9457 answer; ``errors`` appears only when there are any."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail or HTTPStatus(status).description or HTTPStatus(status).phrase,
    }
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
        "Vary": "Cookie",
        "X-Cache": answer.outcome.value,
    }
    if _client_has(request, tag):
        return HttpResponse(status=304, headers=headers)
    return HttpResponse(answer.body, content_type=JSON, headers=headers)


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
        return problem(response.status_code, headers=kept)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, (OperationalError, InterfaceError)):
            return None
        log.error("the database did not answer %s", request.path_info, exc_info=error)
        text, headers = "The database is not available.", {"Retry-After": str(_RETRY_AFTER_S)}
        if request.path_info.startswith("/api/"):
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, text, headers=headers)
        return HttpResponse(
            text, status=HTTPStatus.SERVICE_UNAVAILABLE, content_type="text/plain", headers=headers
        )
