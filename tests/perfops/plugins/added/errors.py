"""A budget metric of another app: the errors of a run, counted."""

from perfops.budgets.metrics.metric import BudgetMetric, Reading, Unit


class ErrorsOfARun(BudgetMetric):
    key, title, unit, lower_is_better = "added_errors", "errors of a run", Unit("errors"), True

    def read(self, run, budget):
        return Reading.known(run.summary.get("errors"), "No request was sent.")

    def read_route(self, result, run, budget):
        return Reading(result.errors)


METRICS = (ErrorsOfARun(),)
