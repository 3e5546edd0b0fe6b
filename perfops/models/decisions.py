"""What people decided: about findings, and about budgets (other bounds, accepted violations)."""

from django.conf import settings
from django.db import models

from perfops.models.analyses import Finding
from perfops.models.budgets import Budget


class FindingEvent(models.Model):
    """What somebody did with a finding, or said about it: who and when. Never changed."""

    class Action(models.TextChoices):
        ACKNOWLEDGED = "acknowledged", "acknowledged"
        MUTED = "muted", "muted"
        REOPENED = "reopened", "opened again"
        ASSIGNED = "assigned", "assigned"
        COMMENTED = "commented", "commented"

    finding = models.ForeignKey(Finding, models.CASCADE, related_name="events", db_index=False)
    action = models.CharField(max_length=12, choices=Action)
    text = models.TextField(blank=True, help_text="The comment, the reason, or the assignee.")
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    # Stays when the user is deleted.
    actor_name = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["finding", "-id"], name="perfops_finding_events")]

    def __str__(self) -> str:
        return f"{self.finding_id} {self.action} by {self.actor_name}"


class BudgetChange(models.Model):
    """What a budget was and became: by whom, when and why. It outlives the budget."""

    budget = models.ForeignKey(Budget, models.SET_NULL, null=True, related_name="changes")
    name = models.CharField(max_length=300)
    what = models.TextField()
    why = models.TextField()
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.name}: {self.what}"


class Waiver(models.Model):
    """A violation that is accepted until ``ends_at``: it is shown, and fails nothing."""

    budget = models.CharField(
        max_length=300,
        help_text="As reports name it, such as: p95 latency; p95 of /api/orders; "
        "statements of /api/orders.",
    )
    reason = models.TextField(help_text="Reports show it: why is it accepted, and what comes?")
    ends_at = models.DateTimeField("ends")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, editable=False, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.budget} until {self.ends_at:%Y-%m-%d}"
