"""The collections under a profile, declared: what they hold, in which order, who sees what.

The endpoints, reads and writes of all of them are made from these declarations.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from django.db.models import Model, Q
from ninja import Schema

from midst.kernel.input import Input, partial
from midst.kernel.pagination import Moment, Order, Position
from profiles import models
from profiles.schemas import cv, jobs, narrative, timeline

_BY_POSITION = Order("position", "id", (Position, UUID), descending=False)
_BY_START = Order("starts_on", "id", (date, UUID))
_BY_UPDATE = Order("updated_at", "id", (Moment, UUID))


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A collection under a profile.

    ``path`` is its place in the URL; ``body``, ``changes`` and ``shown`` what comes in by POST
    and PATCH, and what goes out. ``links`` maps a column of another table, as Django spells it,
    to the field that shows it. ``public``: which rows others may see (None: none at all), and
    ``hidden``: what they see in place of a field's value.
    """

    path: str
    noun: str
    model: type[Model]
    body: type[Input]
    changes: type[Input]
    shown: type[Schema]
    order: Order
    links: Mapping[str, str] = field(default_factory=dict)
    public: Q | None = field(default_factory=Q)
    hidden: Mapping[str, Any] = field(default_factory=dict)
    conflicts: Mapping[str, str] = field(default_factory=dict)

    @property
    def columns(self) -> list[str]:
        """What a row's query selects."""
        spelled = {shown: column for column, shown in self.links.items()}
        return [spelled.get(name, name) for name in self.shown.model_fields]

    def show(self, row: dict[str, Any], *, mine: bool) -> dict[str, Any]:
        """Return a selected row as it goes out."""
        for column, shown in self.links.items():
            row[shown] = row.pop(column)
        return row if mine else {**row, **self.hidden}


def _entries(
    path: str, noun: str, model: type[models.Entry], body: type[Input], shown: type[Schema]
) -> Part:
    return Part(
        path=path,
        noun=noun,
        model=model,
        body=body,
        changes=partial(body),
        shown=shown,
        order=_BY_POSITION,
        conflicts={
            "profiles_project_external_id_once": "Another project has this external_id already."
        },
    )


CV = (
    _entries("experience", "experience", models.Experience, cv.NewExperience, cv.Experience),
    _entries("education", "education", models.Education, cv.NewEducation, cv.Education),
    _entries("projects", "project", models.Project, cv.NewProject, cv.Project),
    _entries("skills", "skill", models.Skill, cv.NewSkill, cv.Skill),
    _entries("publications", "publication", models.Publication, cv.NewPublication, cv.Publication),
    _entries("awards", "award", models.Award, cv.NewAward, cv.Award),
    _entries(
        "certifications",
        "certification",
        models.Certification,
        cv.NewCertification,
        cv.Certification,
    ),
    _entries("social-links", "social link", models.SocialLink, cv.NewSocialLink, cv.SocialLink),
)
TIMELINE = Part(
    path="timeline",
    noun="event",
    model=models.TimelineEvent,
    body=timeline.NewTimelineEvent,
    changes=partial(timeline.NewTimelineEvent),
    shown=timeline.TimelineEvent,
    order=_BY_START,
    links={"epoch__slug": "epoch", "stage__slug": "stage"},
)
NARRATIVES = Part(
    path="narratives",
    noun="narrative",
    model=models.Narrative,
    body=narrative.NewNarrative,
    changes=narrative.NarrativeChanges,
    shown=narrative.Narrative,
    order=_BY_UPDATE,
    links={"mask__slug": "mask"},
    public=Q(status=models.Narrative.Status.APPROVED),
    hidden={"meta": {}, "revision_note": ""},
)
APPLICATIONS = Part(
    path="applications",
    noun="application",
    model=models.JobApplication,
    body=jobs.NewJobApplication,
    changes=jobs.JobApplicationChanges,
    shown=jobs.JobApplication,
    order=_BY_UPDATE,
    links={"posting_id": "posting"},
    public=None,
    conflicts={"profiles_jobapplication_once": "There is an application for this posting already."},
)
