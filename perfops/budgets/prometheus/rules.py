"""Budgets as Prometheus' rules: what is promised, how it stands, and how fast it burns.

Seconds where a budget says milliseconds. Objective of a burn rate: the budget's *target*;
the plain alert holds its *threshold*. Burn rates and windows: Google's SRE workbook, chapter 5.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from perfops.budgets.metrics import MEASURES
from perfops.budgets.prometheus.rule_file import Alert, Group, Recording, Rule, literal, quoted
from perfops.conf import conf
from perfops.models.budgets import Budget

Metric = Budget.Metric

COMMENT = """\
Made from the budgets by `manage.py budget_rules`: change a budget, not this file.
budget:target, budget:threshold, budget:value: what is promised and how it stands (seconds,
shares, requests a second). budget:outcome: 0 target met, 1 over target but within threshold,
2 violated. budget:bad:ratio*: the share of events that missed the target; budget:allowance: how
many of all may.
Throughput is no promise about how much is asked for: load runs judge it, not production."""

_QUANTILES = {Metric.LATENCY_P95: 0.95, Metric.LATENCY_P99: 0.99}
# The alert's name, and how long the threshold must be crossed.
_ALERTS = {
    Metric.LATENCY_P95: ("LatencyP95High", "5m"),
    Metric.LATENCY_P99: ("LatencyP99High", "5m"),
    Metric.ERROR_RATE: ("ErrorRateHigh", "5m"),
    Metric.CACHE_HIT_RATE: ("CacheHitRateLow", "10m"),
    Metric.DB_CACHE_HIT_RATE: ("DatabaseCacheHitLow", "10m"),
}
_SEVERITIES = {
    Budget.Action.FAIL: "critical",
    Budget.Action.ALERT: "warning",
    Budget.Action.WARN: "warning",
}
# Measured for the whole application, whatever route was asked.
_WITHOUT_ROUTES = {Metric.CACHE_HIT_RATE, Metric.DB_CACHE_HIT_RATE}


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
    shown = [b for b in budgets if not (b.route and b.metric in _WITHOUT_ROUTES)]
    promised = [b for b in shown if b.metric != Metric.THROUGHPUT]
    return [
        Group("budgets", "30s", tuple(rule for b in shown for rule in _stand(b))),
        Group("budget-alerts", "30s", tuple(_alert(b) for b in promised)),
        Group("budget-burn", "30s", tuple(_bad(b, w) for b in promised for w in _QUICK)),
        Group("budget-burn-slow", "2m", tuple(_bad(b, w) for b in promised for w in _SLOW)),
        Group("budget-burn-alerts", "30s", tuple(a for b in promised for a in _burns(b))),
    ]


def name(budget: Budget) -> str:
    """Return what the label ``budget`` says: ``latency_p95``, ``latency_p95:/api/v1/profiles``."""
    return f"{budget.metric}:{budget.route}" if budget.route else budget.metric


def in_prometheus(budget: Budget, bound: float) -> float:
    """Return ``bound`` in Prometheus' units: seconds instead of milliseconds."""
    return bound / 1000 if MEASURES[budget.metric].unit == "ms" else bound


def allowance(budget: Budget) -> float:
    """Return the share of events that may miss the target."""
    if budget.metric in _QUANTILES:
        return round(1 - _QUANTILES[Metric(budget.metric)], 6)
    if budget.metric == Metric.ERROR_RATE:
        return budget.target
    return round(1 - budget.target, 6)


def _labels(budget: Budget) -> dict[str, str]:
    route = {"route": budget.route} if budget.route else {}
    return {"budget": name(budget), **route}


def _alert_labels(budget: Budget) -> dict[str, str]:
    return {label: literal(value) for label, value in _labels(budget).items()}


def _selector(budget: Budget, *matchers: str) -> str:
    route = [f"route={quoted(budget.route)}"] if budget.route else []
    inside = ", ".join([*matchers, *route])
    return f"{{{inside}}}" if inside else ""


def _stand(budget: Budget) -> list[Rule]:
    labels = _labels(budget)
    target = _number(in_prometheus(budget, budget.target))
    threshold = _number(in_prometheus(budget, budget.threshold))
    rules: list[Rule] = [
        Recording("budget:target", f"vector({target})", labels),
        Recording("budget:threshold", f"vector({threshold})", labels),
        Recording("budget:value", _value(budget), labels),
    ]
    if budget.metric != Metric.THROUGHPUT:
        value = f"budget:value{_matching(budget)}"
        # Equal to itself: without a single event the value is NaN, and there is no outcome.
        missed = (
            f"(({value} {_missing(budget)} bool {target}) + "
            f"({value} {_missing(budget)} bool {threshold}))\n  and {value} == {value}"
        )
        rules += [
            Recording("budget:outcome", missed, labels),
            Recording("budget:allowance", f"vector({_number(allowance(budget))})", labels),
        ]
    return rules


def _number(value: float) -> str:
    """Not a digit is lost that anyone would type, and none is added by the division."""
    return f"{value:.12g}"


def _missing(budget: Budget) -> str:
    """A bound that is just reached does not hold any more."""
    return ">=" if MEASURES[budget.metric].lower_is_better else "<="


def _value(budget: Budget) -> str:
    if budget.metric in _QUANTILES:
        bucket = f"http_request_duration_seconds_bucket{_selector(budget)}"
        quantile = _QUANTILES[Metric(budget.metric)]
        return f"histogram_quantile({quantile:g}, sum by (le) (rate({bucket}[5m])))"
    if budget.metric == Metric.THROUGHPUT:
        return f"sum(rate(http_requests_total{_selector(budget)}[5m]))"
    bad = _share_bad(budget, "5m")
    return bad if budget.metric == Metric.ERROR_RATE else f"1 - ({bad})"


def _bad(budget: Budget, window: str) -> Recording:
    return Recording(f"budget:bad:ratio{window}", _share_bad(budget, window), _labels(budget))


def _share_bad(budget: Budget, window: str) -> str:
    """Return the expression of the share of events in ``window`` that were not as promised."""
    if budget.metric in _QUANTILES:
        edge = quoted(str(edge_for(in_prometheus(budget, budget.target))))
        good = f"http_request_duration_seconds_bucket{_selector(budget, f'le={edge}')}"
        every = f"http_request_duration_seconds_count{_selector(budget)}"
        return f"1 - sum(rate({good}[{window}]))\n  / sum(rate({every}[{window}]))"
    if budget.metric == Metric.ERROR_RATE:
        matcher = 'status=~"5.."'
        bad = f"http_requests_total{_selector(budget, matcher)}"
        every = f"http_requests_total{_selector(budget)}"
        return _share(bad, [every], window)
    if budget.metric == Metric.CACHE_HIT_RATE:
        return _share("cache_misses_total", ["cache_misses_total", "cache_hits_total"], window)
    read, hit = "pg_stat_database_blks_read", "pg_stat_database_blks_hit"
    return _share(read, [read, hit], window)


def _share(bad: str, every: list[str], window: str) -> str:
    """A counter that nothing has been counted in yet is absent: that is 0."""
    whole = [f"(sum(rate({each}[{window}])) or vector(0))" for each in every]
    total = whole[0] if len(whole) == 1 else f"({' + '.join(whole)})"
    return f"(sum(rate({bad}[{window}])) or vector(0))\n  / {total}"


def edge_for(seconds: float) -> float:
    """Return the highest histogram bound that is not above ``seconds``: rather too strict.

    Only at a bound is the share of quicker requests known.
    """
    edges = conf().LATENCY_EDGES_S
    return float(max((edge for edge in edges if edge <= seconds), default=edges[0]))


def _alert(budget: Budget) -> Alert:
    measure = MEASURES[budget.metric]
    alert, lasting = _ALERTS[Metric(budget.metric)]
    bound = in_prometheus(budget, budget.threshold)
    shown = "{{ $value | humanizePercentage }}"
    if measure.unit == "ms":
        shown = "{{ $value | humanizeDuration }}"
    return Alert(
        alert,
        f"budget:value{_matching(budget)} {_missing(budget)} {_number(bound)}",
        lasting,
        {"severity": _SEVERITIES[Budget.Action(budget.action)], **_alert_labels(budget)},
        {
            "summary": f"{literal(str(budget))} is {shown}",
            "description": f"For {lasting} it has not been {measure.bound_text(budget.threshold)} "
            f"(target: {measure.bound_text(budget.target)}).",
            "runbook_url": runbook(alert),
        },
    )


def _burns(budget: Budget) -> list[Alert]:
    """No more than all events can be bad: a rate that would take more can't fire, and is left."""
    allowed = allowance(budget)
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
        f"budget:bad:ratio{burn.long}{of} > {most}\nand budget:bad:ratio{burn.short}{of} > {most}",
        burn.lasting,
        {
            "severity": "warning" if quiet else burn.severity,
            "burn_rate": f"{burn.rate:g}",
            **_alert_labels(budget),
        },
        {
            "summary": f"{literal(str(budget))} uses up its allowance {burn.rate:g} times too fast",
            "description": "{{ $value | humanizePercentage }} of the last "
            f"{burn.long} missed {MEASURES[budget.metric].bound_text(budget.target)}; "
            f"{allowance(budget):.3g} of all may.",
            "runbook_url": runbook(burn.alert),
        },
    )


def _matching(budget: Budget) -> str:
    return f"{{budget={quoted(name(budget))}}}"


def runbook(alert: str) -> str:
    """Return where an alert's run book is found."""
    return f"{conf().RUNBOOK_URL}/{alert}.md"
