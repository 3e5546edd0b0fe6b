"""Capacity reviews that were made."""

from django.db import models


class CapacityReview(models.Model):
    """``data``: see ``perfops.analysis.capacity.records.Review``."""

    database = models.CharField(max_length=100, help_text="Alias in DATABASES.")
    created_at = models.DateTimeField()
    data = models.JSONField()

    class Meta:
        indexes = [models.Index(fields=["database", "-created_at"], name="perfops_capacity_newest")]

    def __str__(self) -> str:
        return f"capacity review {self.pk} ({self.database})"
