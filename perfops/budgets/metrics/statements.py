"""Statements per request: what perfops counted for the routes while the run went on."""

from perfops.analysis.collectors import origins
from perfops.budgets.metrics.metric import BudgetMetric, Reading, Unit
from perfops.models.budgets import Budget
from perfops.models.origins import QueryOrigin
from perfops.models.runs import LoadRun, RouteResult

_NOT_OURS = "The target is not this project, so its statements are not counted here."


class StatementsPerRequest(BudgetMetric):
    """The same code and rows send the same number, however busy the machine is.

    Mean of the requests that send any, in whole minutes. A run shorter than ``ORIGIN_FLUSH_S``
    can't tell: what was counted is not written yet.
    """

    key, title, unit = "statements_per_request", "statements per request", Unit("statements")
    lower_is_better = True
    prometheus_has_routes = False

    def read(self, run: LoadRun, budget: Budget) -> Reading:
        return _counted(run, "")

    def read_route(self, result: RouteResult, run: LoadRun, budget: Budget) -> Reading:
        return _counted(run, f"GET {result.route}")


def _counted(run: LoadRun, route: str) -> Reading:
    """Return the mean of one route, or of all for ""."""
    if not run.server or run.started_at is None:
        return Reading(None, _NOT_OURS)
    since = run.started_at.replace(second=0, microsecond=0)
    scopes = origins.scopes(since=since, names=[route] if route else [])
    requests = [each for each in scopes if each.kind == QueryOrigin.Kind.REQUEST]
    executions = sum(each.executions for each in requests)
    calls = sum(each.calls for each in requests)
    unknown = f"No request{f' of {route}' if route else ''} with statements was counted in the run."
    return Reading.known(calls / executions if executions else None, unknown)


METRICS = (StatementsPerRequest(),)
