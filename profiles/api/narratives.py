"""What else can be done with narratives, and which masks suit a profile."""

from typing import Annotated
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router

from midst.accounts.access import principal
from midst.kernel import openapi
from midst.kernel.http import own_path, send, send_own
from midst.kernel.problems import CONFLICT, QUOTA_EXHAUSTED, invalid
from profiles.api import ANYONE, WRITER
from profiles.schemas import narrative as schemas
from profiles.schemas.plans import MaskSelection
from profiles.selectors import narratives as selectors
from profiles.services import narratives as services

router = Router(tags=["masks applied"])

Contexts = Annotated[str, Query(max_length=500, pattern=r"^[^\x00]*$", examples=["design,systems"])]
_MOST_CONTEXTS = 20


@router.get(
    "/{profile}/masks", response=MaskSelection, auth=ANYONE, summary="Select masks by contexts"
)
def masks(request: HttpRequest, profile: str, contexts: Contexts = "") -> HttpResponse:
    """Best match first. `contexts` are separated by commas; without any, the interests count."""
    words = [word.strip() for word in contexts.split(",") if word.strip()]
    if len(words) > _MOST_CONTEXTS:
        raise invalid("query.contexts", f"holds more than {_MOST_CONTEXTS} contexts")
    return send_own(request, selectors.suiting_masks(profile, principal(request).user, words))


@router.post(
    "/{profile}/narratives/generate",
    response={201: schemas.Narrative},
    auth=WRITER,
    summary="Generate a narrative through a mask",
    openapi_extra=openapi.problems(QUOTA_EXHAUSTED),
)
def generate(request: HttpRequest, profile: str, data: schemas.Generation) -> HttpResponse:
    """A draft from the timeline and the CV; the mask redacts, weighs and shortens it."""
    key, body = services.generate(
        profile, principal(request).user, mask=data.mask, as_of=data.as_of
    )
    return send(body, status=201, location=f"{own_path(request).removesuffix('/generate')}/{key}")


@router.post(
    "/{profile}/narratives/{uuid:id}/approve",
    response=schemas.Narrative,
    auth=WRITER,
    summary="Approve a narrative",
    openapi_extra=openapi.problems(CONFLICT),
)
def approve(request: HttpRequest, profile: str, id: UUID) -> HttpResponse:  # noqa: A002
    """Afterwards everyone who can see the profile can see it."""
    return send_own(request, services.approve(request, profile, id, principal(request).user))


@router.post(
    "/{profile}/narratives/{uuid:id}/reject",
    response=schemas.Narrative,
    auth=WRITER,
    summary="Reject a narrative",
    openapi_extra=openapi.problems(CONFLICT),
)
def reject(request: HttpRequest, profile: str, id: UUID, data: schemas.Rejection) -> HttpResponse:  # noqa: A002
    user = principal(request).user
    return send_own(request, services.reject(request, profile, id, user, note=data.revision_note))
