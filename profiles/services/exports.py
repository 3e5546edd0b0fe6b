"""A profile with all that hangs on it, to take along."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from django.db import transaction

from profiles.models import UsageQuota
from profiles.parts import APPLICATIONS, CV, NARRATIVES, TIMELINE, Part
from profiles.selectors import collections, profiles, reach
from profiles.services import quotas


def export(reference: str, user: Any) -> bytes:
    """Return everything of a profile, and count it. Raises ``Problem``: 404, 403."""
    with transaction.atomic():
        profile = reach.lock_own(reference, user)
        quotas.consume(profile, UsageQuota.Feature.EXPORTS)

        def rows(part: Part) -> list[dict[str, Any]]:
            return collections.everything(part, profile.pk)

        return msgspec.json.encode(
            {
                "exported_at": datetime.now(UTC),
                "profile": msgspec.Raw(profiles.current(profile, user)),
                "cv": {part.path: rows(part) for part in CV},
                "timeline": rows(TIMELINE),
                "narratives": rows(NARRATIVES),
                "applications": rows(APPLICATIONS),
            }
        )
