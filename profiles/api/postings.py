"""Job postings: anyone reads them, staff keeps them."""

from typing import Literal
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Router

from midst.kernel import openapi
from midst.kernel.http import item_path, no_content, own_path, respond, send, send_own
from midst.kernel.input import sent
from midst.kernel.pagination import DEFAULT_LIMIT
from midst.kernel.problems import CONFLICT
from profiles.api import ANYONE, Cursor, Limit, staff
from profiles.schemas import jobs as schemas
from profiles.selectors import postings as selectors
from profiles.services import postings as services

router = Router(tags=["jobs"])

# ruff: noqa: A002 -- `id` is the URL's name for it


@router.get("", response=schemas.JobPostingList, auth=ANYONE, summary="List job postings")
def postings(
    request: HttpRequest,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = "",
    status: Literal["open", "closed"] = "open",
) -> HttpResponse:
    answer = selectors.listed(status=status, path=own_path(request), limit=limit, cursor=cursor)
    return respond(request, answer)


@router.post(
    "",
    response={201: schemas.JobPosting},
    auth=staff("add_jobposting"),
    summary="Create a job posting (staff)",
)
def create_posting(request: HttpRequest, data: schemas.NewJobPosting) -> HttpResponse:
    key, body = services.create(data.model_dump())
    return send(body, status=201, location=item_path(request, key))


@router.get("/{uuid:id}", response=schemas.JobPosting, auth=ANYONE, summary="Show a job posting")
def posting(request: HttpRequest, id: UUID) -> HttpResponse:
    return respond(request, selectors.detail(id))


@router.patch(
    "/{uuid:id}",
    response=schemas.JobPosting,
    auth=staff("change_jobposting"),
    summary="Change a job posting (staff)",
)
def change_posting(
    request: HttpRequest,
    id: UUID,
    data: schemas.JobPostingChanges,  # type: ignore[valid-type]
) -> HttpResponse:
    fields = sent(data)
    return send_own(request, services.change(request, id, fields))


@router.delete(
    "/{uuid:id}",
    response={204: None},
    auth=staff("delete_jobposting"),
    summary="Delete a job posting (staff)",
    openapi_extra=openapi.problems(CONFLICT),
)
def delete_posting(request: HttpRequest, id: UUID) -> HttpResponse:
    services.delete(request, id)
    return no_content()
