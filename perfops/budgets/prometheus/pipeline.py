"""The monitoring pipeline itself, as Prometheus knows it: is anyone watching?"""

import math
from dataclasses import dataclass
from datetime import datetime

from perfops.budgets.prometheus.client import Alert, NoAnswer, Prometheus, Sample, Target
from perfops.conf import conf

# Each figure's expression; sums over nothing are absent, and so is the figure.
_EXPRESSIONS = {
    "unreached": 'count({__name__=~"pg_up|redis_up"} == 0)'
    ' or 0 * count({__name__=~"pg_up|redis_up"})',
    "exporters": 'sum({__name__=~"(pg|redis)_exporter_last_scrape_error"})',
    "waiting": "max by (queue) (celery_queue_depth)",
    "spans": "sum(increase(otel_spans_dropped_total[1h]))",
    "notifications": "sum(increase(alertmanager_notifications_failed_total[1h]))",
    "rules": "sum(increase(prometheus_rule_evaluation_failures_total[1h]))",
}
# One question for all of them; the label says which figure a series belongs to.
_FIGURES = " or ".join(
    f'label_replace({expr}, "figure", "{name}", "", "")' for name, expr in _EXPRESSIONS.items()
)


@dataclass(frozen=True, slots=True)
class Scraped:
    """A target; ``at`` is None before its first scrape."""

    job: str
    instance: str
    health: str
    at: datetime | None
    error: str


@dataclass(frozen=True, slots=True)
class Fired:
    name: str
    severity: str
    state: str
    summary: str
    since: datetime
    runbook: str


@dataclass(frozen=True, slots=True)
class Figure:
    """``value`` is None where not measured; above 0 is trouble if ``is_trouble``."""

    name: str
    value: float | None
    note: str
    is_trouble: bool = True

    @property
    def is_bad(self) -> bool:
        return self.is_trouble and bool(self.value)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What is known. ``address`` is empty when Prometheus is not configured, ``problem`` unless
    it gave no answer.
    """

    address: str = ""
    problem: str = ""
    targets: tuple[Scraped, ...] = ()
    alerts: tuple[Fired, ...] = ()
    figures: tuple[Figure, ...] = ()

    @property
    def down(self) -> int:
        return sum(target.health != "up" for target in self.targets)

    @property
    def firing(self) -> int:
        return sum(alert.state == "firing" for alert in self.alerts)


def state() -> Pipeline:
    """Ask Prometheus three questions; one that is away costs one timeout and is said."""
    settings = conf()
    if not settings.PROMETHEUS_URL:
        return Pipeline()
    prometheus = Prometheus(settings.PROMETHEUS_URL, timeout_s=settings.PROMETHEUS_TIMEOUT_S)
    try:
        targets, alerts = prometheus.targets(), prometheus.alerts()
        samples = prometheus.query(_FIGURES)
    except NoAnswer as error:
        return Pipeline(address=prometheus.address, problem=f"Prometheus gave no answer: {error}.")
    return Pipeline(
        address=prometheus.address,
        targets=tuple(sorted(map(_scraped, targets), key=lambda each: (each.job, each.instance))),
        alerts=tuple(sorted(map(_fired, alerts), key=lambda each: (each.severity, each.name))),
        figures=tuple(_figures(samples)),
    )


def _scraped(target: Target) -> Scraped:
    return Scraped(
        job=target.labels.get("job", ""),
        instance=target.labels.get("instance", ""),
        health=target.health,
        at=target.last_scrape if target.last_scrape.year > 1 else None,
        error=target.last_error,
    )


def _fired(alert: Alert) -> Fired:
    return Fired(
        name=alert.labels.get("alertname", ""),
        severity=alert.labels.get("severity", ""),
        state=alert.state,
        summary=alert.annotations.get("summary", ""),
        since=alert.active_at,
        runbook=alert.annotations.get("runbook_url", ""),
    )


def _figures(samples: list[Sample]) -> list[Figure]:
    found = {s.metric["figure"]: s.number for s in samples if not math.isnan(s.number)}
    queues = {
        s.metric.get("queue", ""): s.number for s in samples if s.metric["figure"] == "waiting"
    }
    return [
        Figure("Servers out of reach", found.get("unreached"), "as their exporters see it"),
        Figure("Exporters' errors", found.get("exporters"), "in their last scrape"),
        Figure(
            "Waiting tasks",
            sum(queues.values()) if queues else None,
            ", ".join(f"{queue}: {depth:.0f}" for queue, depth in sorted(queues.items())),
            is_trouble=False,
        ),
        Figure("Dropped spans", found.get("spans"), "in the last hour"),
        Figure("Failed notifications", found.get("notifications"), "in the last hour"),
        Figure("Failed rules", found.get("rules"), "in the last hour"),
    ]
