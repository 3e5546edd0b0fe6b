"""Which masks suit a profile."""

from collections.abc import Sequence
from typing import Any

import msgspec

from profiles.models import Profile
from profiles.selectors import access
from taxonomy import selection
from taxonomy import selectors as taxonomy


def selected(reference: str, user: Any, contexts: Sequence[str]) -> bytes:
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
