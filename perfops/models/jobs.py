"""What a load run and an analysis have in common: long work that a worker claims."""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models


class Trigger(models.TextChoices):
    ADMIN = "admin", "admin"
    COMMAND = "command", "command line"
    SCHEDULE = "schedule", "schedule"
    API = "api", "API"


class Job(models.Model):
    """A row that a worker claims by a conditional UPDATE and keeps by renewing ``heartbeat_at``.

    A subclass declares ``State`` (with QUEUED, RUNNING, FAILED, LOST), ``state`` and the two
    groups of states below. ``perfops.jobs.lifecycle`` moves a job from state to state.
    """

    # States in which a worker owns the job, and all states before its end.
    CLAIMED: ClassVar[tuple[str, ...]]
    ACTIVE: ClassVar[tuple[str, ...]]

    trigger = models.CharField(max_length=10, choices=Trigger, default=Trigger.COMMAND)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    # Defaults of the database too: while a deployment is under way, older code writes rows.
    worker = models.CharField(
        max_length=200, blank=True, db_default="", help_text="host:pid that claimed it."
    )
    # What a worker was sent, {"task": str, "arguments": dict, "limit_s": int | None}; null where
    # whoever asked works on it.
    message = models.JSONField(null=True, blank=True)
    queued_again_at = models.DateTimeField(
        null=True, blank=True, help_text="When its message was last sent again."
    )

    class Meta:
        abstract = True

    @property
    def is_active(self) -> bool:
        return self.state in self.ACTIVE  # type: ignore[attr-defined]

    @classmethod
    def outcome(cls, *sentences: str) -> dict[str, Any]:
        """Return the fields that say why a job ended as it did."""
        raise NotImplementedError
