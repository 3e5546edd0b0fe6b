"""What the profiles' endpoints send."""

from datetime import datetime
from uuid import UUID

from ninja import Schema


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


class ProfileList(Schema):
    results: list[ProfileSummary]
    next: str | None
    previous: str | None
