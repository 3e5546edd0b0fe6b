"""Quotas of a profile's plan. Every check is one atomic statement, or under the profile's lock."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.http import HttpRequest

from midst.kernel.http import check_preconditions
from midst.kernel.problems import QUOTA_EXHAUSTED, Problem, invalid
from profiles import plans
from profiles.models import Narrative, Profile, Subscription, UsageQuota, UserUsage
from profiles.selectors import access, subscriptions

# ``limit`` null: no limit. Each period has its own row. The limit is held against what the user
# has used with all profiles; the profile's own row says which of them it was.
_CONSUME = """
WITH counted AS (
    INSERT INTO profiles_userusage AS quota (user_id, feature, period_start, period_end, used)
    SELECT %(user)s, %(feature)s, %(start)s, %(end)s, %(amount)s
    WHERE %(limit)s::bigint IS NULL OR %(amount)s <= %(limit)s::bigint
    ON CONFLICT (user_id, feature, period_start) DO UPDATE
    SET used = quota.used + EXCLUDED.used
    WHERE %(limit)s::bigint IS NULL OR quota.used + EXCLUDED.used <= %(limit)s::bigint
    RETURNING used
)
INSERT INTO profiles_usagequota AS quota (profile_id, feature, period_start, period_end, used)
SELECT %(profile)s, %(feature)s, %(start)s, %(end)s, %(amount)s FROM counted
ON CONFLICT (profile_id, feature, period_start) DO UPDATE
SET used = quota.used + EXCLUDED.used
RETURNING (SELECT used FROM counted)
"""


def consume(profile: Profile, feature: str, amount: int = 1) -> int:
    """Use ``amount`` of ``feature`` in this month; return how much its owner has used now.

    Atomic with any number of concurrent calls. Raises ``Problem`` (403) beyond the plan's limit.
    """
    now = datetime.now(UTC)
    tier = subscriptions.tier_of(profile.pk, now)
    limit, period = plans.LIMITS[feature][tier], plans.period_of(now)
    with connection.cursor() as cursor:
        cursor.execute(
            _CONSUME,
            {
                "user": profile.owner_id,
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
        raise Problem(QUOTA_EXHAUSTED, _exhausted(profile, feature, tier, limit or 0, period))
    used: int = row[0]
    return used


def require_mask(
    profile: Profile, mask_id: int, *, instead_of: Narrative | None = None, default: bool = False
) -> None:
    """Check that the plan allows one more mask in use by the profile's owner.

    ``profile`` must be locked; of two locks, a profile's comes first and its owner's second.

    The mask replaces that of ``instead_of``, or with ``default`` the profile's default mask. Raises
    ``Problem`` (403).
    """
    # Two profiles of one user at the same time count one after the other.
    lock_owner(profile.owner_id)
    others = subscriptions.masks_in_use(
        profile.owner_id,
        but=instead_of.pk if instead_of else None,
        but_default_of=profile.pk if default else None,
    )
    _check_masks(profile, before=others, now=others | {mask_id})


def lock_owner(owner: int) -> None:
    """Lock a user until the transaction ends; after a profile, where both are locked."""
    get_user_model().objects.select_for_update(no_key=True).get(pk=owner)


def masks_check(owner: int) -> Callable[[Profile], None]:
    """Do the same for many writes: lock the owner; return a check for after the writes.

    The check raises ``Problem`` (403).
    """
    lock_owner(owner)
    before = subscriptions.masks_in_use(owner)

    def check(profile: Profile) -> None:
        _check_masks(profile, before=before, now=subscriptions.masks_in_use(owner))

    return check


def _check_masks(profile: Profile, *, before: set[int], now: set[int]) -> None:
    """A mask that is in use already adds nothing, even where the plan has become smaller."""
    tier = subscriptions.tier_of(profile.pk, datetime.now(UTC))
    limit = plans.LIMITS[plans.MASKS][tier]
    if limit is not None and now - before and len(now) > limit:
        text = f"The {tier} plan allows {limit} masks in use at the same time; this makes it "
        raise Problem(QUOTA_EXHAUSTED, f"{text}{len(now)}. {_upgrade(plans.MASKS, tier)}".strip())


def _exhausted(profile: Profile, feature: str, tier: str, limit: int, period: plans.Period) -> str:
    quota = UserUsage.objects.filter(
        user=profile.owner_id, feature=feature, period_start=period.start
    ).first()
    left = max(0, limit - (quota.used if quota else 0))
    name = UsageQuota.Feature(feature).label
    text = (
        f"The {tier} plan allows {limit} {name} a month; {left} are left until "
        f"{period.end:%Y-%m-%d} (UTC)."
    )
    return f"{text} {_upgrade(feature, tier)}".strip()


def _upgrade(feature: str, tier: str) -> str:
    """Say which plan allows more, and how much; "" when none does."""
    limits = plans.LIMITS[feature]
    for better, limit in limits.items():
        if limit is None and limits[tier] is not None:
            return f"The {better} plan has no limit."
        if limit is not None and limit > (limits[tier] or 0):
            return f"The {better} plan allows {limit}."
    return ""


def change_plan(request: HttpRequest, reference: str, user: Any, fields: dict[str, Any]) -> bytes:
    """Change the terms of a profile's plan; return them. Raises ``Problem``: 404, 403, 412, 422."""
    with transaction.atomic():
        profile = access.lock_own_profile(reference, user)
        check_preconditions(request, subscriptions.encoded(profile.pk))
        found = Subscription.objects.filter(profile=profile).first()
        subscription = found or Subscription(profile=profile)
        for name, value in fields.items():
            setattr(subscription, name, value)
        start, end = subscription.period_start, subscription.period_end
        if start is not None and end is not None and end <= start:
            raise invalid("body.period_end", "must be after period_start")
        subscription.save()
        return subscriptions.encoded(profile.pk)
