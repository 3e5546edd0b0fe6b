"""Latency: how long a client waits, counted from when its request should have been sent."""

from dataclasses import dataclass
from typing import ClassVar

from perfops.budgets.metrics.metric import MS, BudgetMetric, Reading, Unit
from perfops.budgets.prometheus.rule_file import edge_for, in_seconds, quoted, selector
from perfops.load.validity import requests_for
from perfops.models.budgets import Budget
from perfops.models.runs import LoadRun, RouteResult


@dataclass(frozen=True)
class Latency(BudgetMetric):
    """A quantile of the response time from the scheduled start: waiting and connecting count.

    ``name``: as ``perfops.load.summary`` names the quantile ``q``.
    """

    key: str
    title: str
    name: str
    q: float
    alert: tuple[str, str]
    unit: Unit = MS
    lower_is_better: bool = True
    depends_on_generator: ClassVar[bool] = True

    @property
    def quantity(self) -> str:  # type: ignore[override]
        return self.name

    def read(self, run: LoadRun, budget: Budget) -> Reading:
        value = run.summary.get("intended_latency_ms", {}).get(self.name)
        return self._with_enough(value, run.summary.get("requests", 0))

    def read_route(self, result: RouteResult, run: LoadRun, budget: Budget) -> Reading:
        scheduled: float | None = getattr(result, f"scheduled_{self.name}_ms")
        return self._with_enough(scheduled, result.requests)

    def _with_enough(self, value: float | None, requests: int) -> Reading:
        needed = requests_for(self.q)
        if value is not None and requests < needed:
            return Reading(
                None, f"{requests:,} requests are too few for a {self.name}: it takes {needed:,}."
            )
        return Reading.known(value, "No request was answered.")

    def prometheus_value(self, budget: Budget) -> str:
        bucket = f"http_request_duration_seconds_bucket{selector(budget)}"
        return f"histogram_quantile({self.q:g}, sum by (le) (rate({bucket}[5m])))"

    def prometheus_bad_share(self, budget: Budget, window: str) -> str:
        edge = quoted(str(edge_for(in_seconds(budget.target))))
        good = f"http_request_duration_seconds_bucket{selector(budget, f'le={edge}')}"
        every = f"http_request_duration_seconds_count{selector(budget)}"
        return f"1 - sum(rate({good}[{window}]))\n  / sum(rate({every}[{window}]))"

    def prometheus_requests(self, budget: Budget) -> str:
        return f"http_request_duration_seconds_count{selector(budget)}"

    def allowance(self, budget: Budget) -> float:
        return round(1 - self.q, 6)

    def k6_threshold(self, bound: float) -> tuple[str, str]:
        return "intended_duration", f"p({self.q * 100:g})<{bound:g}"


METRICS = (
    Latency("latency_p95", "p95 latency", "p95", 0.95, ("LatencyP95High", "5m")),
    Latency("latency_p99", "p99 latency", "p99", 0.99, ("LatencyP99High", "5m")),
)
