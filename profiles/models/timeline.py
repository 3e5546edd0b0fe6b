"""What happened when."""

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from uuid_utils.compat import uuid7

from midst.kernel.cache.signals import InvalidatingQuerySet
from profiles.models.profile import Profile


class TimelineEvent(models.Model):
    """Something on a profile's timeline, placed in time and perhaps in an epoch and a stage."""

    class Kind(models.TextChoices):
        MILESTONE = "milestone", "milestone"
        ROLE = "role", "role"
        PROJECT = "project", "project"
        LEARNING = "learning", "learning"
        PUBLICATION = "publication", "publication"
        RECOGNITION = "recognition", "recognition"
        TRANSITION = "transition", "transition"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    profile = models.ForeignKey(Profile, models.CASCADE, db_index=False, related_name="+")
    kind = models.CharField(max_length=20, choices=Kind)
    title = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    starts_on = models.DateField()
    ends_on = models.DateField(null=True, blank=True)
    tags = ArrayField(models.CharField(max_length=50), default=list, blank=True)
    importance = models.FloatField(
        default=0.5, validators=[MinValueValidator(0), MaxValueValidator(1)]
    )
    epoch = models.ForeignKey(
        "taxonomy.Epoch", models.PROTECT, null=True, blank=True, related_name="+"
    )
    stage = models.ForeignKey(
        "taxonomy.Stage", models.PROTECT, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = InvalidatingQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_on__gte=F("starts_on")) | Q(ends_on__isnull=True),
                name="profiles_timelineevent_dates_in_order",
                violation_error_message="It can't end before it starts.",
            ),
            models.CheckConstraint(
                condition=Q(importance__gte=0, importance__lte=1),
                name="profiles_timelineevent_importance_in_range",
            ),
            models.CheckConstraint(
                condition=Q(
                    kind__in=[
                        "milestone", "role", "project", "learning", "publication",
                        "recognition", "transition",
                    ]
                ),
                name="profiles_timelineevent_kind_known",
            ),
        ]  # fmt: skip
        indexes = [
            models.Index(
                fields=["profile", "-starts_on", "-id"], name="profiles_timelineevent_latest"
            ),
        ]

    def __str__(self) -> str:
        return self.title
