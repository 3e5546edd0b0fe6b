"""What each plan allows, and which plan counts. Pure: no database, no clock."""

from dataclasses import dataclass
from datetime import UTC, datetime

from profiles.models import Subscription, UsageQuota

FREE, PRO, ENTERPRISE = Subscription.Tier.values
MASKS = "masks"

# Feature: the limits of free, pro, enterprise. None: no limit; 0: not in this plan.
LIMITS: dict[str, dict[str, int | None]] = {
    feature: dict(zip((FREE, PRO, ENTERPRISE), limits, strict=True))
    for feature, limits in {
        UsageQuota.Feature.JOB_APPLICATIONS.value: (5, None, None),
        MASKS: (3, 16, 16),
        UsageQuota.Feature.NARRATIVES.value: (5, None, None),
        UsageQuota.Feature.EXPORTS.value: (1, 5, None),
    }.items()
}


@dataclass(frozen=True, slots=True)
class Period:
    """A calendar month in UTC: from ``start`` to before ``end``."""

    start: datetime
    end: datetime


def period_of(now: datetime) -> Period:
    start = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    years, month = divmod(start.month, 12)
    return Period(start, start.replace(year=start.year + years, month=month + 1))


@dataclass(frozen=True, slots=True)
class Terms:
    """A subscription as far as it decides what counts."""

    tier: str = FREE
    status: str = Subscription.Status.ACTIVE.value
    period_end: datetime | None = None
    cancel_at: datetime | None = None


def effective_tier(terms: Terms, now: datetime) -> str:
    """Return the tier that counts at ``now``.

    What was paid for is kept to its end: past due and canceled subscriptions count until the
    period ends (without a period: not at all), trials and active ones as well; an active one
    without an end goes on. ``cancel_at`` ends any of them earlier.
    """
    if terms.cancel_at is not None and terms.cancel_at <= now:
        return FREE
    if terms.period_end is not None:
        return terms.tier if now < terms.period_end else FREE
    return terms.tier if terms.status == Subscription.Status.ACTIVE else FREE
