"""Index recommendations with proof and change, and their impact once they were applied."""

from django.db import models

from perfops.models.analyses import Finding


class Recommendation(models.Model):
    """What stands behind a finding about an index: kept when the finding is resolved."""

    class Kind(models.TextChoices):
        ADD = "add", "make the index"
        DROP = "drop", "drop the index"

    class Outcome(models.TextChoices):
        WAITING = "", "not measured yet"
        FIXED = "fixed", "fixed"
        NO_EFFECT = "no effect", "no effect"
        WORSE = "worse", "worse"

    finding = models.OneToOneField(Finding, models.CASCADE, related_name="recommendation")
    kind = models.CharField(max_length=4, choices=Kind)
    index_schema = models.CharField(max_length=63)
    index_name = models.CharField(max_length=63)
    proof = models.CharField(max_length=100, blank=True, help_text="How it was proved.")
    unit = models.CharField(max_length=4, blank=True, help_text="Of before and after: cost or ms.")
    # Dicts: queryid, text, calls, before, after, blocks_before, blocks_after, mean_ms.
    effects = models.JSONField(default=list, blank=True)
    gain = models.FloatField(default=0, help_text="Share of its statements' time it promises.")

    app_label = models.CharField(max_length=100, blank=True)
    migration_name = models.CharField(max_length=100, blank=True)
    migration = models.TextField(blank=True)
    meta = models.TextField(blank=True, help_text="The line for Meta.indexes.")

    created_at = models.DateTimeField(auto_now_add=True)
    applied_at = models.DateTimeField(null=True, blank=True, help_text="Seen by an analysis.")
    outcome = models.CharField(max_length=10, choices=Outcome, blank=True, default=Outcome.WAITING)
    # Pairs of label and figure, as a finding's evidence has them.
    measured = models.JSONField(default=list, blank=True)

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.index_name}"
