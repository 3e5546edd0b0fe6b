"""What a profile has used of its plan. Every check is one statement, or under a lock."""

from datetime import UTC, datetime

from django.db import connection

from midst.kernel.problems import QUOTA_EXHAUSTED, Problem
from profiles import plans
from profiles.models import Narrative, Profile, UsageQuota
from profiles.selectors import subscriptions

# ``limit`` null: no limit. A row of a period that is over is never met again: the next period
# has its own.
_CONSUME = """
INSERT INTO profiles_usagequota AS quota (profile_id, feature, period_start, period_end, used)
SELECT %(profile)s, %(feature)s, %(start)s, %(end)s, %(amount)s
WHERE %(limit)s::bigint IS NULL OR %(amount)s <= %(limit)s::bigint
ON CONFLICT (profile_id, feature, period_start) DO UPDATE
SET used = quota.used + EXCLUDED.used
WHERE %(limit)s::bigint IS NULL OR quota.used + EXCLUDED.used <= %(limit)s::bigint
RETURNING used
"""


def consume(profile: Profile, feature: str, amount: int = 1) -> int:
    """Use ``amount`` of ``feature`` in this month; return how much is used now.

    Atomic however many ask at once. Raises ``Problem`` (403) when the plan does not allow it.
    """
    now = datetime.now(UTC)
    tier = subscriptions.tier_of(profile.pk, now)
    limit, period = plans.LIMITS[feature][tier], plans.period_of(now)
    with connection.cursor() as cursor:
        cursor.execute(
            _CONSUME,
            {
                "profile": profile.pk,
                "feature": feature,
                "start": period.start,
                "end": period.end,
                "amount": amount,
                "limit": limit,
            },
        )
        row = cursor.fetchone()
    if row is None:
        name = UsageQuota.Feature(feature).label
        raise Problem(
            QUOTA_EXHAUSTED,
            f"The {tier} plan allows {limit} {name} a month; again from {period.end:%Y-%m-%d} on.",
        )
    used: int = row[0]
    return used


def require_mask(
    profile: Profile, mask_id: int, *, instead_of: Narrative | None = None, default: bool = False
) -> None:
    """Refuse a mask that is one more than the plan allows; ``profile`` must be locked.

    It comes in place of what ``instead_of`` has now, or of the present default mask. Raises
    ``Problem`` (403).
    """
    limit = plans.LIMITS[plans.MASKS][subscriptions.tier_of(profile.pk, datetime.now(UTC))]
    others = subscriptions.masks_in_use(
        profile.pk, but=instead_of.pk if instead_of else None, default=not default
    )
    # One that is in use anyway is none more, even where a plan has become smaller.
    if limit is not None and mask_id not in others and len(others) >= limit:
        raise Problem(QUOTA_EXHAUSTED, f"The plan allows {limit} masks in use at the same time.")
