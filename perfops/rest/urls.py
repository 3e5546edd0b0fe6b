"""The API for projects without one of their own: ``path("perfops/api/", perfops.rest.urls.urls)``.

Who may call it: ``PERFOPS["API_ACCESS"]``, by default the admin's session and permissions.
"""

import json
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.module_loading import import_string
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from perfops import __version__
from perfops.conf import conf
from perfops.rest.access import Refused, SessionGuard
from perfops.rest.routes import make_router


def _make() -> NinjaAPI:
    guard = import_string(conf().API_ACCESS) if conf().API_ACCESS else SessionGuard
    made = NinjaAPI(title="perfops", version=__version__, urls_namespace="perfops_api")
    made.add_router("", make_router(guard))
    return made


api = _make()
urls = api.urls


@api.exception_handler(Refused)
def refused(request: HttpRequest, error: Refused) -> HttpResponse:
    return _problem(error.status, error.detail, error.errors, error.headers)


@api.exception_handler(ValidationError)
def invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    found = [(_field(each["loc"]), each["msg"]) for each in error.errors]
    return _problem(422, "The request is not valid: see errors.", found)


@api.exception_handler(AuthenticationError)
def unknown(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    return _problem(401, "Sign in.")


@api.exception_handler(HttpError)
def failed(request: HttpRequest, error: HttpError) -> HttpResponse:
    return _problem(error.status_code, error.message)


def _field(place: Any) -> str:
    """Leave out the name of the view's parameter for the body: clients don't know it."""
    where, *rest = place
    return ".".join(map(str, [where, *(rest[1:] if where == "body" else rest)]))


def _problem(
    status: int,
    detail: str,
    errors: Any = (),
    headers: dict[str, str] | None = None,
) -> HttpResponse:
    """Return problem details (RFC 9457)."""
    body: dict[str, Any] = {
        "type": "about:blank", "title": HTTPStatus(status).phrase, "status": status,
        "detail": detail,
    }  # fmt: skip
    if errors:
        body["errors"] = [{"field": field, "message": message} for field, message in errors]
    response = HttpResponse(
        json.dumps(body), status=status, content_type="application/problem+json", headers=headers
    )
    response["Cache-Control"] = "private, no-store"
    return response
