"""A profile with all that hangs on it, to take along."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from django.db import transaction

from profiles.collections import APPLICATIONS, CV, NARRATIVES, TIMELINE, Collection
from profiles.models import UsageQuota
from profiles.selectors import access, collections, profiles
from profiles.services import quotas


def export(reference: str, user: Any) -> bytes:
    """Return everything of a profile, and count it. Raises ``Problem``: 404, 403."""
    with transaction.atomic():
        profile = access.lock_own_profile(reference, user)
        quotas.consume(profile, UsageQuota.Feature.EXPORTS)

        def rows(collection: Collection) -> list[dict[str, Any]]:
            return collections.everything(collection, profile.pk)

        return msgspec.json.encode(
            {
                "exported_at": datetime.now(UTC),
                "profile": msgspec.Raw(profiles.current(profile, user)),
                "cv": {collection.path: rows(collection) for collection in CV},
                "timeline": rows(TIMELINE),
                "narratives": rows(NARRATIVES),
                "applications": rows(APPLICATIONS),
            }
        )
