"""Making a capacity review, and keeping it."""

from datetime import datetime

import msgspec
from django.utils import timezone

from perfops.analysis.capacity import sources
from perfops.analysis.capacity.records import Review
from perfops.models.capacity import CapacityReview

DAYS = 180


def build(database: str = "default", *, days: int = DAYS, at: datetime | None = None) -> Review:
    """Return the review of the last ``days``, from what is stored: the database is not asked."""
    at = at or timezone.now()
    seen = sources.looks(database, at, days)
    figures = (
        *sources.size(database, at, days),
        *sources.connections(seen),
        *sources.keys(seen),
        *sources.requests(database, at, days),
    )
    return Review(database, at, days, figures, tuple(sources.tables(seen) if seen else ()))


def keep(review: Review) -> CapacityReview:
    return CapacityReview.objects.create(
        database=review.database, created_at=review.at, data=msgspec.to_builtins(review)
    )


def read(kept: CapacityReview) -> Review:
    return msgspec.convert(kept.data, Review, strict=False)


def review_quarter(database: str = "default") -> CapacityReview:
    """Make the review of the last half year and keep it."""
    return keep(build(database))
