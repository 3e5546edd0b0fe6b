"""Profiles over HTTP."""

from typing import Annotated

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router
from ninja.errors import ValidationError

from midst.kernel.http import respond
from midst.kernel.pagination import DEFAULT_LIMIT, MAX_LIMIT, BadCursor
from profiles import schemas, selectors

router = Router(tags=["profiles"])

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]
Cursor = Annotated[str, Query(max_length=100)]


@router.get("", response=schemas.ProfileList, summary="List public profiles, newest first")
def profiles(
    request: HttpRequest, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = ""
) -> HttpResponse:
    try:
        answer = selectors.listed(path=request.path, limit=limit, cursor=cursor)
    except BadCursor as error:
        raise ValidationError([{"loc": ["query", "cursor"], "msg": str(error)}]) from error
    return respond(request, answer)


@router.get("/{id}", response=schemas.Profile, summary="Show a profile by id or slug")
def profile(request: HttpRequest, id: str) -> HttpResponse:  # noqa: A002 -- the URL's name for it
    answer, own = selectors.detail(id, user=request.user)
    return respond(request, answer, own=own)
