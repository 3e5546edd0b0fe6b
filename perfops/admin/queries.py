"""Queries: list, page, explain."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import path
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from perfops.admin import query_page
from perfops.admin.pages import MeasuredAdmin
from perfops.admin.query_page import duration
from perfops.charts.small import SPARK_HEIGHT, SPARK_WIDTH, sparkline
from perfops.models.origins import QueryTemplate
from perfops.plans.explain import NoPlan
from perfops.selectors import origins, queries
from perfops.selectors.origins import Share
from perfops.selectors.queries import Point
from perfops.services import plans

_PERMISSION = "explain_query"
_WINDOWS = {"day": 1, "week": 7, "month": 30, "year": 365}
_TEXT_CHARACTERS = 120
_COLUMNS = re.compile(r"^(SELECT) .{40,}? (FROM)\b", re.I)


class WindowFilter(admin.SimpleListFilter):
    """How far back to look; a day unless asked otherwise."""

    title = "window"
    parameter_name = "window"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, f"last {name}") for name in _WINDOWS if name != "day"]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset

    def choices(self, changelist: Any) -> Any:
        first, *others = super().choices(changelist)
        return [{**first, "display": "last day"}, *others]


@dataclass(slots=True)
class Listed:
    """What the columns of a page of the list need beside its rows. Three queries."""

    total_ms: float
    shares: dict[int, list[Share]]
    trends: dict[int, list[Point]]


@admin.register(QueryTemplate)
class QueryTemplateAdmin(MeasuredAdmin):
    list_per_page = 20
    list_filter = [WindowFilter, "database"]
    search_fields = ["text"]
    search_help_text = "In the statement, the line that sends it, its route, task or command."
    sortable_by = ()
    empty_text = (
        "No statement was counted in this window. They come by themselves while the application "
        'works, unless PERFOPS["ORIGINS"] is off; each process writes them every half minute.'
    )

    def get_urls(self) -> list[Any]:
        explain = self.admin_site.admin_view(require_POST(self.explain_view))
        ours = path("<str:object_id>/explain/", explain, name="perfops_querytemplate_explain")
        return [ours, *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> Any:
        if not _is_list(request):
            return super().get_queryset(request)
        rows = QueryTemplate.objects.defer("signatures", "sample")
        return queries.costliest(rows, since=_since(request))

    def get_search_results(self, request: HttpRequest, queryset: Any, term: str) -> Any:
        if term:
            queryset = queryset.filter(queries.sent_by(term, since=_since(request)))
        return queryset, False

    def get_ordering(self, request: HttpRequest) -> Any:
        return ["-ms"] if _is_list(request) else ["pk"]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        request.perfops_list = True  # type: ignore[attr-defined]
        context = {"title": "Queries", **(extra_context or {}), "empty_text": self.empty_text}
        return super().changelist_view(request, context)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        since, ids = _since(request), [row.pk for row in changelist.result_list]
        request.perfops_listed = Listed(  # type: ignore[attr-defined]
            queries.total_ms(since=since),
            origins.by_template(set(ids), since=since),
            queries.trends(ids, since=since, until=timezone.now()),
        )
        return changelist

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        def listed() -> Listed:
            found: Listed = request.perfops_listed  # type: ignore[attr-defined]
            return found

        @admin.display(description="Share")
        def share(row: Any) -> str:
            return f"{row.ms / listed().total_ms:.1%}" if listed().total_ms else "-"

        @admin.display(description="Statement, and who sends it")
        def statement(row: Any) -> SafeString:
            found = listed().shares.get(row.pk, [])
            context = {"text": _shortened(row.text), "shares": found[:2], "more": len(found) - 2}
            return render_to_string("perfops/_statement.html", context)

        @admin.display(description="Trend")
        def trend(row: Any) -> SafeString:
            points = sparkline([point.ms for point in listed().trends.get(row.pk, [])])
            size = {"width": SPARK_WIDTH, "height": SPARK_HEIGHT}
            label = "total time over the window"
            return render_to_string(
                "perfops/_spark.html", {"points": points, "label": label, **size}
            )

        return [statement, "total", share, "calls", "mean", trend]

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
        root = query_page.drawn(found.plan)
        return self._page(request, template, explained=root, how=found.how)

    def _page(self, request: HttpRequest, template: QueryTemplate, **context: Any) -> HttpResponse:
        window = request.GET.get("window", "week")
        return self.page(
            request,
            "perfops/query.html",
            "Query",
            **query_page.build(template, since=_since(request, default="week")),
            windows=_WINDOWS,
            window=window if window in _WINDOWS else "week",
            can_explain=self.may(request, _PERMISSION),
            can_analyse=template.sample is not None or "%" not in template.text,
            explain_url=self.url("explain", template.pk),
            **context,
        )

    @admin.display(description="Total")
    def total(self, row: Any) -> str:
        return duration(row.ms)

    @admin.display(description="Calls")
    def calls(self, row: Any) -> str:
        return f"{row.calls:,}"

    @admin.display(description="Mean")
    def mean(self, row: Any) -> str:
        return duration(row.ms / row.calls) if row.calls else "-"


def _shortened(text: str) -> str:
    """What Django selects is seldom what tells its statements apart."""
    return _COLUMNS.sub(r"\1 ... \2", " ".join(text.split()))[:_TEXT_CHARACTERS]


def _is_list(request: HttpRequest) -> bool:
    return bool(getattr(request, "perfops_list", False))


def _since(request: HttpRequest, default: str = "day") -> datetime:
    days = _WINDOWS.get(request.GET.get("window", default), _WINDOWS[default])
    return timezone.now() - timedelta(days=days)
