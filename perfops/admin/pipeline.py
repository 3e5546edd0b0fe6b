"""The page about the monitoring pipeline: what a person reads of it."""

from datetime import UTC, datetime
from typing import Any

from perfops.admin.badges import Badge
from perfops.budgets.prometheus.pipeline import Figure, Pipeline

_NOT_CONFIGURED = (
    "Prometheus is not configured: the state of monitoring is unknown. Set "
    'PERFOPS["PROMETHEUS_URL"] (PERFOPS_PROMETHEUS_URL) to its address, such as '
    "http://127.0.0.1:9090, and start again."
)
_MINUTE_S = 60


def context(pipeline: Pipeline) -> dict[str, Any]:
    """Return what ``perfops/pipeline.html`` shows."""
    now = datetime.now(UTC)
    return {
        "badge": _badge(pipeline),
        "sentence": _sentence(pipeline),
        "figures": [_figure(each) for each in pipeline.figures],
        "targets": [
            {
                "job": each.job,
                "instance": each.instance,
                "badge": _health(each.health),
                "scraped": _ago(each.at, now) if each.at else "never",
                "error": each.error,
            }
            for each in pipeline.targets
        ],
        "alerts": [
            {
                "name": each.name,
                "badge": Badge("bad", "✗", each.severity)
                if each.severity == "critical"
                else Badge("warning", "!", each.severity),
                "state": each.state,
                "summary": each.summary,
                "since": each.since,
                "runbook": each.runbook,
            }
            for each in pipeline.alerts
        ],
        "knows": bool(pipeline.address and not pipeline.problem),
    }


def _badge(pipeline: Pipeline) -> Badge:
    if not pipeline.address:
        return Badge("odd", "?", "not configured")
    if pipeline.problem:
        return Badge("bad", "✗", "no answer")
    if not pipeline.targets:
        return Badge("bad", "✗", "nothing is scraped")
    if pipeline.down or any(figure.is_bad for figure in pipeline.figures):
        return Badge("bad", "✗", "some targets are down")
    if pipeline.firing:
        return Badge("warning", "!", "alerts fire")
    return Badge("good", "✓", "watching")


def _sentence(pipeline: Pipeline) -> str:
    if not pipeline.address:
        return _NOT_CONFIGURED
    if pipeline.problem:
        return pipeline.problem
    up = len(pipeline.targets) - pipeline.down
    fires = f"{pipeline.firing} alert{'s fire' if pipeline.firing != 1 else ' fires'}"
    return (
        f"{up} of {len(pipeline.targets)} targets are up; "
        f"{fires if pipeline.firing else 'no alert fires'}. Prometheus: {pipeline.address}."
    )


def _health(health: str) -> Badge:
    kinds = {"up": ("good", "✓"), "down": ("bad", "✗")}
    return Badge(*kinds.get(health, ("odd", "?")), health)


def _figure(figure: Figure) -> dict[str, Any]:
    known = figure.value is not None
    return {
        "name": figure.name,
        "value": f"{figure.value:,.0f}" if known else "-",
        "note": figure.note if known else "not measured",
        "kind": "bad" if figure.is_bad else "",
    }


def _ago(at: datetime, now: datetime) -> str:
    seconds = max(0.0, (now - at).total_seconds())
    return f"{seconds:.0f} s ago" if seconds < _MINUTE_S else f"{seconds / _MINUTE_S:.0f} min ago"
