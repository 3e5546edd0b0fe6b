"""A profile told through a mask."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from ninja import Schema
from pydantic import AfterValidator, ConfigDict, Field

from midst.kernel.input import Day, Input, Moment, Real, Tags, number, partial, text
from profiles.schemas.entries import PageQuery, Slug

_MOST_META_BYTES = 10_000


def _small(meta: dict[str, Any]) -> dict[str, Any]:
    if len(msgspec.json.encode(meta)) > _MOST_META_BYTES:
        raise ValueError(f"is larger than {_MOST_META_BYTES} bytes")
    return meta


class NewBlock(Input):
    title: str = text(200)
    body: str = text(10_000, default="")
    tags: Tags = []
    weight: Real = number(0, 1000, default=1.0)
    template: str = text(50, default="")


class NewNarrative(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "mask": "analyst",
                    "blocks": [{"title": "Note G", "body": "The first program.", "weight": 2.5}],
                }
            ]
        }
    )
    mask: Slug
    blocks: Annotated[list[NewBlock], Field(max_length=200)] = []
    meta: Annotated[dict[str, Any], AfterValidator(_small)] = {}
    revision_note: str = text(500, default="")


NarrativeChanges = partial(NewNarrative)


class ExportedBlock(NewBlock):
    """Masks write blocks that nobody may send: without a title, with any weight."""

    title: str = text(200, default="")
    weight: Real = number(-1e9, 1e9, default=1.0)


class ExportedNarrative(NewNarrative):
    blocks: Annotated[list[ExportedBlock], Field(max_length=5000)] = []  # type: ignore[assignment]
    status: Literal["draft", "approved", "rejected"] = "draft"
    approved_at: Moment | None = None


class Rejection(Input):
    revision_note: str = text(500, default="")
    """What should become different."""


class Generation(Input):
    model_config = ConfigDict(json_schema_extra={"examples": [{"mask": "architect"}]})
    mask: Slug | None = None
    """Left out: the profile's default mask."""
    as_of: Day | None = None
    """The day from which recency is counted; today when it is left out."""


class Block(Schema):
    title: str
    body: str
    tags: list[str]
    weight: float
    template: str


class Narrative(Schema):
    id: UUID
    mask: str
    status: str
    blocks: list[Block]
    meta: dict[str, Any]
    """Only for the profile's owner."""
    revision_note: str
    """Only for the profile's owner."""
    approved_at: datetime | None
    created_at: datetime
    updated_at: datetime


class NarrativeQuery(PageQuery):
    """Filters for what a user may see: others see approved narratives only."""

    mask: Slug | None = None
    status: Literal["draft", "approved", "rejected"] | None = None
