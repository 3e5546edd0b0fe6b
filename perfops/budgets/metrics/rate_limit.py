"""The highest rate within the other budgets, as ``run_load_test --find-limit`` finds it."""

from perfops.budgets.metrics.metric import PER_S, BudgetMetric, Reading
from perfops.models.budgets import Budget
from perfops.models.runs import LoadRun, RouteResult
from perfops.statistics.limits import Limit


class RateLimit(BudgetMetric):
    """Judged by the upper end of the 95% interval: what is below it has surely become less."""

    key, title, unit, lower_is_better = "rate_limit", "highest rate within budgets", PER_S, False
    of_limit = True

    def read(self, run: LoadRun, budget: Budget) -> Reading:
        stored = run.summary.get("limit")
        if stored is None:
            return Reading(None, "This run sought no limit: run_load_test --find-limit does.")
        found = Limit.from_row(stored)
        if found.rate is not None and found.low is not None and found.high is not None:
            ends = f"95% interval {self.text(found.low)} to {self.text(found.high)}"
            return Reading(found.high, f"The limit is {self.text(found.rate)}, {ends}.")
        if found.rate is None:
            lowest = f"{self.text(found.high)} or less"
            return Reading(found.high, f"Nothing held: the limit is {lowest}.")
        if self.holds(found.rate, budget.threshold):
            return Reading(found.rate, f"{self.text(found.rate)} held, the most that was tried.")
        return Reading(
            None,
            f"{self.text(found.rate)} held, the most that was tried: seek with --up-to more "
            f"than {self.bound_text(budget.threshold).removeprefix('> ')}.",
        )

    def read_route(self, result: RouteResult, run: LoadRun, budget: Budget) -> Reading:
        return Reading(None, "The limit is sought for all routes together.")


METRICS = (RateLimit(),)
