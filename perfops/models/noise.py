"""What a host's noise makes of verdicts: results of ``manage.py aa_test``."""

from django.db import models


class AATest(models.Model):
    """One build against itself on one host, and against itself with a known slowdown.

    Shares are from 0 to 1. ``pairs``: recorded; ``slowed_by``: share of CPU that the slowdown of
    ``slowdown_ms`` (CPU for each request) added, as measured; None where it was not. Verdicts are
    drawn again from the recorded pairs. ``needed``: pairs that see 10%; None: as many as usual.
    """

    created_at = models.DateTimeField(auto_now_add=True)
    host = models.CharField(max_length=200)
    cores = models.FloatField()
    scenario = models.CharField(max_length=100)
    seconds = models.FloatField()
    pairs = models.IntegerField()
    slowdown_ms = models.FloatField()
    slowed_by = models.FloatField(null=True)
    false_alarms = models.JSONField(default=dict)
    misses = models.JSONField(default=dict)
    smallest_effect = models.FloatField(null=True)
    needed = models.IntegerField(null=True)
    noise = models.JSONField(default=dict)

    class Meta:
        verbose_name = "A/A test"
        indexes = [models.Index(fields=["host", "-id"], name="perfops_aatest_newest")]

    def __str__(self) -> str:
        return f"A/A test {self.pk} on {self.host}"
