"""The query parameters of lists."""

from typing import Literal

from ninja import Schema
from pydantic import Field

from midst.kernel.pagination import DEFAULT_LIMIT, MAX_LIMIT
from profiles.schemas.jobs import ApplicationStatus
from profiles.schemas.timeline import Slug


class PageQuery(Schema):
    """Every list takes these. A subclass adds filters: columns that rows must equal."""

    limit: int = Field(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT)
    cursor: str = Field("", max_length=1000, pattern=r"^[A-Za-z0-9_-]*$")


class NarrativeQuery(PageQuery):
    """Filters for what a user may see: others see approved narratives only."""

    mask: Slug | None = None
    status: Literal["draft", "approved", "rejected"] | None = None


class ApplicationQuery(PageQuery):
    status: ApplicationStatus | None = None
