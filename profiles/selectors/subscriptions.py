"""A profile's plan and its usage."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from profiles import plans
from profiles.models import Narrative, Profile, Subscription, UserUsage
from profiles.plans import Terms
from profiles.selectors import access

_TERMS = ("tier", "status", "period_end", "cancel_at")


def tier_of(profile: UUID, now: datetime) -> str:
    """Return the tier that counts now; one look into the covering index."""
    row = Subscription.objects.filter(profile_id=profile).values(*_TERMS).first()
    return plans.effective_tier(Terms(**row) if row else Terms(), now)


def terms(reference: str, user: Any) -> bytes:
    """Return the subscription; of a profile without one, the free plan. Raises ``Problem``."""
    return encoded(access.resolve_own_profile(reference, user).id)


def encoded(profile: UUID) -> bytes:
    row = Subscription.objects.filter(profile_id=profile).values(*_TERMS, "period_start").first()
    row = dict(row) if row else {"tier": plans.FREE, "status": "active", **_NO_DATES}
    counts = plans.effective_tier(Terms(**{name: row[name] for name in _TERMS}), datetime.now(UTC))
    return msgspec.json.encode({**row, "effective_tier": counts})


_NO_DATES = dict.fromkeys(("period_start", "period_end", "cancel_at"))


def usage(reference: str, user: Any) -> bytes:
    """Return what is used of each feature in the present period, by all profiles of the owner.

    Raises ``Problem``.
    """
    profile = access.resolve_own_profile(reference, user)
    now = datetime.now(UTC)
    tier, period = tier_of(profile.id, now), plans.period_of(now)
    rows = UserUsage.objects.filter(user_id=profile.owner_id, period_start=period.start)
    used = dict(rows.values_list("feature", "used"))
    used[plans.MASKS] = len(masks_in_use(profile.owner_id))
    return msgspec.json.encode(
        {
            "tier": tier,
            "results": [
                {
                    "feature": feature,
                    "limit": limits[tier],
                    "used": used.get(feature, 0),
                    "period_start": None if feature == plans.MASKS else period.start,
                    "period_end": None if feature == plans.MASKS else period.end,
                }
                for feature, limits in plans.LIMITS.items()
            ],
        }
    )


def masks_in_use(
    owner: int, *, but: UUID | None = None, but_default_of: UUID | None = None
) -> set[int]:
    """Return the masks that count for a user: those of narratives and the profiles' default ones.

    ``but``: a narrative that does not count; ``but_default_of``: a profile whose default does not.
    """
    profiles = Profile.objects.filter(owner_id=owner)
    narratives = Narrative.objects.filter(profile__in=profiles).order_by()
    if but is not None:
        narratives = narratives.exclude(pk=but)
    if but_default_of is not None:
        profiles = profiles.exclude(pk=but_default_of)
    found = set(narratives.values_list("mask_id", flat=True).distinct())
    return found | set(profiles.values_list("default_mask_id", flat=True)) - {None}
