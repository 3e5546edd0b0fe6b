"""A load run and what it measured."""

from typing import Any

from django.db import models
from django.db.models import Q

from perfops.models.jobs import Job


class LoadRun(Job):
    """One execution of a k6 scenario against one target.

    ``state`` says how far it is, ``verdict`` what to make of it: *valid?* comes before *good?*.
    A worker claims a queued run by a conditional UPDATE and then renews ``heartbeat_at``;
    one that falls silent loses the run (``lost``), so no dead worker keeps a target.
    """

    class State(models.TextChoices):
        QUEUED = "queued", "queued"
        RUNNING = "running", "running"
        JUDGING = "judging", "judging"
        FINISHED = "finished", "finished"
        CANCELED = "canceled", "canceled"
        FAILED = "failed", "could not run"
        LOST = "lost", "lost"

    class Verdict(models.TextChoices):
        NONE = "", "none yet"
        PASSED = "pass", "pass"
        WARNED = "warn", "pass with warnings"
        FAILED = "fail", "fail"
        INVALID = "invalid", "invalid"

    ACTIVE = (State.QUEUED, State.RUNNING, State.JUDGING)
    CLAIMED = (State.RUNNING, State.JUDGING)

    scenario = models.CharField(max_length=50)
    target = models.CharField(max_length=200, help_text="Base URL, without a path.")
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    verdict = models.CharField(max_length=10, choices=Verdict, default=Verdict.NONE, blank=True)
    reasons = models.JSONField(default=list, blank=True, help_text="Sentences behind the verdict.")

    started_at = models.DateTimeField(null=True, blank=True)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)

    # {"duration_s": float, "requests": int, "peak_rate": float, "max_vus": int,
    #  "stages": [{"seconds": float, "rate": float}]}
    plan = models.JSONField(default=dict, blank=True)
    # What must be equal for two runs to be compared.
    fingerprint = models.JSONField(default=dict, blank=True)
    # perfops.load.summary.Summary as a dict.
    summary = models.JSONField(default=dict, blank=True)
    # Difference of the server's statistics over the run.
    server = models.JSONField(default=dict, blank=True)
    # At which rate it is to go on: perfops.load.steering.Wish as a dict; null for its plan's.
    wanted_rate = models.JSONField(null=True, blank=True)
    log = models.TextField(blank=True, help_text="The end of what k6 wrote to its log.")

    class Meta:
        permissions = [
            ("run_loadrun", "Can start a load run"),
            ("cancel_loadrun", "Can cancel a load run"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["target"],
                condition=Q(state__in=["running", "judging"]),
                name="perfops_loadrun_one_per_target",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["running", "judging"]) | Q(heartbeat_at__isnull=False),
                name="perfops_loadrun_claimed_has_heartbeat",
            ),
        ]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="perfops_loadrun_newest"),
            models.Index(
                fields=["heartbeat_at"],
                condition=Q(state__in=["queued", "running", "judging"]),
                name="perfops_loadrun_active",
            ),
        ]

    def __str__(self) -> str:
        return f"run {self.pk} ({self.scenario})"

    @classmethod
    def outcome(cls, *sentences: str) -> dict[str, Any]:
        return {"reasons": list(sentences)}

    @property
    def duration_s(self) -> float | None:
        """Seconds from start to end, None while it has not ended."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()


class Measurement(models.Model):
    """Counts and latency (ms) of some requests; ``sketch`` is a mergeable HDR histogram in µs."""

    requests = models.PositiveIntegerField(default=0)
    errors = models.PositiveIntegerField(default=0)
    cache_hits = models.PositiveIntegerField(default=0)
    cache_misses = models.PositiveIntegerField(default=0)
    p50_ms = models.FloatField(null=True)
    p95_ms = models.FloatField(null=True)
    p99_ms = models.FloatField(null=True)
    max_ms = models.FloatField(null=True)
    # Response time from the scheduled start, connecting and waiting included.
    scheduled_p95_ms = models.FloatField(null=True)
    scheduled_p99_ms = models.FloatField(null=True)
    sketch = models.BinaryField(default=b"")

    class Meta:
        abstract = True


class Sample(Measurement):
    """One second of one route; ``route`` is empty for all of them together."""

    run = models.ForeignKey(LoadRun, models.CASCADE, related_name="samples", db_index=False)
    second = models.PositiveIntegerField(help_text="Seconds since the run's first request.")
    route = models.CharField(max_length=200, blank=True)
    dropped = models.PositiveIntegerField(
        default=0, help_text="Iterations that k6 could not start."
    )
    vus = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "route", "second"], name="perfops_sample_unique")
        ]

    def __str__(self) -> str:
        return f"{self.run_id} +{self.second}s {self.route or 'all'}"


class RouteResult(Measurement):
    """One route over the whole run; ``route`` is empty for all of them together."""

    run = models.ForeignKey(LoadRun, models.CASCADE, related_name="routes", db_index=False)
    route = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "route"], name="perfops_routeresult_unique")
        ]

    def __str__(self) -> str:
        return f"{self.run_id} {self.route or 'all'}"
