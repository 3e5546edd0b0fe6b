"""Error rate: the share of requests without the expected answer; time-outs and resets count."""

from perfops.budgets.metrics.metric import SHARE, BudgetMetric, Reading
from perfops.budgets.prometheus.rule_file import selector, share_of
from perfops.models.budgets import Budget
from perfops.models.runs import LoadRun, RouteResult

# A share of fewer requests says little: one error of 12 is 8 %.
_MIN_REQUESTS = 100


class ErrorRate(BudgetMetric):
    key, title, unit, lower_is_better = "error_rate", "error rate", SHARE, True
    alert = ("ErrorRateHigh", "5m")
    quantity = "error_rate"

    def read(self, run: LoadRun, budget: Budget) -> Reading:
        return _with_enough(run.summary.get("error_rate"), run.summary.get("requests", 0))

    def read_route(self, result: RouteResult, run: LoadRun, budget: Budget) -> Reading:
        return _with_enough(result.errors / result.requests, result.requests)

    def prometheus_value(self, budget: Budget) -> str:
        return self.prometheus_bad_share(budget, "5m")

    def prometheus_bad_share(self, budget: Budget, window: str) -> str:
        matcher = 'status=~"5.."'
        bad = f"http_requests_total{selector(budget, matcher)}"
        return share_of(bad, [f"http_requests_total{selector(budget)}"], window)

    def prometheus_requests(self, budget: Budget) -> str:
        return f"http_requests_total{selector(budget)}"

    def allowance(self, budget: Budget) -> float:
        return budget.target

    def k6_threshold(self, bound: float) -> tuple[str, str]:
        return "http_req_failed", f"rate<{bound:g}"


def _with_enough(value: float | None, requests: int) -> Reading:
    if value is not None and requests < _MIN_REQUESTS:
        return Reading(
            None, f"{requests:,} requests are too few for a rate: it takes {_MIN_REQUESTS}."
        )
    return Reading.known(value, "No request was sent.")


METRICS = (ErrorRate(),)
