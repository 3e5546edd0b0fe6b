"""A profile told through a mask."""

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from uuid_utils.compat import uuid7

from midst.kernel.cache.signals import InvalidatingQuerySet
from profiles.models.profile import Profile

_BLOCK = {"title": str, "body": str, "tags": list, "weight": int | float, "template": str}


def check_blocks(blocks: object) -> None:
    """Raise ``ValidationError`` unless ``blocks`` is a list of blocks with all their fields."""
    good = isinstance(blocks, list) and all(
        isinstance(block, dict)
        and block.keys() == _BLOCK.keys()
        and all(isinstance(block[name], kind) for name, kind in _BLOCK.items())
        and all(isinstance(tag, str) for tag in block["tags"])
        for block in blocks
    )
    if not good:
        raise ValidationError("Give a list of {title, body, tags[], weight, template}.")


class Narrative(models.Model):
    """Blocks of text, a draft until somebody approves them."""

    class Status(models.TextChoices):
        DRAFT = "draft", "draft"
        APPROVED = "approved", "approved"
        REJECTED = "rejected", "rejected"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    profile = models.ForeignKey(Profile, models.CASCADE, db_index=False, related_name="+")
    mask = models.ForeignKey("taxonomy.Mask", models.PROTECT, related_name="+")
    status = models.CharField(max_length=10, choices=Status, default=Status.DRAFT)
    blocks = models.JSONField(
        default=list,
        blank=True,
        validators=[check_blocks],
        help_text="A list of {title, body, tags[], weight, template}.",
    )
    meta = models.JSONField(default=dict, blank=True, help_text="Whatever its maker wants to keep.")
    revision_note = models.CharField(max_length=500, blank=True)
    approved_at = models.DateTimeField(null=True, blank=True)
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = InvalidatingQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=["draft", "approved", "rejected"]),
                name="profiles_narrative_status_known",
            ),
            models.CheckConstraint(
                condition=Q(status="approved", approved_at__isnull=False)
                | (~Q(status="approved") & Q(approved_at__isnull=True)),
                name="profiles_narrative_approved_has_its_time",
            ),
        ]
        indexes = [
            models.Index(
                fields=["profile", "-updated_at", "-id"], name="profiles_narrative_latest"
            ),
            models.Index(
                fields=["profile", "mask", "-approved_at"],
                condition=Q(status="approved"),
                name="profiles_narrative_approved",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.id} ({self.status})"
