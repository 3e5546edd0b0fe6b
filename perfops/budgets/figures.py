"""Figures for a monitoring system: plain numbers, read by whoever exports them."""

from datetime import UTC, datetime, timedelta

from django.db.models import Count

from perfops.analysis.collectors import origins
from perfops.budgets import selectors as budgets
from perfops.budgets.metrics.registry import metric_of
from perfops.models.analyses import Finding, Severity
from perfops.models.budgets import Budget
from perfops.models.origins import QueryOrigin

# Metric, help, label, and the number for each value of the label.
Figures = list[tuple[str, str, str, dict[str, float]]]
_RECENT = timedelta(hours=1)
# The routes with the most: a project may have thousands.
_ROUTES = 50


def read() -> Figures:
    """Return the budgets' ratios, the number of open findings and statements per request.

    Three queries, one more if there are budgets.
    """
    return [
        (
            "perfops_budget_ratio",
            "Newest value against the threshold: above 1 the budget is broken.",
            "budget",
            _ratios(),
        ),
        ("perfops_finding_open", "Open findings.", "severity", _open_findings()),
        (
            "perfops_statements_per_request",
            f"Mean of an hour, of requests that send any; the {_ROUTES} routes with the most.",
            "route",
            _statements_per_request(),
        ),
    ]


def _statements_per_request() -> dict[str, float]:
    scopes = origins.scopes(since=datetime.now(UTC) - _RECENT)
    requests = [each for each in scopes if each.kind == QueryOrigin.Kind.REQUEST]
    return {each.name: each.calls_per_execution for each in requests[:_ROUTES]}


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
