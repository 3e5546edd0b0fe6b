"""Masks, epochs and stages over HTTP."""

from typing import Annotated, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router

from midst.accounts.access import Reads, Requires
from midst.accounts.models import Scope
from midst.kernel import openapi
from midst.kernel.http import item_path, no_content, respond, send, send_own
from midst.kernel.input import sent
from midst.kernel.problems import CONFLICT
from taxonomy import schemas, selectors, services

router = Router(tags=["taxonomy"], auth=Reads(None))


def _staff(permission: str) -> Requires:
    return Requires(Scope.TAXONOMY_WRITE, permission=f"taxonomy.{permission}")


_CONFLICTS = openapi.problems(CONFLICT)

Offset = Annotated[int, Query(ge=0, le=10_000)]
Limit = Annotated[int, Query(ge=1, le=100)]
Text = Annotated[str, Query(max_length=50, pattern=r"^[^\x00]*$")]
Ontology = Literal["", "cognitive", "expressive", "operational"]


@router.get("/masks", response=schemas.MaskList, summary="List masks")
def masks(
    request: HttpRequest,
    offset: Offset = 0,
    limit: Limit = 20,
    ontology: Ontology = "",
    tag: Text = "",
    search: Text = "",
) -> HttpResponse:
    answer = selectors.masks(offset=offset, limit=limit, ontology=ontology, tag=tag, search=search)
    return respond(request, answer)


@router.get("/masks/{slug:slug}", response=schemas.Mask, summary="Show a mask")
def mask(request: HttpRequest, slug: str) -> HttpResponse:
    return respond(request, selectors.mask(slug))


@router.get("/epochs", response=schemas.EpochList, summary="List epochs with their stages")
def epochs(request: HttpRequest, offset: Offset = 0, limit: Limit = 20) -> HttpResponse:
    return respond(request, selectors.epochs(offset=offset, limit=limit))


@router.get("/epochs/{slug:slug}", response=schemas.Epoch, summary="Show an epoch")
def epoch(request: HttpRequest, slug: str) -> HttpResponse:
    return respond(request, selectors.epoch(slug))


@router.get("/stages", response=schemas.StageList, summary="List stages, perhaps of one epoch")
def stages(
    request: HttpRequest, offset: Offset = 0, limit: Limit = 20, epoch: Text = ""
) -> HttpResponse:
    return respond(request, selectors.stages(offset=offset, limit=limit, epoch=epoch))


@router.get("/stages/{slug:slug}", response=schemas.Stage, summary="Show a stage")
def stage(request: HttpRequest, slug: str) -> HttpResponse:
    return respond(request, selectors.stage(slug))


@router.post(
    "/masks",
    response={201: schemas.Mask},
    auth=_staff("add_mask"),
    summary="Create a mask (staff)",
    openapi_extra=_CONFLICTS,
)
def create_mask(request: HttpRequest, data: schemas.NewMask) -> HttpResponse:
    body = services.create_mask(data.model_dump())
    return send(body, status=201, location=item_path(request, data.slug))


@router.patch(
    "/masks/{slug:slug}",
    response=schemas.Mask,
    auth=_staff("change_mask"),
    summary="Change a mask (staff)",
    openapi_extra=_CONFLICTS,
)
def change_mask(request: HttpRequest, slug: str, data: schemas.MaskChanges) -> HttpResponse:  # type: ignore[valid-type]
    fields = sent(data)
    if "redaction" in fields:
        fields["redaction"] = sent(data.redaction)  # type: ignore[attr-defined]
    return send_own(request, services.change_mask(request, slug, fields))


@router.delete(
    "/masks/{slug:slug}",
    response={204: None},
    auth=_staff("delete_mask"),
    summary="Delete a mask that is not in use (staff)",
    openapi_extra=_CONFLICTS,
)
def delete_mask(request: HttpRequest, slug: str) -> HttpResponse:
    services.delete_mask(request, slug)
    return no_content()


@router.post(
    "/epochs",
    response={201: schemas.Epoch},
    auth=_staff("add_epoch"),
    summary="Create an epoch (staff)",
    openapi_extra=_CONFLICTS,
)
def create_epoch(request: HttpRequest, data: schemas.NewEpoch) -> HttpResponse:
    body = services.create_epoch(data.model_dump())
    return send(body, status=201, location=item_path(request, data.slug))


@router.patch(
    "/epochs/{slug:slug}",
    response=schemas.Epoch,
    auth=_staff("change_epoch"),
    summary="Change an epoch (staff)",
    openapi_extra=_CONFLICTS,
)
def change_epoch(request: HttpRequest, slug: str, data: schemas.EpochChanges) -> HttpResponse:  # type: ignore[valid-type]
    fields = sent(data)
    return send_own(request, services.change_epoch(request, slug, fields))


@router.delete(
    "/epochs/{slug:slug}",
    response={204: None},
    auth=_staff("delete_epoch"),
    summary="Delete an epoch that is not in use (staff)",
    openapi_extra=_CONFLICTS,
)
def delete_epoch(request: HttpRequest, slug: str) -> HttpResponse:
    services.delete_epoch(request, slug)
    return no_content()


@router.post(
    "/stages",
    response={201: schemas.Stage},
    auth=_staff("add_stage"),
    summary="Create a stage (staff)",
    openapi_extra=_CONFLICTS,
)
def create_stage(request: HttpRequest, data: schemas.NewStage) -> HttpResponse:
    body = services.create_stage(data.model_dump())
    return send(body, status=201, location=item_path(request, data.slug))


@router.patch(
    "/stages/{slug:slug}",
    response=schemas.Stage,
    auth=_staff("change_stage"),
    summary="Change a stage (staff)",
    openapi_extra=_CONFLICTS,
)
def change_stage(request: HttpRequest, slug: str, data: schemas.StageChanges) -> HttpResponse:  # type: ignore[valid-type]
    fields = sent(data)
    return send_own(request, services.change_stage(request, slug, fields))


@router.delete(
    "/stages/{slug:slug}",
    response={204: None},
    auth=_staff("delete_stage"),
    summary="Delete a stage that is not in use (staff)",
    openapi_extra=_CONFLICTS,
)
def delete_stage(request: HttpRequest, slug: str) -> HttpResponse:
    services.delete_stage(request, slug)
    return no_content()
