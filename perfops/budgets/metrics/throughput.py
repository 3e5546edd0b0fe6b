"""Throughput: goodput, the rate of requests that were answered as expected."""

from perfops.budgets.metrics.metric import PER_S, BudgetMetric, Reading
from perfops.budgets.prometheus.rule_file import selector
from perfops.models.budgets import Budget
from perfops.models.runs import LoadRun, RouteResult


class Throughput(BudgetMetric):
    """Load runs judge it and production does not: how much is asked for is no promise."""

    key, title, unit, lower_is_better = "throughput", "throughput", PER_S, False
    depends_on_generator = True

    def read(self, run: LoadRun, budget: Budget) -> Reading:
        """A run that asks for 100 requests a second can't show whether 500 would be served."""
        offered = run.summary.get("offered_rate", 0.0)
        if offered < budget.threshold:
            return Reading(
                None,
                f"The run offered {offered:.0f} req/s at most, the budget asks for "
                f"{budget.threshold:.0f}: a scenario with a higher rate can tell.",
            )
        return Reading.known(run.summary.get("sustained_throughput"), "No request was sent.")

    def read_route(self, result: RouteResult, run: LoadRun, budget: Budget) -> Reading:
        seconds = run.summary.get("duration_s") or 0.0
        good = result.requests - result.errors
        return Reading.known(good / seconds if seconds else None, "The run took no time.")

    def prometheus_value(self, budget: Budget) -> str:
        return f"sum(rate(http_requests_total{selector(budget)}[5m]))"


METRICS = (Throughput(),)
