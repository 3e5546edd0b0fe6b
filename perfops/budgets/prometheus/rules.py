"""Budgets as Prometheus' rules: what is promised, how it stands, and how fast it burns.

Seconds where a budget says milliseconds. Objective of a burn rate: the budget's *target*;
the plain alert holds its *threshold*. Burn rates and windows: Google's SRE workbook, chapter 5.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from perfops.budgets.metrics.metric import MS
from perfops.budgets.metrics.registry import metric_of
from perfops.budgets.prometheus.rule_file import (
    Alert,
    Group,
    Recording,
    Rule,
    in_seconds,
    literal,
    quoted,
)
from perfops.conf import conf
from perfops.models.budgets import Budget

COMMENT = """\
Made from the budgets by `manage.py budget_rules`: change a budget, not this file.
budget:target, budget:threshold, budget:value: what is promised and how it stands (seconds,
shares, requests a second). budget:outcome: 0 target met, 1 over target but within threshold,
2 violated. budget:bad:ratio*: the share of events that missed the target; budget:allowance: how
many of all may.
Throughput is no promise about how much is asked for: load runs judge it, not production."""

_SEVERITIES = {
    Budget.Action.FAIL: "critical",
    Budget.Action.ALERT: "warning",
    Budget.Action.WARN: "warning",
}


@dataclass(frozen=True, slots=True)
class Burn:
    """``rate``: how many times too fast the allowance is used, seen over both windows."""

    rate: float
    long: str
    short: str
    lasting: str
    alert: str
    severity: str


BURNS = (
    Burn(14.4, "1h", "5m", "2m", "BudgetBurnFast", "critical"),
    Burn(6, "6h", "30m", "15m", "BudgetBurnFast", "critical"),
    Burn(3, "1d", "2h", "1h", "BudgetBurnSlow", "warning"),
    Burn(1, "3d", "6h", "3h", "BudgetBurnSlow", "warning"),
)
_QUICK, _SLOW = ("5m", "30m", "1h", "2h"), ("6h", "1d", "3d")


def groups(budgets: Iterable[Budget]) -> list[Group]:
    """Return the rules of ``budgets``. One that no metric can show is left to the load runs."""
    shown = [budget for budget in budgets if _is_shown(budget)]
    promised = [budget for budget in shown if _is_promised(budget)]
    return [
        Group("budgets", "30s", tuple(rule for b in shown for rule in _stand(b))),
        Group("budget-alerts", "30s", tuple(_alert(b) for b in promised)),
        Group("budget-burn", "30s", tuple(_bad(b, w) for b in promised for w in _QUICK)),
        Group("budget-burn-slow", "2m", tuple(_bad(b, w) for b in promised for w in _SLOW)),
        Group("budget-burn-alerts", "30s", tuple(a for b in promised for a in _burns(b))),
    ]


def _is_shown(budget: Budget) -> bool:
    metric = metric_of(budget)
    has_route = not budget.route or metric.prometheus_has_routes
    return has_route and bool(metric.prometheus_value(budget))


def _is_promised(budget: Budget) -> bool:
    return bool(metric_of(budget).prometheus_bad_share(budget, "5m"))


def name(budget: Budget) -> str:
    """Return what the label ``budget`` says: ``latency_p95``, ``latency_p95:/api/v1/profiles``."""
    return f"{budget.metric}:{budget.route}" if budget.route else budget.metric


def in_prometheus(budget: Budget, bound: float) -> float:
    """Return ``bound`` in Prometheus' units: seconds instead of milliseconds."""
    return in_seconds(bound) if metric_of(budget).unit == MS else bound


def _labels(budget: Budget) -> dict[str, str]:
    route = {"route": budget.route} if budget.route else {}
    return {"budget": name(budget), **route}


def _alert_labels(budget: Budget) -> dict[str, str]:
    return {label: literal(value) for label, value in _labels(budget).items()}


def _stand(budget: Budget) -> list[Rule]:
    labels = _labels(budget)
    target = _number(in_prometheus(budget, budget.target))
    threshold = _number(in_prometheus(budget, budget.threshold))
    rules: list[Rule] = [
        Recording("budget:target", f"vector({target})", labels),
        Recording("budget:threshold", f"vector({threshold})", labels),
        Recording("budget:value", metric_of(budget).prometheus_value(budget), labels),
    ]
    if _is_promised(budget):
        allowance = _number(metric_of(budget).allowance(budget))
        value = f"budget:value{_matching(budget)}"
        # Equal to itself: without a single event the value is NaN, and there is no outcome.
        missed = (
            f"(({value} {_missing(budget)} bool {target}) + "
            f"({value} {_missing(budget)} bool {threshold}))\n  and {value} == {value}"
        )
        rules += [
            Recording("budget:outcome", missed, labels),
            Recording("budget:allowance", f"vector({allowance})", labels),
        ]
    return rules


def _number(value: float) -> str:
    """Not a digit is lost that anyone would type, and none is added by the division."""
    return f"{value:.12g}"


def _missing(budget: Budget) -> str:
    """A bound that is just reached does not hold any more."""
    return ">=" if metric_of(budget).lower_is_better else "<="


def _bad(budget: Budget, window: str) -> Recording:
    bad = metric_of(budget).prometheus_bad_share(budget, window)
    return Recording(f"budget:bad:ratio{window}", bad, _labels(budget))


def _alert(budget: Budget) -> Alert:
    measure = metric_of(budget)
    alert, lasting = measure.alert
    missed = f"budget:value{_matching(budget)} {_missing(budget)}"
    bound = in_prometheus(budget, budget.threshold)
    shown = "{{ $value | humanizePercentage }}"
    if measure.unit == MS:
        shown = "{{ $value | humanizeDuration }}"
    return Alert(
        alert,
        f"{missed} {_number(bound)}{_with_traffic(budget, '5m')}",
        lasting,
        {"severity": _SEVERITIES[Budget.Action(budget.action)], **_alert_labels(budget)},
        {
            "summary": f"{literal(str(budget))} is {shown}",
            "description": f"For {lasting} it has not been {measure.bound_text(budget.threshold)} "
            f"(target: {measure.bound_text(budget.target)}).",
            "runbook_url": runbook(alert),
        },
    )


def _with_traffic(budget: Budget, window: str) -> str:
    """Return the condition that there were enough requests in ``window`` to judge by."""
    requests = metric_of(budget).prometheus_requests(budget)
    if not requests:
        return ""
    return f"\nand on () sum(increase({requests}[{window}])) >= {conf().ALERT_MIN_REQUESTS}"


def _burns(budget: Budget) -> list[Alert]:
    """No more than all events can be bad: a rate that would take more can't fire, and is left."""
    allowed = metric_of(budget).allowance(budget)
    quiet = budget.action == Budget.Action.WARN
    return [
        _burn(budget, burn, round(burn.rate * allowed, 6), quiet=quiet)
        for burn in BURNS
        if 0 < burn.rate * allowed < 1
    ]


def _burn(budget: Budget, burn: Burn, limit: float, *, quiet: bool) -> Alert:
    of, most = _matching(budget), _number(limit)
    return Alert(
        burn.alert,
        f"budget:bad:ratio{burn.long}{of} > {most}\nand budget:bad:ratio{burn.short}{of} > {most}"
        # Over days it would be much to read for little: those alerts wake nobody.
        + (_with_traffic(budget, burn.long) if burn.severity == "critical" else ""),
        burn.lasting,
        {
            "severity": "warning" if quiet else burn.severity,
            "burn_rate": f"{burn.rate:g}",
            **_alert_labels(budget),
        },
        {
            "summary": f"{literal(str(budget))} uses up its allowance {burn.rate:g} times too fast",
            "description": "{{ $value | humanizePercentage }} of the last "
            f"{burn.long} missed {metric_of(budget).bound_text(budget.target)}; "
            f"{metric_of(budget).allowance(budget):.3g} of all may.",
            "runbook_url": runbook(burn.alert),
        },
    )


def _matching(budget: Budget) -> str:
    return f"{{budget={quoted(name(budget))}}}"


def runbook(alert: str) -> str:
    """Return where an alert's run book is found."""
    return f"{conf().RUNBOOK_URL}/{alert}.md"
