"""Queries: list, page, explain."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import path
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from perfops.admin import query_page, statements
from perfops.admin.pages import MeasuredAdmin
from perfops.admin.query_list import WINDOWS, CostliestFirst, DatabaseFilter, WindowFilter, since
from perfops.analysis import queries
from perfops.analysis.plans import watch as plans
from perfops.analysis.plans.explain import NoPlan
from perfops.charts.small import SPARK_HEIGHT, SPARK_WIDTH, sparkline
from perfops.formatting import ms_text
from perfops.models.origins import QueryTemplate

_PERMISSION = "explain_query"


@admin.register(QueryTemplate)
class QueryTemplateAdmin(MeasuredAdmin):
    list_per_page = 20
    list_filter = [WindowFilter, DatabaseFilter]
    list_display = ["statement", "total", "share", "calls", "mean", "trend"]
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

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        return CostliestFirst

    def get_search_results(self, request: HttpRequest, queryset: Any, term: str) -> Any:
        if term:
            queryset = queryset.filter(queries.sent_by(term, since=since(request)))
        return queryset, False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        context = {"title": "Queries", **(extra_context or {}), "empty_text": self.empty_text}
        return super().changelist_view(request, context)

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
            **query_page.build(template, since=since(request, default="week")),
            windows=WINDOWS,
            window=window if window in WINDOWS else "week",
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

    @admin.display(description="Total")
    def total(self, row: Any) -> str:
        return ms_text(row.sent.ms)

    @admin.display(description="Share")
    def share(self, row: Any) -> str:
        return f"{row.share:.1%}"

    @admin.display(description="Calls")
    def calls(self, row: Any) -> str:
        return f"{row.sent.calls:,}"

    @admin.display(description="Mean")
    def mean(self, row: Any) -> str:
        return "-" if row.sent.mean_ms is None else ms_text(row.sent.mean_ms)

    @admin.display(description="Trend")
    def trend(self, row: Any) -> SafeString:
        points = sparkline([point.ms for point in row.trend])
        size = {"width": SPARK_WIDTH, "height": SPARK_HEIGHT}
        label = "total time over the window"
        return render_to_string("perfops/_spark.html", {"points": points, "label": label, **size})
