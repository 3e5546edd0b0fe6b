"""What the taxonomy's endpoints take and send."""

from datetime import datetime
from typing import Annotated, Literal

from ninja import Schema
from pydantic import AfterValidator, ConfigDict, Field

from midst.kernel.input import Input, Real, Tag, Tags, Whole, number, partial, text

Slug = Annotated[str, Field(min_length=1, max_length=50, pattern=r"^[-a-zA-Z0-9_]+$")]


def _two_decimals(ratio: float) -> float:
    return round(ratio, 2)


def _all_different(slugs: list[str]) -> list[str]:
    if len(set(slugs)) < len(slugs):
        raise ValueError("names a stage twice")
    return slugs


class Redaction(Schema):
    private_tags: list[str]
    excluded_entities: list[str]
    obfuscate_dates: bool


class Mask(Schema):
    slug: str
    name: str
    ontology: str
    functional_scope: str
    tone: str
    rhetorical_mode: str
    compression_ratio: float
    contexts: list[str]
    triggers: list[str]
    include_tags: list[str]
    exclude_tags: list[str]
    priority_weights: dict[str, float]
    redaction: Redaction
    created_at: datetime
    updated_at: datetime


class Stage(Schema):
    slug: str
    title: str
    summary: str
    tags: list[str]


class Epoch(Schema):
    slug: str
    name: str
    summary: str
    position: int
    stages: list[Stage]


class MaskList(Schema):
    results: list[Mask]
    count: int


class EpochList(Schema):
    results: list[Epoch]
    count: int


class StageList(Schema):
    results: list[Stage]
    count: int


class RedactionTerms(Input):
    private_tags: Tags = []
    excluded_entities: Tags = []
    obfuscate_dates: bool = Field(default=False, strict=True)


class MaskTerms(Input):
    name: str = text(100)
    ontology: Literal["cognitive", "expressive", "operational"]
    functional_scope: str = text(200)
    tone: str = text(50)
    rhetorical_mode: str = text(50)
    compression_ratio: Annotated[Real, Field(ge=0.01, le=1), AfterValidator(_two_decimals)]
    contexts: Tags = []
    triggers: Tags = []
    include_tags: Tags = []
    exclude_tags: Tags = []
    priority_weights: Annotated[
        dict[Tag, Annotated[Real, Field(gt=0, le=1000)]], Field(max_length=100)
    ] = {}
    redaction: RedactionTerms = Field(default_factory=RedactionTerms)


RedactionChanges = partial(RedactionTerms)


class MaskPatch(MaskTerms):
    """A PATCH merges into ``redaction`` as into the mask: what is left out stays."""

    redaction: RedactionChanges = Field(default_factory=RedactionTerms)  # type: ignore[valid-type]


MaskChanges = partial(MaskPatch)


class NewMask(MaskTerms):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "slug": "cartographer",
                    "name": "Cartographer",
                    "ontology": "cognitive",
                    "functional_scope": "orientation",
                    "tone": "calm",
                    "rhetorical_mode": "expository",
                    "compression_ratio": 0.6,
                    "contexts": ["overview"],
                    "priority_weights": {"maps": 2},
                }
            ]
        }
    )
    slug: Slug


class StageTerms(Input):
    title: str = text(100)
    summary: str = text(2000)
    tags: Tags = []


StageChanges = partial(StageTerms)


class NewStage(StageTerms):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"slug": "survey", "title": "Survey", "summary": "Looking around"}]
        }
    )
    slug: Slug


class EpochTerms(Input):
    name: str = text(100)
    summary: str = text(2000)
    position: Whole = number(0, 32_767)
    stages: Annotated[list[Slug], Field(max_length=50), AfterValidator(_all_different)] = []
    """The slugs of its stages, in their order."""


EpochChanges = partial(EpochTerms)


class NewEpoch(EpochTerms):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "slug": "prologue",
                    "name": "Prologue",
                    "summary": "Before it began",
                    "position": 9,
                    "stages": ["inquiry"],
                }
            ]
        }
    )
    slug: Slug
