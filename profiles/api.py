"""Profiles over HTTP."""

from typing import Annotated

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router

from midst.accounts.access import Reads, asker
from midst.accounts.scopes import Scope
from midst.kernel.http import respond
from midst.kernel.pagination import DEFAULT_LIMIT, MAX_LIMIT
from profiles import schemas, selectors

router = Router(tags=["profiles"], auth=Reads(Scope.PROFILES_READ))

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]
Cursor = Annotated[str, Query(max_length=100)]


@router.get("", response=schemas.ProfileList, summary="List public profiles, newest first")
def profiles(
    request: HttpRequest, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = ""
) -> HttpResponse:
    return respond(request, selectors.listed(path=request.path, limit=limit, cursor=cursor))


@router.get("/{id}", response=schemas.Profile, summary="Show a profile by id or slug")
def profile(request: HttpRequest, id: str) -> HttpResponse:  # noqa: A002 -- the URL's name for it
    answer, own = selectors.detail(id, user=asker(request).user)
    return respond(request, answer, own=own)
