"""All budget metrics: the modules of this package, of other apps and of installed packages."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from perfops.budgets import metrics
from perfops.budgets.metrics.metric import BudgetMetric, Reading, Unit
from perfops.models.budgets import Budget
from perfops.models.runs import LoadRun, RouteResult
from perfops.plugins import Group, usable


class RemovedMetric(BudgetMetric):
    """Stands for a metric whose package is not installed any more; its budgets can't tell."""

    lower_is_better = True

    def __init__(self, key: str) -> None:
        self.key = self.title = key
        self.unit = Unit("")

    def read(self, run: LoadRun, budget: Budget) -> Reading:
        return Reading(None, f"No installed package has the metric {self.key}.")

    def read_route(self, result: RouteResult, run: LoadRun, budget: Budget) -> Reading:
        return self.read(run, budget)


_NEEDED = ("key", "title", "unit", "lower_is_better")
_LONGEST_KEY = 30


def wrong(module: object) -> str:
    """Return why ``module`` adds no budget metrics, or "" when it does."""
    found = getattr(module, "METRICS", None)
    if not isinstance(found, tuple | list) or not found:
        return "a module of budget metrics has METRICS, a tuple of BudgetMetric; it lacks them"
    return next((fault for fault in map(_wrong, found) if fault), "")


def _wrong(metric: object) -> str:
    if not isinstance(metric, BudgetMetric):
        return f"{metric!r} in its METRICS is no BudgetMetric"
    lacking = [name for name in _NEEDED if not hasattr(metric, name)]
    if lacking:
        return f"{type(metric).__name__} lacks {', '.join(lacking)}"
    if len(metric.key) > _LONGEST_KEY:
        return f"the key {metric.key!r} is longer than {_LONGEST_KEY} characters"
    return ""


GROUP = Group("perfops.budget_metrics", "BUDGET_METRICS", wrong)


def every() -> dict[str, BudgetMetric]:
    """Return the metrics by key: perfops' own, then those of others; the first of a key wins."""
    by_key: dict[str, BudgetMetric] = {}
    added = (metric for module in usable(GROUP) for metric in module.METRICS)
    for metric in (*_own(), *added):
        by_key.setdefault(metric.key, metric)
    return by_key


def metric_of(budget: Budget) -> BudgetMetric:
    """Return what ``budget`` measures."""
    return every().get(budget.metric) or RemovedMetric(budget.metric)


def choices() -> list[tuple[str, str]]:
    """Return keys and titles, as forms offer them."""
    return [(key, metric.title) for key, metric in every().items()]


@cache
def _own() -> tuple[BudgetMetric, ...]:
    modules = (
        import_module(f"{metrics.__name__}.{found.name}")
        for found in iter_modules(metrics.__path__)
        if found.name != "registry"
    )
    return tuple(metric for module in modules for metric in getattr(module, "METRICS", ()))
