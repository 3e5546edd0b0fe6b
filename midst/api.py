"""The one API, built from each app's router."""

from functools import cached_property
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import IntegrityError
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from psycopg.errors import ForeignKeyViolation

from midst.accounts.api import router as accounts
from midst.kernel import openapi
from midst.kernel.http import plain_problem, problem
from midst.kernel.input import StrictParser
from midst.kernel.problems import CONFLICT, INVALID, NOT_FOUND, TOO_LARGE, FieldError, Problem
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


api = MidstAPI(
    title="Midst",
    version="1",
    description="Identity profiles, seen through masks. Errors are RFC 9457 problem details.",
    parser=StrictParser(),
)
api.add_router("/auth", accounts)
api.add_router("/taxonomy", taxonomy)
api.add_router("/profiles", profiles.router)
api.add_router("/postings", postings.router)


@api.exception_handler(Problem)
def known(request: HttpRequest, error: Problem) -> HttpResponse:
    return problem(error.kind, error.detail, errors=error.errors, headers=error.headers)


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
