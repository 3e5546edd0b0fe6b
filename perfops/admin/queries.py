"""Queries: list, page, explain."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from perfops.admin import statements
from perfops.admin.badges import card
from perfops.admin.pages import MeasuredAdmin, sorted_by_column
from perfops.admin.windows import NAMED, WindowFilter, chosen, said, since
from perfops.analysis import differences as inside
from perfops.analysis import queries
from perfops.analysis import sessions as present
from perfops.analysis.differences import Shares
from perfops.analysis.plans import tree
from perfops.analysis.plans import watch as plans
from perfops.analysis.plans.explain import NoPlan
from perfops.analysis.plans.tree import BAR_WIDTH, Step, draw
from perfops.analysis.queries import Point
from perfops.charts import SPARK_HEIGHT, SPARK_WIDTH, Chart, Line, chart, sparkline
from perfops.formatting import ms_text, share_text
from perfops.models.analyses import Finding
from perfops.models.origins import QueryPlan, QueryTemplate
from perfops.origins import selectors as origins
from perfops.origins.callers import source_of
from perfops.origins.selectors import Share


class DatabaseFilter(admin.SimpleListFilter):
    """By what DATABASES says: no row is read to know them."""

    title = "database"
    parameter_name = "database"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(alias, alias) for alias in present.databases()]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(database=self.value()) if self.value() else queryset


class CostliestFirst(ChangeList):
    """Counts are added up once: that tells which statements there are, and in which order."""

    def get_results(self, request: HttpRequest) -> None:
        self.since = since(request)
        self.sent = queries.sent(since=self.since)
        found = self.queryset.order_by().values_list("pk", flat=True)
        ids = sorted_by_column(self, [pk for pk in found if pk in self.sent], self._figure)
        self.paginator = Paginator(ids, self.list_per_page)
        self.result_count, self.full_result_count = len(ids), None
        self.show_full_result_count = self.show_admin_actions = False
        self.can_show_all, self.multi_page = False, len(ids) > self.list_per_page
        self.result_list = self._rows(list(self.paginator.get_page(self.page_num).object_list))

    def _figure(self, column: str, pk: int) -> float:
        sent = self.sent[pk]
        return {"calls": sent.calls, "mean": sent.mean_ms or 0.0}.get(column, sent.ms)

    def _rows(self, ids: list[int]) -> list[QueryTemplate]:
        """Return the statements with what the columns show of them. Three queries, and five for
        each database that they are of.
        """
        known = QueryTemplate.objects.defer("signatures", "sample", "stack")
        rows: dict[int, Any] = known.in_bulk(ids)
        shares = origins.by_template(set(ids), since=self.since)
        trends = queries.trends(ids, since=self.since, until=timezone.now())
        analysed = {name: inside.shares(name) for name in {row.database for row in rows.values()}}
        for row in rows.values():
            row.sent, row.shares = self.sent[row.pk], shares[row.pk]
            row.share = analysed[row.database].of(row)
            row.trend = trends.get(row.pk, [])
        return [rows[pk] for pk in ids if pk in rows]


_PERMISSION = "explain_query"


@admin.register(QueryTemplate)
class QueryTemplateAdmin(MeasuredAdmin):
    list_per_page = 20
    list_filter = [WindowFilter, DatabaseFilter]
    what = "The statements that the project sends, and the lines, routes and tasks that send them."
    list_display = ["statement", "total", "share", "calls", "mean", "trend"]
    search_fields = ["text"]
    search_help_text = "In the statement, the line that sends it, its route, task or command."
    sortable_by = ("total", "calls", "mean")
    empty_text = (
        "No statement was counted in this window. They come by themselves while the application "
        'works, unless PERFOPS["ORIGINS"] is off; each process writes them every half minute.'
    )

    def get_urls(self) -> list[Any]:
        explain = self.looking(require_POST(self.explain_view))
        ours = path("<str:object_id>/explain/", explain, name="perfops_querytemplate_explain")
        return [ours, *super().get_urls()]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        return CostliestFirst

    def get_search_results(self, request: HttpRequest, queryset: Any, term: str) -> Any:
        if term:
            queryset = queryset.filter(queries.sent_by(term, since=since(request)))
        return queryset, False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        return super().changelist_view(request, {"title": "Queries", **(extra_context or {})})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        return self._page(request, self.viewed(request, object_id))

    def explain_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        self.require(request, _PERMISSION)
        template = self.viewed(request, object_id)
        try:
            found = plans.explain_query(template, analyse="analyse" in request.POST)
        except NoPlan as error:
            return self._page(request, template, refused=str(error))
        root = drawn(found.plan, _recommended(queries.findings_of(template)))
        return self._page(request, template, explained=root, how=found.how)

    def _page(self, request: HttpRequest, template: QueryTemplate, **context: Any) -> HttpResponse:
        free = chosen(request, default="week")
        return self.page(
            request,
            "perfops/query.html",
            "Query",
            **build(template, since=free["since"]),
            windows=[(name, said(name)) for name in NAMED],
            free=free,
            can_explain=self.may(request, _PERMISSION),
            can_analyse=template.sample is not None or "%" not in template.text,
            explain_url=self.url("explain", template.pk),
            **context,
        )

    @admin.display(description="Statement, and who sends it")
    def statement(self, row: Any) -> SafeString:
        shares = row.shares
        context = {
            "text": statements.shortened(row.text),
            "shares": shares[:2],
            "more": len(shares) - 2,
        }
        return render_to_string("perfops/_statement.html", context)

    @admin.display(description="Total", ordering="pk")
    def total(self, row: Any) -> str:
        return ms_text(row.sent.ms)

    @admin.display(description="Share of the database's time in the newest analysis")
    def share(self, row: Any) -> str:
        return share_text(row.share)

    @admin.display(description="Calls", ordering="pk")
    def calls(self, row: Any) -> str:
        return f"{row.sent.calls:,}"

    @admin.display(description="Mean", ordering="pk")
    def mean(self, row: Any) -> str:
        return "-" if row.sent.mean_ms is None else ms_text(row.sent.mean_ms)

    @admin.display(description="Trend")
    def trend(self, row: Any) -> SafeString:
        points = sparkline([point.ms for point in row.trend])
        size = {"width": SPARK_WIDTH, "height": SPARK_HEIGHT}
        label = "total time over the window"
        return render_to_string("perfops/_spark.html", {"points": points, "label": label, **size})


_ORIGINS = 50
_DAY_S = 86_400


def build(template: QueryTemplate, *, since: datetime) -> dict[str, Any]:
    """Return the context of ``perfops/query.html``. Ten queries."""
    now = timezone.now()
    shares = origins.by_template({template.pk}, since=since)[template.pk]
    found = queries.findings_of(template)
    recommended = _recommended(found)
    points = queries.trends([template.pk], since=since, until=now).get(template.pk, [])
    return {
        "query": template,
        "figures": _figures(shares, inside.shares(template.database), template),
        "shares": [_share(share) for share in shares[:_ORIGINS]],
        "stack": [
            (place, function, " ".join(text for _, text in source_of(place, around=0)).strip())
            for place, _, function in (line.partition(" ") for line in template.stack.splitlines())
        ],
        "more_shares": max(0, len(shares) - _ORIGINS),
        "charts": [each for each in (_times(points), _calls(points)) if each],
        "plans": [
            _plan(plan, place, recommended) for place, plan in enumerate(queries.plans_of(template))
        ],
        **_findings(found),
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


def _figures(
    shares: list[Share], analysed: Shares, template: QueryTemplate
) -> list[tuple[str, str]]:
    share = analysed.of(template)
    number = f" in analysis {analysed.analysis.pk}" if analysed.analysis and share else ""
    calls, ms = sum(s.calls for s in shares), sum(s.total_ms for s in shares)
    rows = sum(s.rows for s in shares)
    return [
        ("Calls", f"{calls:,}"),
        ("Total time", ms_text(ms)),
        ("Mean", ms_text(ms / calls) if calls else "-"),
        ("Share of the database's time", f"{share_text(share)}{number}"),
        ("Rows per call", f"{rows / calls:,.1f}" if calls else "-"),
    ]


def _share(share: Share) -> dict[str, Any]:
    each = share.calls_per_unit
    return {
        "line": share.site or "no line of the project",
        "function": share.function,
        "source": [
            {"number": number, "text": text, "is_it": share.site.endswith(f":{number}")}
            for number, text in source_of(share.site)
        ],
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


def _recommended(found: list[Finding]) -> dict[str, str]:
    """Return the tables ("schema.name") on which an index is recommended, each with its page."""
    page = "admin:perfops_finding_change"
    return {
        each.object.partition(" (")[0].removesuffix(" gin"): reverse(page, args=[each.pk])
        for each in found
        if each.advisor == "missing_index" and each.status != Finding.Status.RESOLVED
    }


def _plan(plan: QueryPlan, place: int, recommended: dict[str, str]) -> dict[str, Any]:
    return {
        "is_present": place == 0,
        "since": plan.first_seen_at,
        "until": plan.last_seen_at,
        "queryid": plan.queryid,
        "causes": plan.causes,
        "root": drawn(plan.plan, recommended),
    }


def drawn(plan: dict[str, Any], recommended: dict[str, str]) -> Step:
    """Return a plan as ``perfops/_plan_step.html`` draws it."""
    return draw(tree.read(plan), recommended)


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
