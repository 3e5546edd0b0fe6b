"""Budgets, and what each load run made of them."""

from collections.abc import Callable

from django.conf import settings
from django.db import models

from perfops.models.runs import LoadRun

Choices = list[tuple[str, str]]
_known_metrics: Callable[[], Choices] = list


def register_metrics(choices: Callable[[], Choices]) -> None:
    """Have ``choices`` (key, title) be what a budget may measure: the registry's, above us."""
    global _known_metrics  # noqa: PLW0603
    _known_metrics = choices


def metric_choices() -> Choices:
    """Return the keys and titles of the metrics that are installed now."""
    return _known_metrics()


class Budget(models.Model):
    """One promise: a metric, a target to aim at, a threshold that must hold, what happens if not.

    Units: latency in ms, rates as a share from 0 to 1, throughput in requests per second.
    """

    class Action(models.TextChoices):
        FAIL = "fail", "CI fails"
        ALERT = "alert", "alert"
        WARN = "warn", "warning"

    metric = models.CharField(max_length=30, choices=metric_choices)
    route = models.CharField(max_length=200, blank=True, help_text="Empty: all routes together.")
    target = models.FloatField()
    threshold = models.FloatField()
    action = models.CharField(max_length=10, choices=Action)
    enabled = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["metric", "route"], name="perfops_budget_unique")
        ]

    def __str__(self) -> str:
        return f"{self.get_metric_display()}{' of ' + self.route if self.route else ''}"


class Evaluation(models.Model):
    """A budget held against one load run. ``target`` and ``threshold`` are those of that day."""

    class Outcome(models.TextChoices):
        MET = "met", "target met"
        NEAR = "near", "over target, within threshold"
        VIOLATED = "violated", "violated"
        UNKNOWN = "unknown", "could not tell"

    # Here and in its like: the unique constraint begins with it, and its index serves both.
    budget = models.ForeignKey(Budget, models.CASCADE, related_name="evaluations", db_index=False)
    run = models.ForeignKey(LoadRun, models.CASCADE, related_name="evaluations")
    outcome = models.CharField(max_length=10, choices=Outcome)
    value = models.FloatField(null=True)
    target = models.FloatField()
    threshold = models.FloatField()
    reason = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["budget", "run"], name="perfops_evaluation_unique")
        ]

    def __str__(self) -> str:
        return f"{self.budget_id} in run {self.run_id}: {self.outcome}"


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
