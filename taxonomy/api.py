"""Masks, epochs and stages over HTTP."""

from typing import Annotated, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router

from midst.accounts.access import Reads
from midst.kernel.http import respond
from taxonomy import schemas, selectors

router = Router(tags=["taxonomy"], auth=Reads(None))

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
