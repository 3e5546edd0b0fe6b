"""Setting budgets, and holding load runs against them."""

from dataclasses import dataclass

import msgspec
from django.core.exceptions import ValidationError
from django.db import transaction

from perfops.budgets.metrics import MEASURES
from perfops.models.budgets import Budget, Evaluation
from perfops.models.runs import LoadRun, RouteResult

_QUANTILES = {"latency_p95": "p95", "latency_p99": "p99"}


class UnusableBudgets(ValueError):
    """Budgets can't be set as they are written; the message says which and why."""


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A budget as a file has it, in the units of ``Budget``; without ``route`` for all of them."""

    metric: str
    target: float
    threshold: float
    action: str = Budget.Action.FAIL
    route: str = ""


def wanted(text: bytes) -> list[Wanted]:
    """Return the budgets of a JSON file. Raises ``UnusableBudgets``."""
    try:
        return msgspec.json.decode(text, type=list[Wanted])
    except msgspec.DecodeError as error:
        raise UnusableBudgets(f"this is no list of budgets: {error}") from error


def replace_budgets(those: list[Wanted]) -> tuple[int, int]:
    """Have ``those`` be the enabled budgets; others are turned off and keep their history.

    Returns how many were set, and how many turned off. Raises ``UnusableBudgets``.
    """
    budgets = [_checked(each) for each in those]
    names = {(each.metric, each.route) for each in budgets}
    if len(names) < len(budgets):
        raise UnusableBudgets("two of them are for the same metric and route.")
    with transaction.atomic():
        Budget.objects.bulk_create(
            budgets,
            update_conflicts=True,
            unique_fields=["metric", "route"],
            update_fields=["target", "threshold", "action", "enabled"],
        )
        others = [b.pk for b in Budget.objects.all() if (b.metric, b.route) not in names]
        off = Budget.objects.filter(pk__in=others, enabled=True).update(enabled=False)
    return len(budgets), off


def _checked(each: Wanted) -> Budget:
    budget = Budget(
        metric=each.metric, route=each.route, target=each.target, threshold=each.threshold,
        action=each.action,
    )  # fmt: skip
    name = f"{each.metric} of {each.route}" if each.route else each.metric
    try:
        budget.clean_fields()
    except ValidationError as error:
        raise UnusableBudgets(f"{name}: {' '.join(error.messages)}") from error
    if MEASURES[each.metric].is_eased(each.target, each.threshold):
        raise UnusableBudgets(f"{name}: its target is easier to meet than its threshold.")
    return budget


@dataclass(frozen=True, slots=True)
class Reading:
    """A metric read off a run; without a ``value``, ``reason`` says why."""

    value: float | None
    reason: str = ""


def evaluate(run: LoadRun) -> list[Evaluation]:
    """Hold ``run`` (its summary, server and route results) against every enabled budget.

    Doing it again replaces what was there. Returns the rows, in the budgets' order.
    """
    routes = {result.route: result for result in run.routes.all()}
    budgets = Budget.objects.filter(enabled=True).order_by("id")
    evaluations = [_evaluate(budget, run, routes) for budget in budgets]
    with transaction.atomic():
        run.evaluations.all().delete()
        return Evaluation.objects.bulk_create(evaluations)


def _evaluate(budget: Budget, run: LoadRun, routes: dict[str, RouteResult]) -> Evaluation:
    reading = read(budget, run, routes)
    measure = MEASURES[budget.metric]
    outcome = Evaluation.Outcome.UNKNOWN
    if reading.value is not None:
        if not measure.holds(reading.value, budget.threshold):
            outcome = Evaluation.Outcome.VIOLATED
        elif measure.holds(reading.value, budget.target):
            outcome = Evaluation.Outcome.MET
        else:
            outcome = Evaluation.Outcome.NEAR
    return Evaluation(
        budget=budget,
        run=run,
        outcome=outcome,
        value=reading.value,
        target=budget.target,
        threshold=budget.threshold,
        reason=reading.reason,
    )


def read(budget: Budget, run: LoadRun, routes: dict[str, RouteResult]) -> Reading:
    """Read the budget's metric off ``run``, for all routes or the budget's own."""
    if budget.metric == Budget.Metric.DB_CACHE_HIT_RATE:
        if budget.route:
            return Reading(None, "The database counts for all routes together.")
        return _known(run.server.get("db_cache_hit_rate"), "No database statistics for this run.")
    if budget.route:
        return _of_route(budget, routes.get(budget.route), run.summary)
    summary = run.summary
    if budget.metric == Budget.Metric.THROUGHPUT:
        return _throughput(budget, summary)
    if budget.metric in _QUANTILES:
        latency = summary.get("latency_ms", {})
        return _known(latency.get(_QUANTILES[budget.metric]), "No request was answered.")
    reasons = {
        Budget.Metric.ERROR_RATE: "No request was sent.",
        Budget.Metric.CACHE_HIT_RATE: "No answer said whether it came from the cache (X-Cache).",
    }
    return _known(summary.get(budget.metric), reasons[Budget.Metric(budget.metric)])


def _known(value: float | None, otherwise: str) -> Reading:
    return Reading(value) if value is not None else Reading(None, otherwise)


def _throughput(budget: Budget, summary: dict[str, float]) -> Reading:
    """A run that asks for 100 requests a second can't show whether 500 would be served."""
    offered = summary.get("offered_rate", 0.0)
    if offered < budget.threshold:
        return Reading(
            None,
            f"The run offered {offered:.0f} req/s at most, the budget asks for "
            f"{budget.threshold:.0f}: a scenario with a higher rate can tell.",
        )
    return Reading(summary["sustained_throughput"])


def _of_route(budget: Budget, result: RouteResult | None, summary: dict[str, float]) -> Reading:
    if result is None or not result.requests:
        return Reading(None, f"The run sent nothing to {budget.route}.")
    cached = result.cache_hits + result.cache_misses
    seconds = summary.get("duration_s") or 0.0
    values = {
        Budget.Metric.LATENCY_P95: result.p95_ms,
        Budget.Metric.LATENCY_P99: result.p99_ms,
        Budget.Metric.ERROR_RATE: result.errors / result.requests,
        Budget.Metric.CACHE_HIT_RATE: result.cache_hits / cached if cached else None,
        Budget.Metric.THROUGHPUT: result.requests / seconds if seconds else None,
    }
    return _known(values[Budget.Metric(budget.metric)], f"{budget.route} does not show it.")
