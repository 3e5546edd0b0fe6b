"""A profile's plan and its usage."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from profiles.models.profile import Profile


class Subscription(models.Model):
    """A profile's plan; a profile without one is on the free plan."""

    class Tier(models.TextChoices):
        FREE = "free", "free"
        PRO = "pro", "pro"
        ENTERPRISE = "enterprise", "enterprise"

    class Status(models.TextChoices):
        ACTIVE = "active", "active"
        TRIALING = "trialing", "trialing"
        PAST_DUE = "past_due", "past due"
        CANCELED = "canceled", "canceled"

    # Unique by the covering constraint below.
    profile = models.ForeignKey(Profile, models.CASCADE, db_index=False, related_name="+")
    tier = models.CharField(max_length=10, choices=Tier, default=Tier.FREE)
    status = models.CharField(max_length=10, choices=Status, default=Status.ACTIVE)
    period_start = models.DateTimeField(null=True, blank=True)
    period_end = models.DateTimeField(null=True, blank=True)
    cancel_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["profile"],
                include=["tier", "status", "period_end", "cancel_at"],
                name="profiles_subscription_one",
            ),
            models.CheckConstraint(
                condition=Q(tier__in=["free", "pro", "enterprise"]),
                name="profiles_subscription_tier_known",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["active", "trialing", "past_due", "canceled"]),
                name="profiles_subscription_status_known",
            ),
            models.CheckConstraint(
                condition=Q(period_end__gt=F("period_start"))
                | Q(period_start__isnull=True)
                | Q(period_end__isnull=True),
                name="profiles_subscription_period_in_order",
                violation_error_message="A period ends after it starts.",
            ),
        ]
        indexes = [models.Index(fields=["tier", "status"], name="profiles_subscription_tier")]

    def __str__(self) -> str:
        return f"{self.tier} ({self.status})"


class _Usage(models.Model):
    """How much of a feature was used in a period; the next period has its own row."""

    class Feature(models.TextChoices):
        JOB_APPLICATIONS = "job_applications", "job applications"
        NARRATIVES = "narratives", "narratives"
        EXPORTS = "exports", "exports"

    feature = models.CharField(max_length=20, choices=Feature)
    period_start = models.DateTimeField()
    period_end = models.DateTimeField()
    used = models.PositiveIntegerField(default=0)

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                condition=Q(period_end__gt=F("period_start")),
                name="%(app_label)s_%(class)s_period_in_order",
            ),
            models.CheckConstraint(
                condition=Q(feature__in=["job_applications", "narratives", "exports"]),
                name="%(app_label)s_%(class)s_feature_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.feature} from {self.period_start:%Y-%m-%d}: {self.used}"


class UsageQuota(_Usage):
    """How much of a feature a profile has used."""

    profile = models.ForeignKey(Profile, models.CASCADE, db_index=False, related_name="+")

    class Meta(_Usage.Meta):
        abstract = False
        constraints = [
            models.UniqueConstraint(
                fields=["profile", "feature", "period_start"],
                include=["used", "period_end"],
                name="profiles_usagequota_period",
            ),
            *_Usage.Meta.constraints,
        ]


class UserUsage(_Usage):
    """How much of a feature all profiles of a user have used.

    Limits are held against it: neither a second profile nor one made anew has more.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, db_index=False, related_name="+"
    )

    class Meta(_Usage.Meta):
        abstract = False
        verbose_name_plural = "user usage"
        constraints = [
            models.UniqueConstraint(
                fields=["user", "feature", "period_start"],
                include=["used", "period_end"],
                name="profiles_userusage_period",
            ),
            *_Usage.Meta.constraints,
        ]
