"""An analysis of a database, the findings that live on between analyses, recommendations."""

from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q

from perfops.models.jobs import Job
from perfops.models.runs import LoadRun


class Analysis(Job):
    """One snapshot of a database's statistics, its difference to an earlier one, and findings.

    Whoever works on it renews ``heartbeat_at``; one that falls silent loses it (``lost``).
    """

    class State(models.TextChoices):
        QUEUED = "queued", "queued"
        RUNNING = "running", "running"
        FINISHED = "finished", "finished"
        FAILED = "failed", "could not analyse"
        LOST = "lost", "lost"

    ACTIVE = (State.QUEUED, State.RUNNING)
    CLAIMED = (State.RUNNING,)

    database = models.CharField(max_length=100, default="default", help_text="Alias in DATABASES.")
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    run = models.ForeignKey(
        LoadRun, models.SET_NULL, null=True, blank=True, related_name="analyses",
        help_text="The load run whose window this looks at.",
    )  # fmt: skip
    baseline = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="+")

    window_s = models.FloatField(null=True, help_text="Seconds that the counters cover.")
    # How much of that the counters really show: resets and restarts take from it.
    covered = models.FloatField(null=True)
    notes = models.JSONField(default=list, blank=True)
    # A list of perfops.analysis.collectors.records.UnavailableSource as dicts.
    missing = models.JSONField(default=list, blank=True)
    # How many findings of each severity.
    counts = models.JSONField(default=dict, blank=True)
    error = models.TextField(blank=True)

    class Meta:
        verbose_name_plural = "analyses"
        permissions = [
            ("run_analysis", "Can start an analysis"),
            ("terminate_session", "Can end a session of the database, or its statement"),
        ]
        indexes = [models.Index(fields=["database", "-created_at"], name="perfops_analysis_newest")]

    def __str__(self) -> str:
        return f"analysis {self.pk} ({self.database})"

    @classmethod
    def outcome(cls, *sentences: str) -> dict[str, Any]:
        return {"error": " ".join(sentences)}


class StoredSnapshot(models.Model):
    """The counters of a database at one time: later snapshots take their difference to it.

    Hourly ones belong to no analysis. After a while only the summary stays.
    """

    database = models.CharField(max_length=100)
    taken_at = models.DateTimeField(help_text="By the clock of the database.")
    analysis = models.OneToOneField(
        Analysis, models.CASCADE, null=True, blank=True, related_name="stored"
    )
    # See perfops.analysis.snapshots; None once it has expired.
    packed = models.BinaryField(null=True)
    database_bytes = models.BigIntegerField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["database", "-taken_at"], name="perfops_snapshot_newest"),
        ]

    def __str__(self) -> str:
        return f"snapshot {self.pk} ({self.database})"


class Severity(models.TextChoices):
    ERROR = "error", "error"
    WARNING = "warning", "warning"
    INFO = "info", "info"


class Finding(models.Model):
    """One problem of one object. ``fingerprint`` stays the same from analysis to analysis."""

    class Status(models.TextChoices):
        OPEN = "open", "open"
        ACKNOWLEDGED = "acknowledged", "acknowledged"
        MUTED = "muted", "muted"
        RESOLVED = "resolved", "resolved"

    database = models.CharField(max_length=100)
    fingerprint = models.CharField(max_length=64)
    advisor = models.CharField(max_length=50)
    object = models.CharField(max_length=300, help_text="Table, index or statement it is about.")
    # The statements it concerns, as rows of pg_stat_statements: leads to their pages.
    queryids = ArrayField(models.CharField(max_length=20), default=list, db_default=[], blank=True)
    severity = models.CharField(max_length=10, choices=Severity)
    status = models.CharField(max_length=15, choices=Status, default=Status.OPEN)
    muted_until = models.DateField(null=True, blank=True)
    mute_reason = models.CharField(max_length=300, blank=True)
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )

    title = models.CharField(max_length=300)
    # Pairs of label and number or text, in reading order (an object would lose it).
    evidence = models.JSONField(default=list)
    why = models.TextField()
    remedy = models.TextField()
    statement = models.TextField(blank=True, help_text="SQL that fixes it, if there is one.")

    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True, blank=True)
    reopened = models.PositiveIntegerField(default=0)
    last_analysis = models.ForeignKey(Analysis, models.SET_NULL, null=True, related_name="+")

    class Meta:
        permissions = [("mute_finding", "Can acknowledge and mute a finding")]
        constraints = [
            models.UniqueConstraint(
                fields=["database", "fingerprint"], name="perfops_finding_unique"
            ),
            models.CheckConstraint(
                condition=~Q(status="muted") | (Q(muted_until__isnull=False) & ~Q(mute_reason="")),
                name="perfops_finding_muted_has_reason_and_end",
            ),
        ]
        indexes = [
            models.Index(
                fields=["status", "severity", "-last_seen_at"], name="perfops_finding_open"
            ),
            GinIndex(fields=["queryids"], name="perfops_finding_queryids"),
        ]

    def __str__(self) -> str:
        return self.title


class Occurrence(models.Model):
    """A finding as one analysis saw it."""

    analysis = models.ForeignKey(
        Analysis, models.CASCADE, related_name="occurrences", db_index=False
    )
    finding = models.ForeignKey(Finding, models.CASCADE, related_name="occurrences")
    severity = models.CharField(max_length=10, choices=Severity)
    evidence = models.JSONField(default=list)
    # The incident's place in the report, the share of the database's time that it took, and whose
    # work it is where it is not the application's: see ``perfops.analysis.incidents``.
    incident = models.IntegerField(null=True)
    impact = models.FloatField(null=True)
    apart = models.CharField(max_length=40, default="", db_default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["analysis", "finding"], name="perfops_occurrence_unique"
            )
        ]

    def __str__(self) -> str:
        return f"{self.finding_id} in {self.analysis_id}"


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
    identity = models.TextField(
        blank=True, default="", db_default="",
        help_text="What the index is, whatever its name. Empty: it is known by its name.",
    )  # fmt: skip
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
