"""Figures for a monitoring system: plain numbers, read by whoever exports them."""

from django.db.models import Count

from perfops.budgets import selectors as budgets
from perfops.budgets.metrics.registry import metric_of
from perfops.models.analyses import Finding, Severity
from perfops.models.budgets import Budget

# Metric, help, label, and the number for each value of the label.
Figures = list[tuple[str, str, str, dict[str, float]]]


def read() -> Figures:
    """Return the budgets' ratios and the number of open findings. Two queries, one more if any."""
    return [
        (
            "perfops_budget_ratio",
            "Newest value against the threshold: above 1 the budget is broken.",
            "budget",
            _ratios(),
        ),
        ("perfops_finding_open", "Open findings.", "severity", _open_findings()),
    ]


def _ratios() -> dict[str, float]:
    """Return value / threshold, the other way round where more is better.

    A budget of one route is named with it: ``latency_p95 /api/v1/profiles/{ref}``.
    """
    known = {row.pk: row for row in Budget.objects.filter(enabled=True)}
    ratios = {}
    for pk, latest in budgets.latest().items():
        budget = known.get(pk)
        if budget is None or latest.value is None:
            continue
        lower = metric_of(budget).lower_is_better
        over, under = (latest.value, latest.threshold) if lower else (
            latest.threshold, latest.value
        )  # fmt: skip
        name = f"{budget.metric} {budget.route}".rstrip()
        ratios[name] = over / under if under else float("inf") if over else 0.0
    return ratios


def _open_findings() -> dict[str, float]:
    rows = Finding.objects.filter(status=Finding.Status.OPEN).values_list("severity")
    found = dict(rows.annotate(Count("pk")))
    return {severity: float(found.get(severity, 0)) for severity in Severity.values}
