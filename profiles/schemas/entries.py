"""The schemas of the entries of a CV, derived from their models.

Each entry has the common fields below, and its model's own columns with the limits of the model.
"""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from ninja import Schema
from pydantic import ConfigDict, Field, create_model

from midst.kernel.input import Day, Input, Real, Tags, Whole, link, number, text
from midst.kernel.pagination import DEFAULT_LIMIT, MAX_LIMIT
from profiles.models import Entry as EntryModel

LARGEST = 2**31 - 1
_LONGEST_TEXT = 10_000
_UNKNOWN_TYPE = f"{{}}: add this type of column to _accepted and _shown in {__name__}."


class NewEntry(Input):
    position: Whole | None = Field(None, ge=0, le=LARGEST)
    """At the end when left out."""
    starts_on: Day | None = None
    ends_on: Day | None = None
    tags: Tags = []


class Entry(Schema):
    model_config = ConfigDict(defer_build=True)
    id: UUID
    position: int
    starts_on: date | None
    ends_on: date | None
    tags: list[str]
    created_at: datetime
    updated_at: datetime


def new_schema(model: type[EntryModel], *, example: dict[str, Any]) -> type[NewEntry]:
    """Return the schema of a POST that makes a row of ``model``.

    Raises ``ImproperlyConfigured`` for a column of a type that this module does not know.
    """

    class WithExample(NewEntry):
        model_config = ConfigDict(json_schema_extra={"examples": [example]})

    fields: dict[str, Any] = {field.name: _accepted(field) for field in own_fields(model)}
    return create_model(f"New{model.__name__}", __base__=WithExample, **fields)


def shown_schema(model: type[EntryModel]) -> type[Entry]:
    """Return the schema of a row of ``model`` in answers."""
    fields: dict[str, Any] = {field.name: (_shown(field), ...) for field in own_fields(model)}
    return create_model(model.__name__, __base__=Entry, **fields)


def _shown(field: "models.Field[Any, Any]") -> type:
    if isinstance(field, models.IntegerField):
        return int
    if isinstance(field, (models.CharField, models.TextField)):
        return str
    raise ImproperlyConfigured(_UNKNOWN_TYPE.format(field))


def own_fields(model: type[models.Model]) -> "Iterator[models.Field[Any, Any]]":
    """Yield the columns that ``model`` has beside those of every entry, in their order."""
    common = {field.name for field in EntryModel._meta.local_fields}
    for field in model._meta.local_fields:
        if field.name not in common:
            yield field


def _accepted(field: "models.Field[Any, Any]") -> tuple[Any, Any]:
    default = {"default": field.get_default()} if field.blank or field.has_default() else {}
    if isinstance(field, models.URLField):
        return str, link(**default)
    if isinstance(field, models.CharField):
        return str, text(field.max_length or _LONGEST_TEXT, **default)
    if isinstance(field, models.TextField):
        return str, text(_LONGEST_TEXT, **default)
    if isinstance(field, models.IntegerField):
        return Whole, number(*_bounds(field), **default)
    raise ImproperlyConfigured(_UNKNOWN_TYPE.format(field))


def _bounds(field: "models.Field[Any, Any]") -> tuple[float, float]:
    least: Any = 0
    most: Any = LARGEST
    for validator in field.validators:
        if isinstance(validator, MinValueValidator):
            least = max(least, validator.limit_value)
        elif isinstance(validator, MaxValueValidator):
            most = min(most, validator.limit_value)
    return least, most


Kind = Literal[
    "milestone", "role", "project", "learning", "publication", "recognition", "transition"
]
Slug = Annotated[str, Field(max_length=50, pattern=r"^[-a-zA-Z0-9_]+$")]


class NewTimelineEvent(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "kind": "milestone",
                    "title": "First program published",
                    "starts_on": "1843-08-01",
                    "importance": 0.9,
                    "tags": ["analysis"],
                    "epoch": "mastery",
                    "stage": "transmission",
                }
            ]
        }
    )
    kind: Kind
    title: str = text(200)
    description: str = text(10_000, default="")
    starts_on: Day
    ends_on: Day | None = None
    tags: Tags = []
    importance: Real = number(0, 1, default=0.5)
    epoch: Slug | None = None
    stage: Slug | None = None


class TimelineEvent(Schema):
    id: UUID
    kind: str
    title: str
    description: str
    starts_on: date
    ends_on: date | None
    tags: list[str]
    importance: float
    epoch: str | None
    stage: str | None
    created_at: datetime
    updated_at: datetime


class PageQuery(Schema):
    """Every list takes these. A subclass adds filters: columns that rows must equal."""

    limit: int = Field(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT)
    cursor: str = Field("", max_length=1000, pattern=r"^[A-Za-z0-9_-]*$")
