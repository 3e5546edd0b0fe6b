"""A person's profile."""

import re
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Collate, Lower
from uuid_utils.compat import uuid7

from midst.kernel.cache.signals import InvalidatingQuerySet

SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


# Where the API answers something else.
RESERVED = frozenset({"me"})


def check_not_reserved(slug: str) -> None:
    """Raise ``ValidationError`` for a slug that is an address of the API."""
    if slug in RESERVED:
        raise ValidationError("This slug is reserved.")


def check_not_a_uuid(slug: str) -> None:
    """Raise ``ValidationError`` for a slug that an id could be mistaken for."""
    try:
        UUID(slug)
    except ValueError:
        return
    raise ValidationError("A slug must not look like an id.")


class ProfileQuerySet(InvalidatingQuerySet["Profile"]):
    def listed(self) -> "ProfileQuerySet":
        """What anyone may find: public and active."""
        return self.filter(visibility=Profile.Visibility.PUBLIC, is_active=True)

    def visible_to(self, user: Any) -> "ProfileQuerySet":
        """Return what ``user`` may read by its address.

        All with the permission to view profiles as staff; otherwise their own, and what is open.
        """
        if user.is_staff and user.has_perm("profiles.view_profile"):
            return self
        open_to_all = Q(visibility__in=[Profile.Visibility.PUBLIC, Profile.Visibility.UNLISTED])
        mine = Q(owner=user) if user.is_authenticated else Q()
        return self.filter(open_to_all | mine, is_active=True)


class Profile(models.Model):
    """One structured record of a working life."""

    class Visibility(models.TextChoices):
        PUBLIC = "public", "public"
        UNLISTED = "unlisted", "unlisted: by link only"
        PRIVATE = "private", "private"

    # Time-ordered, so that new rows stay together in the index.
    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="profiles", db_index=False
    )
    slug = models.CharField(
        max_length=80,
        unique=True,
        validators=[RegexValidator(rf"^{SLUG.pattern}\Z"), check_not_a_uuid, check_not_reserved],
    )
    display_name = models.CharField(max_length=120)
    title = models.CharField(max_length=120, blank=True)
    headline = models.CharField(max_length=200, blank=True)
    summary = models.TextField(blank=True, help_text="Markdown.")
    location = models.CharField(max_length=120, blank=True)
    email = models.EmailField(blank=True, help_text="Shown to the owner only.")
    phone = models.CharField(max_length=40, blank=True)
    website = models.URLField(blank=True)
    avatar_url = models.URLField(blank=True)
    languages = ArrayField(models.CharField(max_length=35), default=list, blank=True)
    interests = ArrayField(models.CharField(max_length=50), default=list, blank=True)
    visibility = models.CharField(max_length=10, choices=Visibility, default=Visibility.PRIVATE)
    default_mask = models.ForeignKey(
        "taxonomy.Mask", models.PROTECT, null=True, blank=True, related_name="+"
    )
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = ProfileQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(slug__regex=rf"^{SLUG.pattern.replace('?:', '')}$"),
                name="profiles_profile_slug_form",
            ),
            models.CheckConstraint(
                condition=Q(visibility__in=["public", "unlisted", "private"]),
                name="profiles_profile_visibility_known",
            ),
        ]
        indexes = [
            models.Index(
                fields=["-created_at", "-id"],
                condition=Q(visibility="public", is_active=True),
                name="profiles_profile_newest",
            ),
            models.Index(
                Collate(Lower("display_name"), "C"),
                F("id"),
                condition=Q(visibility="public", is_active=True),
                name="profiles_profile_name",
            ),
            models.Index(fields=["owner", "-created_at", "-id"], name="profiles_profile_owner"),
            # For the admin, which lists everything, and the few that nobody else sees.
            models.Index(fields=["-created_at", "-id"], name="profiles_profile_all_newest"),
            models.Index(
                fields=["-created_at", "-id"],
                condition=Q(is_active=False),
                name="profiles_profile_inactive",
            ),
            models.Index(
                fields=["email"],
                include=["slug", "is_active"],
                condition=~Q(email=""),
                name="profiles_profile_email",
            ),
        ]

    def __str__(self) -> str:
        return self.display_name
