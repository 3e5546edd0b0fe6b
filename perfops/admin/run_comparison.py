"""What the page that compares two load runs shows, and where a run stands among the last ones."""

from typing import Any

from django.urls import reverse

from perfops.admin import badges, statements
from perfops.charts import Chart, Line, chart
from perfops.formatting import ms_text, percent_text
from perfops.load import comparison
from perfops.load import selectors as runs
from perfops.load.comparison import Comparison, RouteChange, Standing, StatementChange
from perfops.models.runs import LoadRun
from perfops.statistics.factors import Factor
from perfops.statistics.shifts import MIN_EFFECT

_STATEMENTS = 20
_CHOICES = 50
_LATENCIES = ("p50", "p95", "p99")


def url(before: LoadRun, after: LoadRun) -> str:
    """Return where the two are compared."""
    return f"{reverse('admin:perfops_loadrun_compare', args=[after.pk])}?with={before.pk}"


def standing(run: LoadRun) -> dict[str, Any]:
    """Return the run's place among the last comparable ones. One query."""
    others = comparison.last_comparable(run) if run.summary else []
    return {
        "count": len(others),
        "rows": [_standing(each) for each in comparison.standings(run, others)],
        "compare_url": url(others[0], run) if others else "",
        "previous": others[0].pk if others else None,
        "any_url": reverse("admin:perfops_loadrun_compare", args=[run.pk]) if run.summary else "",
    }


def _standing(each: Standing) -> dict[str, Any]:
    text = _text_of(each.name)
    of = len(each.others) + 1
    return {
        "name": each.name,
        "cells": [
            text(each.value),
            text(each.median),
            f"{text(min(each.others))} to {text(max(each.others))}",
            f"{each.better + 1} of {of}, 1 is best",
        ],
    }


def _text_of(name: str) -> Any:
    if name.startswith("p95"):
        return ms_text
    if name.startswith(("Throughput", "Highest rate")):
        return lambda rate: f"{rate:,.0f} req/s"
    return percent_text


def choices(run: LoadRun) -> list[LoadRun]:
    """Return the newest other runs, of the same scenario first. One query."""
    rows = comparison.ended().exclude(pk=run.pk).order_by("-created_at", "-id")
    found = list(rows.only("id", "scenario", "created_at", "verdict")[:_CHOICES])
    return sorted(found, key=lambda each: each.scenario != run.scenario)


def build(before: LoadRun, after: LoadRun) -> dict[str, Any]:
    """Return the context of ``perfops/comparison.html``. Twelve queries."""
    found = comparison.compare(before, after)
    return {
        "comparison": found,
        "runs": [
            {
                "run": run,
                "badge": badges.of_run(run),
                "url": reverse("admin:perfops_loadrun_change", args=[run.pk]),
            }
            for run in (before, after)
        ],
        "figures": _figures(found),
        "charts": _charts(before, after),
        "routes": [_route(each, can_tell=not found.reasons) for each in found.routes],
        "statements": [_statement(each) for each in found.statements[:_STATEMENTS]],
        "more_statements": max(0, len(found.statements) - _STATEMENTS),
        "differences": [
            (name, _flat(was), _flat(now)) for name, was, now in found.differences
        ],
    }  # fmt: skip


def _figures(found: Comparison) -> list[tuple[str, str, str]]:
    """Return name, before and after of what concerns all routes together."""
    old, new = found.before, found.after

    def pair(name: str, text: Any, *path: str, server: bool = False) -> tuple[str, str, str]:
        values: list[str] = []
        for run in (old, new):
            value: Any = run.server if server else run.summary
            for key in path:
                value = value.get(key) if isinstance(value, dict) else None
            values.append("-" if value is None else text(value))
        return name, values[0], values[1]

    return [
        *(pair(f"{q} from the scheduled start", ms_text, "intended_latency_ms", q)
          for q in _LATENCIES),
        *(pair(f"{q} of the server's answer", ms_text, "latency_ms", q) for q in _LATENCIES),
        pair("Throughput held", lambda rate: f"{rate:,.0f} req/s", "sustained_throughput"),
        pair("Errors", percent_text, "error_rate"),
        pair("Cache hits", percent_text, "cache_hit_rate"),
        pair("From PostgreSQL's memory", percent_text, "db_cache_hit_rate", server=True),
        pair("Queries per request", lambda n: f"{n:,.2f}", "queries_per_request", server=True),
    ]  # fmt: skip


def _charts(before: LoadRun, after: LoadRun) -> list[Chart]:
    sides = [
        (f"run {run.pk}", style, {point.second: point for point in runs.series(run)})
        for run, style in ((before, "po-line-2"), (after, "po-line-1"))
    ]
    last = max((max(points, default=-1) for _, _, points in sides), default=-1)
    if last < 0:
        return []
    seconds = list(range(last + 1))

    def draw(title: str, name: str, text: Any, *, log: bool = False) -> Chart | None:
        lines = [
            Line(label, style, [getattr(points.get(s), name, None) for s in seconds])
            for label, style, points in sides
        ]
        return chart(
            title, xs=seconds, lines=lines, x_text=lambda x: f"{x:g} s", y_text=text, log=log
        )

    drawn = [
        draw("p95 in ms, logarithmic", "p95_ms", lambda ms: f"{ms:,.1f} ms", log=True),
        draw("Requests per second", "requests", lambda y: f"{y:,.4g}"),
        draw("Errors per second", "errors", lambda y: f"{y:,.4g}"),
    ]
    return [each for each in drawn if each is not None]


def factor_text(factor: Factor | None) -> str:
    """Return "1.80 (1.62 to 2.01)"; "-" where there is none."""
    if factor is None:
        return "-"
    if factor.low is None or factor.high is None:
        return f"{factor.value:.2f}"
    return f"{factor.value:.2f} ({factor.low:.2f} to {factor.high:.2f})"


def _route(each: RouteChange, *, can_tell: bool) -> dict[str, Any]:
    def p95(side: Any) -> str:
        return ms_text(side.p95_ms) if side else "not asked"

    def hits(side: Any) -> str:
        cached = side.cache_hits + side.cache_misses if side else 0
        return percent_text(side.cache_hits / cached) if cached else "-"

    badge = badges.Badge("calm", "●", "no change seen")
    if not can_tell or each.p95 is None or each.p95.low is None:
        badge = badges.Badge("odd", "?", "can't tell")
    elif each.p95.is_beyond(MIN_EFFECT):
        slower = each.p95.value > 1
        badge = badges.Badge("bad", "✗", "slower") if slower else badges.Badge(
            "good", "✓", "quicker"
        )  # fmt: skip
    return {
        "route": each.route,
        "badge": badge,
        "cells": [
            p95(each.before), p95(each.after), factor_text(each.p95), hits(each.before),
            hits(each.after),
        ],
    }  # fmt: skip


def _statement(each: StatementChange) -> dict[str, Any]:
    def ratio(pair: tuple[float, float]) -> str:
        before, after = pair
        return "new" if not before else "gone" if not after else f"{after / before:.2f}"

    return {
        "text": statements.shortened(each.statement.template.text),
        "url": statements.url(each.statement.template),
        "site": f"{each.statement.site or 'no line of the project'} for {each.statement.name}",
        "cells": [
            f"{each.calls[0]:,.2f}", f"{each.calls[1]:,.2f}", ratio(each.calls),
            *(ms_text(mean or None) for mean in each.mean_ms), ratio(each.mean_ms),
        ],
    }  # fmt: skip


def _flat(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {each}" for key, each in value.items()) or "-"
    return "unknown" if value is None else str(value)
