"""A profile's plan and its usage."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from profiles import plans
from profiles.models import Narrative, Profile, Subscription, UsageQuota
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
    """Return what is used of each feature in the present period. Raises ``Problem``."""
    profile = access.resolve_own_profile(reference, user).id
    now = datetime.now(UTC)
    tier, period = tier_of(profile, now), plans.period_of(now)
    rows = UsageQuota.objects.filter(profile_id=profile, period_start=period.start)
    used = dict(rows.values_list("feature", "used"))
    used[plans.MASKS] = len(masks_in_use(profile))
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


def masks_in_use(profile: UUID, *, but: UUID | None = None, default: bool = True) -> set[int]:
    """Return the masks that count: those of narratives (``but`` for one), and the default one."""
    narratives = Narrative.objects.filter(profile_id=profile).order_by()
    if but is not None:
        narratives = narratives.exclude(pk=but)
    found = set(narratives.values_list("mask_id", flat=True).distinct())
    if default:
        found |= set(
            Profile.objects.filter(pk=profile).values_list("default_mask_id", flat=True)
        ) - {None}
    return found
