"""What happened when."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from ninja import Schema
from pydantic import ConfigDict, Field

from midst.kernel.input import Day, Input, Real, Tags, number, text

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
