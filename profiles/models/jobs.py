"""Jobs that are offered, and who applies for them."""

from django.db import models
from django.db.models import F, Q
from uuid_utils.compat import uuid7

from midst.kernel.cache.signals import InvalidatingQuerySet
from profiles.models.profile import Profile


class JobPosting(models.Model):
    """A job that is offered; staff keeps these."""

    class Status(models.TextChoices):
        OPEN = "open", "open"
        CLOSED = "closed", "closed"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    title = models.CharField(max_length=160)
    company = models.CharField(max_length=160)
    url = models.URLField(blank=True)
    salary_min = models.PositiveIntegerField(null=True, blank=True, help_text="A year.")
    salary_max = models.PositiveIntegerField(null=True, blank=True, help_text="A year.")
    currency = models.CharField(max_length=3, blank=True, help_text="ISO 4217.")
    location = models.CharField(max_length=120, blank=True)
    description = models.TextField(blank=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.OPEN)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = InvalidatingQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=["open", "closed"]), name="profiles_jobposting_status_known"
            ),
            models.CheckConstraint(
                condition=Q(salary_max__gte=F("salary_min"))
                | Q(salary_min__isnull=True)
                | Q(salary_max__isnull=True),
                name="profiles_jobposting_salary_in_order",
                violation_error_message="The highest salary can't be below the lowest.",
            ),
        ]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="profiles_jobposting_newest"),
            models.Index(
                fields=["status", "-created_at", "-id"], name="profiles_jobposting_status"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.title}, {self.company}"


class JobApplication(models.Model):
    """A profile's application for a posting."""

    class Status(models.TextChoices):
        DRAFT = "draft", "draft"
        SUBMITTED = "submitted", "submitted"
        INTERVIEWING = "interviewing", "interviewing"
        OFFERED = "offered", "offered"
        REJECTED = "rejected", "rejected"
        WITHDRAWN = "withdrawn", "withdrawn"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    profile = models.ForeignKey(Profile, models.CASCADE, db_index=False, related_name="+")
    posting = models.ForeignKey(JobPosting, models.PROTECT, related_name="+")
    status = models.CharField(max_length=15, choices=Status, default=Status.DRAFT)
    cover_letter = models.TextField(blank=True)
    applied_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["profile", "posting"], name="profiles_jobapplication_once"
            ),
            models.CheckConstraint(
                condition=Q(
                    status__in=[
                        "draft", "submitted", "interviewing", "offered", "rejected", "withdrawn",
                    ]
                ),
                name="profiles_jobapplication_status_known",
            ),
        ]  # fmt: skip
        indexes = [
            models.Index(
                fields=["profile", "status", "-updated_at", "-id"],
                name="profiles_jobapplication_status",
            ),
            models.Index(
                fields=["profile", "-updated_at", "-id"], name="profiles_jobapplication_latest"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.posting_id} ({self.status})"
