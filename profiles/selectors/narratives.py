"""What a narrative can be made of, and which masks suit a profile."""

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import msgspec

from profiles.collections import CV, TIMELINE
from profiles.collections.declaration import Narrated
from profiles.models import Profile
from profiles.narration import Material
from profiles.selectors import access
from taxonomy import selection
from taxonomy import selectors as taxonomy

# The most rows of a table that a narrative considers.
_MOST = 500
_COMMON = ("id", "tags", "starts_on", "ends_on")
_EVENT = Narrated(title=("title",), body=("description",))


def material(profile: UUID) -> Iterator[Material]:
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


def suiting_masks(reference: str, user: Any, contexts: Sequence[str]) -> bytes:
    """Return the masks that suit ``contexts``, or without any the profile's interests.

    The best come first. Three queries at most. Raises ``Problem`` (404).
    """
    granted = access.resolve_profile(reference, user)
    if not contexts:
        contexts = Profile.objects.values_list("interests", flat=True).get(pk=granted.id)
    found = selection.select(taxonomy.mask_views(), contexts)
    return msgspec.json.encode(
        {
            "contexts": list(contexts),
            "results": [
                {
                    "slug": mask.slug,
                    "name": mask.name,
                    "ontology": mask.ontology,
                    "score": points,
                }
                for mask, points in found
            ],
        }
    )
