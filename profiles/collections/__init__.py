"""The collections under a profile, each declared once."""

from datetime import date
from typing import Any
from uuid import UUID

from django.db.models import Q

from midst.kernel.input import partial
from midst.kernel.pagination import Moment, Order
from profiles import cache, models
from profiles.collections.cv import CV
from profiles.collections.declaration import Collection
from profiles.dates import years_only
from profiles.schemas import entries, jobs, narrative
from taxonomy.cache import MASKS

_BY_START = Order("starts_on", "id", (date, UUID))
_BY_UPDATE = Order("updated_at", "id", (Moment, UUID))


def _reduce_dates(row: dict[str, Any]) -> None:
    """Leave only the years of the dates in a narrative whose mask says so."""
    if not row["mask__obfuscate_dates"]:
        return
    for block in row["blocks"]:
        for name in ("title", "body", "template"):
            block[name] = years_only(block[name])
        block["tags"] = [years_only(tag) for tag in block["tags"]]


TIMELINE = Collection(
    path="timeline",
    noun="event",
    model=models.TimelineEvent,
    body=entries.NewTimelineEvent,
    changes=partial(entries.NewTimelineEvent),
    shown=entries.TimelineEvent,
    order=_BY_START,
    region=cache.TIMELINE,
    key_prefix="timeline",
    links={"epoch__slug": "epoch", "stage__slug": "stage"},
)
NARRATIVES = Collection(
    path="narratives",
    noun="narrative",
    model=models.Narrative,
    body=narrative.NewNarrative,
    changes=narrative.NarrativeChanges,
    shown=narrative.Narrative,
    order=_BY_UPDATE,
    region=cache.NARRATIVES,
    key_prefix="narratives",
    links={"mask__slug": "mask"},
    public=Q(status=models.Narrative.Status.APPROVED),
    hidden={"meta": {}, "revision_note": ""},
    redact=_reduce_dates,
    redact_by=("mask__obfuscate_dates",),
    # A mask decides what is redacted.
    groups=(MASKS.group,),
    query=narrative.NarrativeQuery,
    exported=narrative.ExportedNarrative,
    description="Last changed first, optionally of one mask or status.",
)
# Only their owner sees applications, so nothing of them is cached.
APPLICATIONS = Collection(
    path="applications",
    noun="application",
    model=models.JobApplication,
    body=jobs.NewJobApplication,
    changes=jobs.JobApplicationChanges,
    shown=jobs.JobApplication,
    order=_BY_UPDATE,
    region=cache.PROFILES,
    key_prefix="applications",
    links={"posting_id": "posting"},
    public=None,
    query=jobs.ApplicationQuery,
    exported=jobs.ExportedJobApplication,
    description="Last changed first, optionally of one status.",
    conflicts={"profiles_jobapplication_once": "There is an application for this posting already."},
)


COLLECTIONS = (*CV, TIMELINE, NARRATIVES, APPLICATIONS)
CACHED = tuple(each for each in COLLECTIONS if each.public is not None)

__all__ = ["APPLICATIONS", "CACHED", "COLLECTIONS", "CV", "NARRATIVES", "TIMELINE", "Collection"]
