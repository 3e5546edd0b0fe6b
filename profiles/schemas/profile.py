"""A profile itself."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from ninja import Schema
from pydantic import ConfigDict, Field

from midst.kernel.input import Input, Tag, Tags, link, partial, text
from midst.kernel.pagination import Listing

Visibility = Literal["public", "unlisted", "private"]
# Only that an @ stands between two names: whether an address works, only a message shows.
_EMAIL = r"^([^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+)?$"
_SLUG = r"^[a-z0-9]+(-[a-z0-9]+)*$"


class ProfileSummary(Schema):
    id: UUID
    slug: str
    display_name: str
    title: str
    headline: str
    location: str
    avatar_url: str
    languages: list[str]
    interests: list[str]
    created_at: datetime
    updated_at: datetime


class Profile(ProfileSummary):
    summary: str
    website: str
    visibility: str
    default_mask: str | None
    email: str | None
    """Only for the profile's owner."""
    phone: str | None
    """Only for the profile's owner."""


class ProfileList(Listing[ProfileSummary]):
    pass


class OwnProfileList(Listing[Profile]):
    pass


class NewProfile(Input):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "slug": "ada-lovelace",
                    "display_name": "Ada Lovelace",
                    "title": "Analyst",
                    "interests": ["analysis", "research"],
                    "visibility": "public",
                    "default_mask": "analyst",
                }
            ]
        }
    )
    slug: str = Field(min_length=1, max_length=80, pattern=_SLUG)
    display_name: str = text(120)
    title: str = text(120, default="")
    headline: str = text(200, default="")
    summary: str = text(20_000, default="")
    """Markdown."""
    location: str = text(120, default="")
    email: str = Field("", max_length=254, pattern=_EMAIL)
    phone: str = text(40, default="")
    website: str = link(default="")
    avatar_url: str = link(default="")
    languages: Annotated[list[Tag], Field(max_length=30)] = []
    interests: Tags = []
    visibility: Visibility = "private"
    default_mask: Annotated[str, Field(max_length=50, pattern=r"^[-a-zA-Z0-9_]+$")] | None = None


ProfileChanges = partial(NewProfile)


class ExportedProfile(NewProfile):
    """As an export has it; null where a member of staff who made it sees nothing."""

    email: str | None = Field(None, max_length=254, pattern=_EMAIL)  # type: ignore[assignment]
    phone: str | None = text(40, default=None)  # type: ignore[assignment]
