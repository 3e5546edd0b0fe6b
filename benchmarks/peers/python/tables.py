"""The rows that all sides serve, as SQLAlchemy's models have them."""

import os
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Select, String, make_url, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

TTL_S = 600
POOL = 4
URL = make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+psycopg")
REDIS_URL = os.environ["REDIS_URL"]
TELEMETRY = os.environ.get("TELEMETRY") == "on"


class Base(DeclarativeBase):
    pass


class Profile(Base):
    __tablename__ = "profiles_profile"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    slug: Mapped[str]
    display_name: Mapped[str]
    title: Mapped[str]
    headline: Mapped[str]
    location: Mapped[str]
    avatar_url: Mapped[str]
    languages: Mapped[list[str]] = mapped_column(ARRAY(String))
    interests: Mapped[list[str]] = mapped_column(ARRAY(String))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    summary: Mapped[str]
    website: Mapped[str]
    visibility: Mapped[str]
    is_active: Mapped[bool]


def listed(created_from: datetime, limit: int) -> Select[tuple[Profile]]:
    """Return the newest public profiles, one more than ``limit``."""
    return (
        select(Profile)
        .where(
            Profile.is_active, Profile.visibility == "public", Profile.created_at >= created_from
        )
        .order_by(Profile.created_at.desc(), Profile.id.desc())
        .limit(limit + 1)
    )


def one(profile: UUID) -> Select[tuple[Profile]]:
    return select(Profile).where(
        Profile.is_active, Profile.visibility == "public", Profile.id == profile
    )
