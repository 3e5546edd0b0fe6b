"""Setting budgets, and holding load runs against them."""

from typing import Any

import msgspec
from django.core.exceptions import ValidationError
from django.db import transaction

from perfops.budgets.metrics import registry
from perfops.budgets.metrics.metric import Reading, WrongValue
from perfops.budgets.metrics.registry import metric_of
from perfops.load.aborting import Abort
from perfops.load.limit_search import Search
from perfops.load.windows import Bound
from perfops.models.budgets import Budget, Evaluation
from perfops.models.decisions import BudgetChange
from perfops.models.runs import LoadRun, RouteResult


class UnusableBudgets(ValueError):
    """Budgets can't be set as they are written; the message says which and why."""


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A budget as a file has it; without ``route`` for all of them together.

    Bounds are numbers in the units of ``Budget``, or texts with their unit: ``"85%"``.
    """

    metric: str
    target: float | str
    threshold: float | str
    action: str = Budget.Action.FAIL
    route: str = ""


def wanted(text: bytes) -> list[Wanted]:
    """Return the budgets of a JSON file. Raises ``UnusableBudgets``."""
    try:
        return msgspec.json.decode(text, type=list[Wanted])
    except msgspec.DecodeError as error:
        raise UnusableBudgets(f"this is no list of budgets: {error}") from error


def replace_budgets(those: list[Wanted], *, why: str = "") -> tuple[int, int]:
    """Have ``those`` be the enabled budgets; others are turned off and keep their history.

    ``why``: what the history of changes says.

    Returns how many were set, and how many turned off. Raises ``UnusableBudgets``.
    """
    budgets = [_checked(each) for each in those]
    names = {(each.metric, each.route) for each in budgets}
    if len(names) < len(budgets):
        raise UnusableBudgets("two of them are for the same metric and route.")
    with transaction.atomic():
        before = {each.pk: as_texts(each) for each in Budget.objects.all()}
        Budget.objects.bulk_create(
            budgets,
            update_conflicts=True,
            unique_fields=["metric", "route"],
            update_fields=["target", "threshold", "action", "enabled"],
        )
        others = [b.pk for b in Budget.objects.all() if (b.metric, b.route) not in names]
        off = Budget.objects.filter(pk__in=others, enabled=True).update(enabled=False)
        for each in Budget.objects.all():
            record_change(each, before.get(each.pk), by=None, why=why)
    return len(budgets), off


def as_texts(budget: Budget) -> dict[str, str]:
    """Return what can be changed about a budget, as a person reads it."""
    metric = metric_of(budget)
    return {
        "budget": str(budget),
        "target": metric.bound_text(budget.target),
        "threshold": metric.bound_text(budget.threshold),
        "action": budget.get_action_display(),
        "enabled": "on" if budget.enabled else "off",
    }


def record_change(
    budget: Budget, before: dict[str, str] | None, *, by: Any, why: str
) -> BudgetChange | None:
    """Keep who changed what and why; ``before``: its ``as_texts``, None for a new budget.

    ``by``: a user, or None for a command. Returns None where nothing changed.
    """
    now = as_texts(budget)
    old = before or {}
    changed = [
        f"{name}: {old[name]} → {text}" if name in old else f"{name}: {text}"
        for name, text in now.items()
        if old.get(name) != text
    ]
    if not changed:
        return None
    return BudgetChange.objects.create(
        budget=budget, name=str(budget), what="; ".join(changed), why=why, changed_by=by
    )


def record_deletion(budget: Budget, *, by: Any) -> BudgetChange:
    """Keep who deletes ``budget``; what runs said of it stays."""
    limits = {name: text for name, text in as_texts(budget).items() if name != "budget"}
    what = "deleted; " + "; ".join(f"{name}: {text}" for name, text in limits.items())
    return BudgetChange.objects.create(
        budget=None, name=str(budget), what=what, why="", changed_by=by
    )


def _checked(each: Wanted) -> Budget:
    name = f"{each.metric} of {each.route}" if each.route else each.metric
    known = registry.every()
    if each.metric not in known:
        raise UnusableBudgets(f"there is no metric {each.metric!r}; there is: {', '.join(known)}.")
    budget = Budget(metric=each.metric, route=each.route, action=each.action)
    try:
        budget.clean_fields(exclude=["target", "threshold"])
    except ValidationError as error:
        raise UnusableBudgets(f"{name}: {' '.join(error.messages)}") from error
    for field in ("target", "threshold"):
        try:
            setattr(budget, field, bound(budget, getattr(each, field)))
        except WrongValue as error:
            raise UnusableBudgets(f"{name}: {field}: {error}") from error
    if metric_of(budget).is_eased(budget.target, budget.threshold):
        raise UnusableBudgets(f"{name}: its target is easier to meet than its threshold.")
    return budget


def bound(budget: Budget, given: float | str) -> float:
    """Return a target or threshold in the metric's unit. Raises ``WrongValue``."""
    unit = metric_of(budget).unit
    if isinstance(given, str):
        return unit.parse(given)
    unit.check(given)
    return float(given)


def evaluate(run: LoadRun) -> list[Evaluation]:
    """Hold ``run`` (its summary, server and route results) against every enabled budget.

    A run that seeks the limit breaks the others on purpose: budgets on the limit alone judge it.
    Doing it again replaces what was there, but for what budgets said that are deleted since.
    Returns the rows, in the budgets' order.
    """
    routes = {result.route: result for result in run.routes.all()}
    seeks_limit = "find_limit" in run.plan
    budgets = [
        budget
        for budget in Budget.objects.filter(enabled=True).order_by("id")
        if metric_of(budget).of_limit == seeks_limit
    ]
    evaluations = [_evaluate(budget, run, routes) for budget in budgets]
    with transaction.atomic():
        run.evaluations.filter(budget__isnull=False).delete()
        return Evaluation.objects.bulk_create(evaluations)


def limit_search(*, ceiling: float, minutes: float) -> Search:
    """Return what a run seeks that is to find the highest rate within the enabled budgets.

    Those on latency and errors, warnings left out: what is only worth a look bounds no rate.
    """
    return Search(_bounds(), ceiling, minutes)


def abort(after_s: float) -> Abort:
    """Return what ends a run early that breaks a budget which fails it; not before ``after_s``."""
    return Abort(_bounds(), after_s)


def _bounds() -> tuple[Bound, ...]:
    rows = Budget.objects.filter(enabled=True).exclude(action=Budget.Action.WARN).order_by("id")
    return tuple(
        Bound(str(row), metric_of(row).quantity, row.threshold, row.route)
        for row in rows
        if metric_of(row).quantity
    )


def _evaluate(budget: Budget, run: LoadRun, routes: dict[str, RouteResult]) -> Evaluation:
    reading = read(budget, run, routes)
    metric = metric_of(budget)
    outcome = Evaluation.Outcome.UNKNOWN
    if reading.value is not None:
        if not metric.holds(reading.value, budget.threshold):
            outcome = Evaluation.Outcome.VIOLATED
        elif metric.holds(reading.value, budget.target):
            outcome = Evaluation.Outcome.MET
        else:
            outcome = Evaluation.Outcome.NEAR
    return Evaluation(
        budget=budget,
        run=run,
        metric=budget.metric,
        route=budget.route,
        action=budget.action,
        outcome=outcome,
        value=reading.value,
        target=budget.target,
        threshold=budget.threshold,
        reason=reading.reason,
    )


def read(budget: Budget, run: LoadRun, routes: dict[str, RouteResult]) -> Reading:
    """Read the budget's metric off ``run``, for all routes or the budget's own."""
    metric = metric_of(budget)
    if not budget.route:
        return metric.read(run, budget)
    result = routes.get(budget.route)
    if result is None or not result.requests:
        return Reading(None, f"The run sent nothing to {budget.route}.")
    return metric.read_route(result, run, budget)
