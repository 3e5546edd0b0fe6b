"""What a narrative can be made of: the timeline and the CV of a profile."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from profiles.collections import CV, TIMELINE
from profiles.collections.declaration import Narrated
from profiles.narration import Material

# The most rows of a table that a narrative considers.
_MOST = 500
_COMMON = ("id", "tags", "starts_on", "ends_on")
_EVENT = Narrated(title=("title",), body=("description",))


def of(profile: UUID) -> Iterator[Material]:
    """Yield the timeline and the CV of a profile; one query for each table."""
    for collection in CV:
        narrated = collection.narrated
        if narrated is None:
            continue
        rows = collection.model._default_manager.filter(profile_id=profile)
        rows = rows.order_by(*collection.order.columns())
        for row in rows.values(*_COMMON, *narrated.title, *narrated.body)[:_MOST]:
            yield _material(row, collection.noun, narrated, 0.0)
    events = TIMELINE.model._default_manager.filter(profile_id=profile)
    events = events.order_by(*TIMELINE.order.columns())
    columns = (*_COMMON, *_EVENT.title, *_EVENT.body, "kind", "importance")
    for row in events.values(*columns)[:_MOST]:
        yield _material(row, row["kind"], _EVENT, row["importance"])


def _material(row: dict[str, Any], kind: str, narrated: Narrated, importance: float) -> Material:
    return Material(
        key=f"{kind}:{row['id']}",
        kind=kind,
        title=", ".join(row[name] for name in narrated.title if row[name]),
        body="\n".join(row[name] for name in narrated.body if row[name]),
        tags=tuple(row["tags"]),
        starts_on=row["starts_on"],
        ends_on=row["ends_on"],
        importance=importance,
    )
