"""The one API, built from each app's router."""

from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import IntegrityError
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import NoReverseMatch
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from psycopg.errors import ForeignKeyViolation

from midst.accounts import idempotency
from midst.accounts.access import Requires
from midst.accounts.api import router as accounts
from midst.accounts.models import Scope
from midst.kernel import openapi
from midst.kernel.http import plain_problem, problem
from midst.kernel.input import StrictParser
from midst.kernel.problems import (
    CONFLICT,
    INVALID,
    NOT_FOUND,
    NOT_YOURS,
    TOO_LARGE,
    FieldError,
    Problem,
)
from midst.telemetry.request_context import template
from perfops.rest.access import Refused
from perfops.rest.routes import make_router as perfops_router
from profiles.api import postings, profiles
from taxonomy.api import router as taxonomy


class MidstAPI(NinjaAPI):
    """Adds to the document what every endpoint may answer, and how."""

    @cached_property
    def _document(self) -> Any:
        return openapi.complete(super().get_openapi_schema())

    def get_openapi_schema(self, **options: Any) -> Any:
        """Made once: it takes long, and the options are for paths that we don't have."""
        return self._document

    @cached_property
    def query_parameters(self) -> dict[tuple[str, str], frozenset[str]]:
        """Which query parameters each path (as the document has it) and method takes."""
        return {
            (path, method): frozenset(
                each["name"] for each in operation["parameters"] if each["in"] == "query"
            )
            for path, operations in self._document["paths"].items()
            for method, operation in operations.items()
        }


api = MidstAPI(
    title="Midst",
    version="1",
    description="Identity profiles, seen through masks. Errors are RFC 9457 problem details. "
    "A query parameter that an operation does not have is refused (422).",
    parser=StrictParser(),
)
api.add_router("/auth", accounts)


def operator(permission: str) -> Requires:
    """Let in staff with ``permission``, by a sign-in or a token with the scope for it."""
    reads = permission.partition(".")[2].startswith("view_")
    return Requires(Scope.PERFOPS_READ if reads else Scope.PERFOPS_RUN, permission=permission)


# Not sign-ins and tokens: an answer that holds a secret is never stored.
for prefix, router in (
    ("/taxonomy", taxonomy),
    ("/profiles", profiles.router),
    ("/postings", postings.router),
    ("/perfops", perfops_router(operator)),
):
    router.add_decorator(idempotency.once, mode="view")
    api.add_router(prefix, router)


_KINDS = {kind.status: kind for kind in (INVALID, NOT_FOUND, NOT_YOURS, CONFLICT)}


def prepare() -> None:
    """Make what the first request with parameters would wait for: 0.4 s of CPU in each process.

    Nothing where the URLconf has no API.
    """
    with suppress(NoReverseMatch):
        _ = api.query_parameters


class KnownParametersMiddleware:
    """Refuses query parameters that an endpoint does not have: misspelled filters would do nothing.

    One rule for the whole API; what stands in the document is what is known.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self._get_response(request)

    def process_view(
        self, request: HttpRequest, view: Any, args: Any, kwargs: Any
    ) -> HttpResponse | None:
        match = request.resolver_match
        if not request.META.get("QUERY_STRING") or match is None or "api-1" not in match.namespaces:
            return None
        operation = (template(match.route), (request.method or "").lower())
        known = api.query_parameters.get(operation)
        # The document and its page are no operations.
        unknown = sorted(set(request.GET) - known) if known is not None else ()
        if not unknown:
            return None
        taken = f"it has {', '.join(sorted(known or ()))}" if known else "it has none"
        errors = [FieldError("query", f"{name!r} is no parameter: {taken}") for name in unknown]
        return problem(INVALID, errors=errors)


@api.exception_handler(Problem)
def known(request: HttpRequest, error: Problem) -> HttpResponse:
    return problem(error.kind, error.detail, errors=error.errors, headers=error.headers)


@api.exception_handler(idempotency.Replay)
def done_before(request: HttpRequest, replay: idempotency.Replay) -> HttpResponse:
    return replay.response


@api.exception_handler(Refused)
def refused_by_perfops(request: HttpRequest, error: Refused) -> HttpResponse:
    errors = [FieldError(field, message) for field, message in error.errors]
    return problem(_KINDS[error.status], error.detail, errors=errors, headers=error.headers)


@api.exception_handler(ValidationError)
def invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    return problem(INVALID, errors=[_field_error(each) for each in error.errors])


@api.exception_handler(DjangoValidationError)
def invalid_field(request: HttpRequest, error: DjangoValidationError) -> HttpResponse:
    errors = [
        FieldError(f"body.{field}", message)
        for field, messages in error.message_dict.items()
        for message in messages
    ]
    return problem(INVALID, errors=errors)


@api.exception_handler(IntegrityError)
def gone_meanwhile(request: HttpRequest, error: IntegrityError) -> HttpResponse:
    """What the row points at went after our look; all else is a mistake of ours."""
    if not isinstance(error.__cause__, ForeignKeyViolation):
        raise error
    return problem(CONFLICT, "What it belongs to has gone meanwhile.")


@api.exception_handler(Http404)
def missing(request: HttpRequest, error: Http404) -> HttpResponse:
    return problem(NOT_FOUND, str(error))


@api.exception_handler(RequestDataTooBig)
def too_large(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    return problem(TOO_LARGE)


@api.exception_handler(HttpError)
def refused(request: HttpRequest, error: HttpError) -> HttpResponse:
    # ninja wraps what our parser raises.
    if isinstance(error.__cause__, Problem):
        return known(request, error.__cause__)
    return plain_problem(error.status_code, error.message)


def _field_error(error: dict[str, Any]) -> FieldError:
    """Leave out the name of the view's parameter for the body or query: clients don't know it."""
    where, *rest = error["loc"]
    path = rest[1:] if rest and (where == "body" or rest[0] == "query") else rest
    message: str = error["msg"]
    return FieldError(".".join(map(str, [where, *path])), message.removeprefix("Value error, "))
