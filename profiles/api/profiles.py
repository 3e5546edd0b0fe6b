"""Profiles themselves."""

from typing import Annotated

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router
from pydantic import AfterValidator, Field

from midst.accounts.access import principal
from midst.kernel import openapi
from midst.kernel.http import item_path, no_content, own_path, respond, send, send_own
from midst.kernel.input import Moment, sent
from midst.kernel.pagination import DEFAULT_LIMIT
from midst.kernel.problems import CONFLICT, QUOTA_EXHAUSTED, invalid
from profiles.api import ANYONE, READER, WRITER, Cursor, Limit, collections, narratives, plans
from profiles.schemas import profile as schemas
from profiles.selectors import profiles as selectors
from profiles.selectors.search import LONGEST, plain
from profiles.services import profiles as services

router = Router(tags=["profiles"])

Name = Annotated[str, Query(max_length=120, pattern=r"^[^\x00]*$")]


def _has_a_word(words: str) -> str:
    if "\x00" in words or (words and not plain(words)):
        raise ValueError("has no word to search for: send at least one letter or digit")
    return words


Words = Annotated[
    str,
    Field(max_length=LONGEST, json_schema_extra={"pattern": r"^([^\x00]*[^\W_][^\x00]*)?$"}),
    AfterValidator(_has_a_word),
]
_TAKEN = openapi.problems(CONFLICT, QUOTA_EXHAUSTED)


@router.get("", response=schemas.ProfileList, auth=ANYONE, summary="List public profiles")
def profiles(
    request: HttpRequest,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = "",
    name: Name = "",
    q: Words = "",
    created_from: Moment | None = None,
    created_before: Moment | None = None,
) -> HttpResponse:
    """Newest first, optionally of a span of time; with `name`, those whose name begins so.

    With `q`, those that have all of its words in their name, title, headline or skills; the best
    match comes first. Whole words count, without regard to case, accents and spelling (`strasse`
    finds Straße). Punctuation joins no words: `node` finds Node.js, `brien` and `obrien` find
    O'Brien. Of more than 1000 matches, those among the 10,000 newest profiles are ranked, 1000 at
    most: add a word.
    """
    if (name or q) and (created_from or created_before):
        raise invalid(
            "query.name" if name else "query.q", "search by words or by time, not by both"
        )
    if name and q:
        raise invalid("query.q", "search by `name` or by `q`, not by both")
    if q:
        return respond(
            request, selectors.found(q, path=own_path(request), limit=limit, cursor=cursor)
        )
    answer = selectors.listed(
        path=own_path(request),
        limit=limit,
        cursor=cursor,
        name=name,
        since=created_from,
        before=created_before,
    )
    return respond(request, answer)


@router.get("/me", response=schemas.OwnProfileList, auth=READER, summary="List your own profiles")
def me(request: HttpRequest, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = "") -> HttpResponse:
    """Newest first, whatever their visibility."""
    user = principal(request).user
    answer = selectors.owned(user, path=own_path(request), limit=limit, cursor=cursor)
    return respond(request, answer, own=True)


@router.post(
    "",
    response={201: schemas.Profile},
    auth=WRITER,
    summary="Create a profile",
    openapi_extra=_TAKEN,
)
def create(request: HttpRequest, data: schemas.NewProfile) -> HttpResponse:
    profile, body = services.create(principal(request).user, data.model_dump())
    return send(body, status=201, location=item_path(request, profile.pk))


@router.get("/{id}", response=schemas.Profile, auth=ANYONE, summary="Show a profile, by id or slug")
def profile(request: HttpRequest, id: str) -> HttpResponse:  # noqa: A002 -- the URL's name for it
    answer, own = selectors.detail(id, user=principal(request).user)
    return respond(request, answer, own=own)


@router.patch(
    "/{id}",
    response=schemas.Profile,
    auth=WRITER,
    summary="Change a profile",
    openapi_extra=_TAKEN,
)
def change(request: HttpRequest, id: str, data: schemas.ProfileChanges) -> HttpResponse:  # type: ignore[valid-type]  # noqa: A002
    fields = sent(data)
    return send_own(request, services.change(request, id, principal(request).user, fields))


@router.delete(
    "/{id}", response={204: None}, auth=WRITER, summary="Delete a profile and all its data"
)
def delete(request: HttpRequest, id: str) -> HttpResponse:  # noqa: A002
    services.delete(request, id, principal(request).user)
    return no_content()


for _below in (collections, narratives, plans):
    router.add_router("", _below.router)
