"""Postings and applications."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from ninja import Schema
from pydantic import ConfigDict, Field

from midst.kernel.input import Input, Moment, Whole, link, partial, text
from midst.kernel.pagination import Listing
from profiles.schemas.entries import PageQuery

LARGEST = 2**31 - 1
ApplicationStatus = Literal[
    "draft", "submitted", "interviewing", "offered", "rejected", "withdrawn"
]


class NewJobPosting(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "title": "Systems Architect",
                    "company": "Analytical Engines",
                    "salary_min": 90000,
                    "salary_max": 120000,
                    "currency": "EUR",
                }
            ]
        }
    )
    title: str = text(160)
    company: str = text(160)
    url: str = link(default="")
    salary_min: Whole | None = Field(None, ge=0, le=LARGEST)
    salary_max: Whole | None = Field(None, ge=0, le=LARGEST)
    currency: str = Field("", max_length=3, pattern=r"^([A-Z]{3})?$")
    location: str = text(120, default="")
    description: str = text(20_000, default="")
    status: Literal["open", "closed"] = "open"


JobPostingChanges = partial(NewJobPosting)


class JobPosting(Schema):
    id: UUID
    title: str
    company: str
    url: str
    salary_min: int | None
    salary_max: int | None
    currency: str
    location: str
    description: str
    status: str
    created_at: datetime
    updated_at: datetime


class JobPostingList(Listing[JobPosting]):
    pass


class NewJobApplication(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"posting": "01890000-0000-7000-8000-000000000000", "cover_letter": "Dear all, ..."}
            ]
        }
    )
    posting: UUID
    cover_letter: str = text(20_000, default="")
    status: Literal["draft", "submitted"] = "draft"


class _ApplicationTerms(Input):
    cover_letter: str = text(20_000, default="")
    status: ApplicationStatus = "draft"


JobApplicationChanges = partial(_ApplicationTerms)


class ExportedJobApplication(_ApplicationTerms):
    posting: UUID
    applied_at: Moment | None = None


class JobApplication(Schema):
    id: UUID
    posting: UUID
    status: str
    cover_letter: str
    applied_at: datetime | None
    created_at: datetime
    updated_at: datetime


class JobApplicationList(Listing[JobApplication]):
    pass


class ApplicationQuery(PageQuery):
    status: ApplicationStatus | None = None
