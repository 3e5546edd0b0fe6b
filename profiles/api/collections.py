"""The collections under a profile: from each declaration its five endpoints."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Router

from midst.accounts.access import asker
from midst.kernel import openapi
from midst.kernel.http import no_content, respond, send, send_own
from midst.kernel.input import sent
from midst.kernel.output import Listing
from midst.kernel.pagination import DEFAULT_LIMIT
from midst.kernel.problems import CONFLICT, NOT_YOURS, QUOTA_EXHAUSTED
from profiles.api.parameters import ANYONE, READER, WRITER, Cursor, Limit
from profiles.parts import APPLICATIONS, CV, NARRATIVES, TIMELINE, Part
from profiles.schemas.jobs import ApplicationStatus
from profiles.selectors import collections as selectors
from profiles.services import applications, narratives
from profiles.services import collections as services
from profiles.services.collections import Prepare, as_sent

router = Router(tags=["parts of a profile"])

# ruff: noqa: A002 -- `id` is the URL's name for it


def add(part: Part, prepare: Prepare = as_sent) -> None:
    """Mount all but the list, which may take parameters of its own."""
    one, name = f"/{{profile}}/{part.path}/{{uuid:id}}", part.path.replace("-", "_")
    reader: Any = READER if part.public is None else ANYONE
    body, changes = part.body, part.changes
    writes = openapi.problems(CONFLICT, QUOTA_EXHAUSTED)

    @router.post(
        f"/{{profile}}/{part.path}",
        response={201: part.shown},
        auth=WRITER,
        summary=f"Add: {part.noun}",
        operation_id=f"add_{name}",
        openapi_extra=writes,
    )
    def create(request: HttpRequest, profile: str, data: body) -> HttpResponse:  # type: ignore[valid-type]
        fields = data.model_dump()  # type: ignore[attr-defined]
        if fields.get("position", 0) is None:
            del fields["position"]
        key, made = services.create(part, profile, asker(request).user, fields, prepare)
        return send(made, status=201, location=f"{request.path}/{key}")

    @router.get(
        one, response=part.shown, auth=reader, summary=f"Show: {part.noun}",
        operation_id=f"show_{name}",
        openapi_extra=openapi.problems(NOT_YOURS) if part.public is None else {},
    )  # fmt: skip
    def show(request: HttpRequest, profile: str, id: UUID) -> HttpResponse:
        answer, own = selectors.detail(part, profile, id, user=asker(request).user)
        return respond(request, answer, own=own)

    @router.patch(
        one, response=part.shown, auth=WRITER, summary=f"Change: {part.noun}",
        operation_id=f"change_{name}", openapi_extra=writes,
    )  # fmt: skip
    def change(request: HttpRequest, profile: str, id: UUID, data: changes) -> HttpResponse:  # type: ignore[valid-type]
        fields = sent(data)
        user = asker(request).user
        return send_own(request, services.change(part, request, profile, id, user, fields, prepare))

    @router.delete(
        one, response={204: None}, auth=WRITER, summary=f"Delete: {part.noun}",
        operation_id=f"delete_{name}",
    )  # fmt: skip
    def delete(request: HttpRequest, profile: str, id: UUID) -> HttpResponse:
        services.delete(part, profile, id, asker(request).user)
        return no_content()


def add_list(part: Part) -> None:
    @router.get(
        f"/{{profile}}/{part.path}",
        response=Listing[part.shown],  # type: ignore[name-defined]
        auth=ANYONE,
        summary=f"List: {part.noun}",
        operation_id=f"list_{part.path.replace('-', '_')}",
    )
    def listing(
        request: HttpRequest, profile: str, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = ""
    ) -> HttpResponse:
        user = asker(request).user
        answer, own = selectors.listed(
            part, profile, user=user, path=request.path, limit=limit, cursor=cursor
        )
        return respond(request, answer, own=own)


for each in (*CV, TIMELINE, NARRATIVES):
    add_list(each)
for each in (*CV, TIMELINE):
    add(each)
add(NARRATIVES, narratives.prepare)
add(APPLICATIONS, applications.prepare)


@router.get(
    "/{profile}/applications",
    response=Listing[APPLICATIONS.shown],  # type: ignore[name-defined]
    auth=READER,
    summary="List: application",
    operation_id="list_applications",
    openapi_extra=openapi.problems(NOT_YOURS),
)
def list_applications(
    request: HttpRequest,
    profile: str,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = "",
    status: ApplicationStatus | None = None,
) -> HttpResponse:
    """The latest change first, perhaps of one status."""
    answer, own = selectors.listed(
        APPLICATIONS,
        profile,
        user=asker(request).user,
        path=request.path,
        limit=limit,
        cursor=cursor,
        status=status or "",
    )
    return respond(request, answer, own=own)
