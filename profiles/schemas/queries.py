"""The query parameters of lists."""

from ninja import Schema
from pydantic import Field

from midst.kernel.pagination import DEFAULT_LIMIT, MAX_LIMIT
from profiles.schemas.jobs import ApplicationStatus


class PageQuery(Schema):
    """Every list takes these. A subclass adds filters: columns that rows must equal."""

    limit: int = Field(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT)
    cursor: str = Field("", max_length=1000, pattern=r"^[A-Za-z0-9_-]*$")


class ApplicationQuery(PageQuery):
    status: ApplicationStatus | None = None
