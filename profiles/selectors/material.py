"""What of a profile can be told."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from profiles.models import (
    Award,
    Certification,
    Education,
    Experience,
    Project,
    Publication,
    Skill,
    TimelineEvent,
)
from profiles.narration import Material

# So many of each table: a narrative is for reading.
_MOST = 500
# Table: kind, what makes the title, what makes the body.
_ENTRIES: dict[Any, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    Experience: ("experience", ("role", "organization"), ("description",)),
    Education: ("education", ("degree", "field", "institution"), ("description",)),
    Project: ("project", ("name", "role"), ("description", "url")),
    Skill: ("skill", ("name",), ("category",)),
    Publication: ("publication", ("title", "publisher"), ("description", "url")),
    Award: ("award", ("title", "issuer"), ("description",)),
    Certification: ("certification", ("name", "issuer"), ("url",)),
}
_FRAME = ("id", "tags", "starts_on", "ends_on")


def of(profile: UUID) -> Iterator[Material]:
    """Yield the timeline and the CV of a profile; one query for each table."""
    for model, (kind, title, body) in _ENTRIES.items():
        rows = model.objects.filter(profile_id=profile).order_by("position", "id")
        for row in rows.values(*_FRAME, *title, *body)[:_MOST]:
            yield _material(row, kind, title, body, 0.0)
    events = TimelineEvent.objects.filter(profile_id=profile).order_by("-starts_on", "-id")
    columns = (*_FRAME, "title", "description", "kind", "importance")
    for row in events.values(*columns)[:_MOST]:
        yield _material(row, row["kind"], ("title",), ("description",), row["importance"])


def _material(
    row: dict[str, Any],
    kind: str,
    title: tuple[str, ...],
    body: tuple[str, ...],
    importance: float,
) -> Material:
    return Material(
        key=f"{kind}:{row['id']}",
        kind=kind,
        title=", ".join(row[name] for name in title if row[name]),
        body="\n".join(row[name] for name in body if row[name]),
        tags=tuple(row["tags"]),
        starts_on=row["starts_on"],
        ends_on=row["ends_on"],
        importance=importance,
    )
