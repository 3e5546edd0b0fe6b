"""The rows that all sides serve, as Django's models have them."""

from datetime import datetime

from django.contrib.postgres.fields import ArrayField
from django.db import models

SUMMARY = [
    "id", "slug", "display_name", "title", "headline", "location", "avatar_url", "languages",
    "interests", "created_at", "updated_at",
]  # fmt: skip
DETAIL = [*SUMMARY, "summary", "website", "visibility"]


class Profile(models.Model):
    id = models.UUIDField(primary_key=True)
    slug = models.CharField(max_length=80)
    display_name = models.CharField(max_length=120)
    title = models.CharField(max_length=120)
    headline = models.CharField(max_length=200)
    summary = models.TextField()
    location = models.CharField(max_length=120)
    website = models.URLField()
    avatar_url = models.URLField()
    languages = ArrayField(models.CharField(max_length=35))
    interests = ArrayField(models.CharField(max_length=50))
    visibility = models.CharField(max_length=10)
    is_active = models.BooleanField()
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        app_label = "peers"
        managed = False
        db_table = "profiles_profile"

    def __str__(self) -> str:
        return self.display_name


def public() -> models.QuerySet[Profile]:
    return Profile.objects.filter(is_active=True, visibility="public")


def listed(created_from: datetime, limit: int) -> list[Profile]:
    """Return the newest public profiles, one more than ``limit``."""
    return list(
        public().filter(created_at__gte=created_from).order_by("-created_at", "-id")[: limit + 1]
    )
