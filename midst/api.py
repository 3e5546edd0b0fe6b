"""The one API, built from each app's router."""

from django.core.exceptions import ValidationError as DjangoValidationError
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from midst.kernel.http import FieldError, problem
from profiles.api import router as profiles
from taxonomy.api import router as taxonomy

api = NinjaAPI(
    title="Midst",
    version="1",
    description="Identity profiles, seen through masks. Errors are RFC 9457 problem details.",
)
api.add_router("/taxonomy", taxonomy)
api.add_router("/profiles", profiles)


@api.exception_handler(ValidationError)
def invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    errors = [
        FieldError(".".join(str(part) for part in each["loc"]), each["msg"])
        for each in error.errors
    ]
    return problem(422, "The request is not valid: see errors.", errors=errors)


@api.exception_handler(DjangoValidationError)
def invalid_field(request: HttpRequest, error: DjangoValidationError) -> HttpResponse:
    errors = [
        FieldError(field, message)
        for field, messages in error.message_dict.items()
        for message in messages
    ]
    return problem(422, "The request is not valid: see errors.", errors=errors)


@api.exception_handler(Http404)
def missing(request: HttpRequest, error: Http404) -> HttpResponse:
    return problem(404, str(error))


@api.exception_handler(HttpError)
def refused(request: HttpRequest, error: HttpError) -> HttpResponse:
    return problem(error.status_code, error.message)
