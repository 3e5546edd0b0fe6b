"""The entries of a CV: one table for each kind, all with the columns of ``Entry``."""

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from uuid_utils.compat import uuid7

from midst.kernel.cache.signals import InvalidatingQuerySet
from profiles.models.profile import Profile


class Entry(models.Model):
    """What every entry has: its place in its profile, its time, its tags."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # The index below begins with it.
    profile = models.ForeignKey(Profile, models.CASCADE, db_index=False, related_name="+")
    position = models.PositiveIntegerField(default=0)
    starts_on = models.DateField(null=True, blank=True)
    ends_on = models.DateField(null=True, blank=True)
    tags = ArrayField(models.CharField(max_length=50), default=list, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = InvalidatingQuerySet.as_manager()

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_on__gte=F("starts_on"))
                | Q(ends_on__isnull=True)
                | Q(starts_on__isnull=True),
                name="%(app_label)s_%(class)s_dates_in_order",
                violation_error_message="It can't end before it starts.",
            ),
        ]
        indexes = [
            models.Index(fields=["profile", "position", "id"], name="%(class)s_position"),
        ]


class Experience(Entry):
    """A job, a post, a voluntary work."""

    role = models.CharField(max_length=120)
    organization = models.CharField(max_length=120)
    location = models.CharField(max_length=120, blank=True)
    description = models.TextField(blank=True)

    class Meta(Entry.Meta):
        abstract = False
        verbose_name_plural = "experience"

    def __str__(self) -> str:
        return f"{self.role}, {self.organization}"


class Education(Entry):
    institution = models.CharField(max_length=160)
    degree = models.CharField(max_length=120, blank=True)
    field = models.CharField(max_length=120, blank=True)
    description = models.TextField(blank=True)

    class Meta(Entry.Meta):
        abstract = False
        verbose_name_plural = "education"

    def __str__(self) -> str:
        return self.institution


class Project(Entry):
    name = models.CharField(max_length=160)
    role = models.CharField(max_length=120, blank=True)
    url = models.URLField(blank=True)
    description = models.TextField(blank=True)
    external_id = models.CharField(
        max_length=100, blank=True, help_text="Its name in another system; once in a profile."
    )

    class Meta(Entry.Meta):
        abstract = False
        constraints = [
            *Entry.Meta.constraints,
            models.UniqueConstraint(
                fields=["profile", "external_id"],
                condition=~Q(external_id=""),
                name="profiles_project_external_id_once",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Skill(Entry):
    name = models.CharField(max_length=100)
    category = models.CharField(max_length=100, blank=True)
    level = models.PositiveSmallIntegerField(
        default=3,
        validators=[MinValueValidator(1), MaxValueValidator(5)],
        help_text="1: has tried it, 5: teaches it.",
    )

    class Meta(Entry.Meta):
        abstract = False
        constraints = [
            *Entry.Meta.constraints,
            models.CheckConstraint(
                condition=Q(level__gte=1, level__lte=5), name="profiles_skill_level_in_range"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Publication(Entry):
    title = models.CharField(max_length=200)
    publisher = models.CharField(max_length=160, blank=True)
    url = models.URLField(blank=True)
    description = models.TextField(blank=True)

    def __str__(self) -> str:
        return self.title


class Award(Entry):
    title = models.CharField(max_length=200)
    issuer = models.CharField(max_length=160, blank=True)
    description = models.TextField(blank=True)

    def __str__(self) -> str:
        return self.title


class Certification(Entry):
    name = models.CharField(max_length=200)
    issuer = models.CharField(max_length=160, blank=True)
    credential_id = models.CharField(max_length=100, blank=True)
    url = models.URLField(blank=True)

    def __str__(self) -> str:
        return self.name


class SocialLink(Entry):
    platform = models.CharField(max_length=50)
    url = models.URLField()

    def __str__(self) -> str:
        return f"{self.platform}: {self.url}"


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
