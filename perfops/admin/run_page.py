"""What the page of a load run shows, from the run to finished texts and charts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from django.urls import reverse

from perfops.admin import badges, run_comparison, run_facts, run_limit, run_statements, run_target
from perfops.admin.badges import Badge
from perfops.admin.run_limit import LimitFound
from perfops.admin.run_statements import Asked
from perfops.admin.run_target import TargetSide
from perfops.analysis.collectors.records import UnavailableSource
from perfops.budgets import selectors as budgets
from perfops.budgets.against import same_build
from perfops.budgets.selectors import Judgement
from perfops.charts import Bound, Chart, Event, Line, Meter, chart, meter
from perfops.formatting import count_text, ms_text, percent_text
from perfops.load import progress, steering
from perfops.load import selectors as runs
from perfops.load.selectors import Point, RouteSoFar
from perfops.load.steering import Change
from perfops.models.runs import LoadRun, RouteResult
from perfops.statistics import scalability

_MEGABYTE = 1024**2


@dataclass(frozen=True, slots=True)
class Figure:
    name: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class JudgementRow:
    """A budget's line; ``meter`` is None when nothing was measured."""

    name: str
    url: str
    value_text: str
    target_text: str
    threshold_text: str
    margin_text: str
    meter_label: str
    reason: str
    badge: Badge
    meter: Meter | None


@dataclass(frozen=True, slots=True)
class Scalability:
    """How throughput grew with concurrency; ``facts``: the law's estimates with intervals."""

    sentence: str
    facts: list[tuple[str, str]]
    chart: Chart | None


@dataclass(frozen=True, slots=True)
class RunPage:
    run: LoadRun
    badge: Badge
    # What its verdict is worth.
    noise: str
    # The verdict in the browser's tab.
    tab_title: str
    progress_text: str
    progress_percent: int
    facts: list[tuple[str, Any]]
    figures: list[Figure]
    judgements: list[JudgementRow]
    charts: list[Chart]
    scalability: Scalability | None
    routes: list[dict[str, Any]]
    routes_so_far: list[dict[str, Any]]
    of_late_s: int
    target: TargetSide | None
    server_figures: list[tuple[str, str]]
    statements: list[dict[str, str]]
    missing: list[UnavailableSource]
    limit: LimitFound | None
    asked: Asked
    standing: dict[str, Any]
    fingerprint: list[tuple[str, str]]


def build(run: LoadRun) -> RunPage:
    """Return the page of ``run``; ten queries, twelve while it runs."""
    judgements = budgets.of_run(run)
    so_far = progress.of(run) if run.is_active else None
    badge = badges.of_run(run)
    far = f" {so_far.share:.0%}" if so_far else ""
    return RunPage(
        run=run,
        badge=badge,
        noise=same_build.of_run(run),
        tab_title=f"{badge.icon} {badge.text}{far} | Run {run.pk}: {run.scenario}",
        progress_text=progress.text(run, so_far) if so_far else "",
        progress_percent=round(so_far.share * 100) if so_far else 100,
        facts=run_facts.build(run),
        figures=_figures(run),
        judgements=[_judgement_row(each) for each in judgements],
        charts=charts(runs.series(run), judgements, steering.of_row(run.plan)),
        scalability=_scalability(run.summary.get("scalability")),
        routes=[_route(result) for result in runs.route_results(run)],
        routes_so_far=[_so_far(each) for each in runs.routes_so_far(run)] if so_far else [],
        of_late_s=runs.OF_LATE_S,
        target=run_target.build(run.server.get("target")),
        server_figures=_server_figures(run.server),
        statements=[_statement(each) for each in run.server.get("statements", [])],
        limit=run_limit.build(run.summary.get("limit")),
        asked=run_statements.build(run),
        standing=run_comparison.standing(run),
        missing=msgspec.convert(run.server.get("missing", []), list[UnavailableSource]),
        fingerprint=[(name, run_facts.flat(value)) for name, value in run.fingerprint.items()],
    )


def charts(
    points: list[Point], judgements: list[Judgement], changes: Sequence[Change] = ()
) -> list[Chart]:
    """Return throughput, latency and VUs over the run's seconds; empty before the first.

    ``changes`` of its rate are marked.
    """
    if not points:
        return []
    by_second = {point.second: point for point in points}
    seconds = range(points[-1].second + 1)
    found = [by_second.get(second) for second in seconds]

    def line(label: str, style: str, name: str) -> Line:
        return Line(label, style, [getattr(p, name) if p else None for p in found])

    def draw(title: str, lines: list[Line], **options: Any) -> Chart | None:
        texts = {"x_text": lambda x: f"{x:g} s", "y_text": lambda y: f"{y:,.4g}", **options}
        texts["events"] = [Event(at.second, at.sentence(), "po-line-3") for at in changes]
        return chart(title, xs=list(seconds), lines=lines, **texts)

    p95 = next((j for j in judgements if j.name == "p95 latency"), None)
    bounds = (
        [
            Bound(f"p95 target {p95.target_text}", "po-target", p95.target),
            Bound(f"threshold {p95.threshold_text}", "po-threshold", p95.threshold),
        ]
        if p95
        else []
    )
    latency = [
        line("p50", "po-line-1", "p50_ms"),
        line("p95", "po-line-2", "p95_ms"),
        line("p99", "po-line-3", "p99_ms"),
    ]
    drawn = [
        draw(
            "Requests and errors per second",
            [line("requests", "po-line-1", "requests"), line("errors", "po-line-bad", "errors")],
        ),
        draw(
            "Latency in ms, logarithmic", latency, bounds=bounds, log=True,
            y_text=lambda ms: f"{ms:,.1f} ms",
        ),
        draw(
            "Virtual users and dropped iterations",
            [line("VUs", "po-line-1", "vus"), line("dropped", "po-line-bad", "dropped")],
        ),
    ]  # fmt: skip
    return [each for each in drawn if each is not None]


def _scalability(row: dict[str, Any] | None) -> Scalability | None:
    """Return None for a run that did not seek its limit."""
    if row is None:
        return None
    measured, found = scalability.from_row(row)
    if found is None:
        sentence = (
            "The requests at work at once varied too little to tell how throughput grows with them."
        )
        return Scalability(sentence, [], None)
    if found.knee is None or found.peak is None:
        sentence = (
            "No knee: within what was measured, more requests at once never lowered throughput."
        )
    else:
        sentence = (
            f"Throughput is greatest with {_with_ends(found.knee, ',.1f')} requests at work: "
            f"{_with_ends(found.peak, ',.1f')} req/s. With more of them it falls."
        )
    facts = [
        ("One request at a time", f"{_with_ends(found.rate, ',.1f')} req/s"),
        ("Share that waits for one another", _with_ends(found.contention, ".2%")),
        ("Cost of each for each other", _with_ends(found.coherency, ".4%")),
        ("Typical distance from the law", f"{found.error:.1%}"),
    ]
    xs = [point.concurrency for point in measured]
    lines = [
        Line("measured", "po-line-1", [point.throughput for point in measured]),
        Line("Universal Scalability Law", "po-line-2", [found.throughput(x) for x in xs]),
    ]
    drawn = chart(
        "Throughput by requests at work at once", xs=xs, lines=lines, x_label="at work",
        x_text=lambda x: f"{x:,.1f}", y_text=lambda y: f"{y:,.1f} req/s",
    )  # fmt: skip
    return Scalability(sentence, facts, drawn)


def _with_ends(estimate: tuple[float, float, float], form: str) -> str:
    """Return "43.9 (43.2 to 44.7)"."""
    value, low, high = (format(each, form) for each in estimate)
    return f"{value} ({low} to {high})"


def _figures(run: LoadRun) -> list[Figure]:
    summary = run.summary
    if not summary:
        return []
    latency, intended = summary["latency_ms"], summary["intended_latency_ms"]
    cached = summary["cache_hits"] + summary["cache_misses"]
    sent = f"{summary['achieved']:.1%} of the plan"
    cores = f"{summary['generator_cpu']:.2f} cores"
    return [
        Figure("p50 latency", ms_text(latency["p50"])),
        *(
            Figure(
                f"{name} latency",
                ms_text(latency[name]),
                f"including waiting {ms_text(intended[name])}",
            )
            for name in ("p95", "p99")
        ),
        Figure("Slowest", ms_text(latency["max"])),
        Figure("Held for 30 s", f"{summary['sustained_throughput']:,.0f} req/s", sent),
        Figure("Requests", f"{summary['requests']:,}", f"{summary['dropped']:,} dropped"),
        Figure(
            "Errors", percent_text(summary["error_rate"]), count_text(summary["errors"], "request")
        ),
        Figure("Cache hits", percent_text(summary["cache_hit_rate"]), f"of {cached:,} cacheable"),
        Figure("Generator", cores, f"{summary['peak_vus']} VUs at most"),
    ]


def _judgement_row(each: Judgement) -> JudgementRow:
    known = each.value is not None
    return JudgementRow(
        name=each.name,
        url=reverse("admin:perfops_budget_change", args=[each.budget_id]) if each.budget_id else "",
        value_text=each.value_text,
        target_text=each.target_text,
        threshold_text=each.threshold_text,
        margin_text=each.margin_text,
        meter_label=f"{each.name} {each.value_text}, threshold {each.threshold_text}",
        reason=each.reason,
        badge=badges.of_judgement(each),
        meter=meter(each.value or 0.0, target=each.target, threshold=each.threshold)
        if known
        else None,
    )


def _route(result: RouteResult) -> dict[str, Any]:
    cached = result.cache_hits + result.cache_misses
    latencies = (
        result.p50_ms, result.p95_ms, result.p99_ms, result.max_ms, result.scheduled_p95_ms,
    )  # fmt: skip
    return {
        "route": result.route,
        "cells": [
            f"{result.requests:,}",
            f"{result.errors:,}",
            *map(ms_text, latencies),
            percent_text(result.cache_hits / cached) if cached else "-",
        ],
    }


def _so_far(each: RouteSoFar) -> dict[str, Any]:
    return {
        "route": each.route,
        "cells": [
            f"{each.requests:,}",
            f"{each.errors:,}",
            f"{each.rate:,.1f}",
            ms_text(each.p50_ms),
            ms_text(each.p95_ms),
        ],
    }


def _server_figures(server: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what is known of the database's side; None is unknown and left out."""
    formats = {
        "queries_per_request": ("Queries per request", "{:,.2f}", 1),
        "queries": ("Queries", "{:,}", 1),
        "rows": ("Rows", "{:,}", 1),
        "db_cache_hit_rate": ("From PostgreSQL's memory", "{:.2%}", 1),
        "wal_bytes": ("WAL", "{:,.1f} MB", _MEGABYTE),
        "temp_bytes": ("Temporary files", "{:,.1f} MB", _MEGABYTE),
    }
    return [
        (name, text.format(server[key] / unit if unit > 1 else server[key]))
        for key, (name, text, unit) in formats.items()
        if server.get(key) is not None
    ]


def _statement(each: dict[str, Any]) -> dict[str, str]:
    return {
        "text": each["text"],
        "calls": f"{each['calls']:,}",
        "total_ms": ms_text(each["total_ms"]),
        "mean_ms": f"{each['mean_ms']:,.3f} ms",
        "rows": f"{each['rows']:,}",
    }
