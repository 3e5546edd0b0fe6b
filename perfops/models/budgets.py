"""Budgets, and what each load run made of them."""

from collections.abc import Callable

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
    """A budget held against one load run: its metric, route, action and limits of that day.

    It outlives the budget. ``metric`` is empty in rows that a process of the version before wrote
    during an upgrade: those have their budget.
    """

    class Outcome(models.TextChoices):
        MET = "met", "target met"
        NEAR = "near", "over target, within threshold"
        VIOLATED = "violated", "violated"
        UNKNOWN = "unknown", "could not tell"

    # Here and in its like: the unique constraint begins with it, and its index serves both.
    budget = models.ForeignKey(
        Budget, models.SET_NULL, null=True, related_name="evaluations", db_index=False
    )
    run = models.ForeignKey(LoadRun, models.CASCADE, related_name="evaluations")
    metric = models.CharField(max_length=30, blank=True, default="", db_default="")
    route = models.CharField(max_length=200, blank=True, default="", db_default="")
    action = models.CharField(
        max_length=10, choices=Budget.Action, blank=True, default="", db_default=""
    )
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
        indexes = [
            models.Index(fields=["metric", "route", "run"], name="perfops_evaluation_history")
        ]

    def __str__(self) -> str:
        return f"{self.judged} in run {self.run_id}: {self.outcome}"

    @property
    def judged(self) -> Budget:
        """Return the budget as it was when it judged: unsaved, whether or not it is there still."""
        if not self.metric and self.budget is not None:
            return self.budget
        return Budget(
            pk=self.budget_id,
            metric=self.metric,
            route=self.route,
            action=self.action,
            target=self.target,
            threshold=self.threshold,
        )


class AlertDelivery(models.Model):
    """The alert of a run to one receiver: claimed before it is sent, so that it arrives once.

    One that stays in ``SENDING`` had its worker killed; it may have arrived, and is not repeated.
    """

    class State(models.TextChoices):
        SENDING = "sending", "sending"
        DELIVERED = "delivered", "delivered"
        FAILED = "failed", "failed"

    # The unique constraint begins with it.
    run = models.ForeignKey(LoadRun, models.CASCADE, related_name="alerts", db_index=False)
    receiver = models.CharField(max_length=64, help_text="A digest: addresses are secrets.")
    state = models.CharField(max_length=10, choices=State, default=State.SENDING)
    attempts = models.PositiveSmallIntegerField(default=1)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "receiver"], name="perfops_alertdelivery_unique")
        ]

    def __str__(self) -> str:
        return f"alert of run {self.run_id}: {self.state}"
