"""Budgets, and what each load run made of them."""

from django.db import models

from perfops.models.runs import LoadRun


class Budget(models.Model):
    """One promise: a metric, a target to aim at, a threshold that must hold, what happens if not.

    Units: latency in ms, rates as a share from 0 to 1, throughput in requests per second.
    """

    class Metric(models.TextChoices):
        LATENCY_P95 = "latency_p95", "p95 latency"
        LATENCY_P99 = "latency_p99", "p99 latency"
        ERROR_RATE = "error_rate", "error rate"
        CACHE_HIT_RATE = "cache_hit_rate", "cache hit rate"
        DB_CACHE_HIT_RATE = "db_cache_hit_rate", "database cache hit"
        THROUGHPUT = "throughput", "throughput"

    class Action(models.TextChoices):
        FAIL = "fail", "CI fails"
        ALERT = "alert", "alert"
        WARN = "warn", "warning"

    metric = models.CharField(max_length=30, choices=Metric)
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
