"""The page of a statement: figures, origins, trend, plans, findings."""

from datetime import datetime
from typing import Any

from django.utils import timezone

from perfops.admin.badges import card
from perfops.analysis import queries
from perfops.analysis.plans import tree
from perfops.analysis.plans.drawing import BAR_WIDTH, Step, draw
from perfops.analysis.queries import Point
from perfops.charts import Chart, Line, chart
from perfops.formatting import ms_text
from perfops.models.analyses import Finding
from perfops.models.origins import QueryPlan, QueryTemplate
from perfops.origins import selectors as origins
from perfops.origins.selectors import Share

_ORIGINS = 50
_DAY_S = 86_400


def build(template: QueryTemplate, *, since: datetime) -> dict[str, Any]:
    """Return the context of ``perfops/query.html``. Five queries."""
    now = timezone.now()
    shares = origins.by_template({template.pk}, since=since)[template.pk]
    points = queries.trends([template.pk], since=since, until=now).get(template.pk, [])
    return {
        "query": template,
        "figures": _figures(shares, queries.total_ms(since=since)),
        "shares": [_share(share) for share in shares[:_ORIGINS]],
        "more_shares": max(0, len(shares) - _ORIGINS),
        "charts": [each for each in (_times(points), _calls(points)) if each],
        "plans": [_plan(plan, place) for place, plan in enumerate(queries.plans_of(template))],
        **_findings(queries.findings_of(template)),
        "bar_width": BAR_WIDTH,
    }


def _findings(found: list[Finding]) -> dict[str, Any]:
    """Return what is to do as cards, and what is resolved as a line each."""
    to_do: list[Any] = []
    resolved: list[Any] = []
    for each in found:
        shown = card(each, severity=each.severity, evidence=each.evidence)
        if each.status == Finding.Status.RESOLVED:
            resolved.append({**shown, "at": each.resolved_at})
        else:
            to_do.append(shown)
    return {"findings": to_do, "resolved": resolved}


def _figures(shares: list[Share], all_ms: float) -> list[tuple[str, str]]:
    calls, ms = sum(s.calls for s in shares), sum(s.total_ms for s in shares)
    rows = sum(s.rows for s in shares)
    return [
        ("Calls", f"{calls:,}"),
        ("Total time", ms_text(ms)),
        ("Mean", ms_text(ms / calls) if calls else "-"),
        ("Share of all time", f"{ms / all_ms:.1%}" if all_ms else "-"),
        ("Rows per call", f"{rows / calls:,.1f}" if calls else "-"),
    ]


def _share(share: Share) -> dict[str, Any]:
    each = share.calls_per_unit
    return {
        "line": share.site or "no line of the project",
        "function": share.function,
        "kind": share.kind,
        "name": share.name,
        "share": f"{share.share:.1%}",
        "bar": round(share.share * BAR_WIDTH, 1),
        "cells": [
            f"{share.calls:,}",
            ms_text(share.total_ms),
            ms_text(share.total_ms / share.calls) if share.calls else "-",
            f"{each:,.1f}, most {share.max_calls_per_execution:,}" if each else "-",
        ],
    }


def _plan(plan: QueryPlan, place: int) -> dict[str, Any]:
    return {
        "is_present": place == 0,
        "since": plan.first_seen_at,
        "until": plan.last_seen_at,
        "queryid": plan.queryid,
        "causes": plan.causes,
        "root": drawn(plan.plan),
    }


def drawn(plan: dict[str, Any]) -> Step:
    """Return a plan as ``perfops/_plan_step.html`` draws it."""
    return draw(tree.read(plan))


def _times(points: list[Point]) -> Chart | None:
    means = [point.mean_ms for point in points]
    return _chart("Mean time in ms", "mean", "po-line-1", points, means)


def _calls(points: list[Point]) -> Chart | None:
    return _chart("Calls", "calls", "po-line-2", points, [point.calls for point in points])


def _chart(
    title: str, label: str, style: str, points: list[Point], values: list[Any]
) -> Chart | None:
    if not points:
        return None
    step = (points[-1].at - points[0].at).total_seconds() / max(1, len(points) - 1)
    form = "%H:%M" if step < _DAY_S else "%d %b" if step < 28 * _DAY_S else "%b %Y"
    return chart(
        title,
        xs=list(range(len(points))),
        x_text=lambda place: (
            f"{points[int(place)].at:{form}}" if place == int(place) < len(points) else ""
        ),
        y_text=lambda value: f"{value:,.2f}" if label == "mean" else f"{value:,.0f}",
        lines=[Line(label, style, values)],
        x_label="time (UTC)",
    )
