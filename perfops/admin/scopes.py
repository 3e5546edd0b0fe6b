"""Statements per request of each route, task and command: a list."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.http import HttpRequest

from perfops.admin.pages import MeasuredAdmin, sorted_by_column
from perfops.admin.queries import DatabaseFilter
from perfops.admin.windows import WindowFilter, since
from perfops.analysis.collectors import origins as counted
from perfops.analysis.collectors.origins import ScopeSum
from perfops.formatting import count_text, ms_text
from perfops.models.origins import ScopeTotal


class MostFirst(ChangeList):
    """A row for each route, task and command: its sums over the window."""

    def get_results(self, request: HttpRequest) -> None:
        found = counted.scopes(since=since(request), database=request.GET.get("database", ""))
        word = request.GET.get("q", "").lower()
        kept = [each for each in found if word in each.name.lower()]
        kept = sorted_by_column(self, kept, _figure)
        self.paginator = Paginator(kept, self.list_per_page)
        self.result_count, self.full_result_count = len(kept), len(found)
        self.show_full_result_count, self.show_admin_actions = True, False
        self.can_show_all, self.multi_page = False, len(kept) > self.list_per_page
        self.result_list = [
            ScopeTotal(
                kind=each.kind, name=each.name, executions=each.executions, calls=each.calls,
                total_ms=each.total_ms, max_calls_per_execution=each.max_calls_per_execution,
                repeated_calls=each.repeated_calls,
            )
            for each in self.paginator.get_page(self.page_num).object_list
        ]  # fmt: skip


def _figure(column: str, scope: ScopeSum) -> float:
    """Return what the list is sorted by: the figure that the column shows."""
    times = max(1, scope.executions)
    return {
        "statements": scope.calls / times,
        "repeated": scope.repeated_calls / times,
        "most": scope.max_calls_per_execution,
        "times": scope.executions,
        "ms": scope.total_ms / times,
    }.get(column, 0.0)


@admin.register(ScopeTotal)
class ScopeTotalAdmin(MeasuredAdmin):
    """How many statements a request of each route sends: the number to look at first."""

    list_filter = [WindowFilter, DatabaseFilter]
    # Its rows are sums: those of a filter are not counted apart.
    show_facets = admin.ShowFacets.NEVER
    what = "How many statements a request of each route sends: the number to look at first."
    list_display = ["scope", "statements", "repeated", "most", "times", "ms"]
    list_display_links = None
    search_fields = ["name"]
    sortable_by = ("statements", "repeated", "most", "times", "ms")
    empty_text = "No request, task or command sent a statement in this window."

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        return MostFirst

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        context = {"title": "Statements per request", **(extra_context or {})}
        return super().changelist_view(request, context)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="route, task or command")
    def scope(self, row: ScopeTotal) -> str:
        return row.name

    @admin.display(description="statements each", ordering="pk")
    def statements(self, row: ScopeTotal) -> str:
        return f"{row.calls / max(1, row.executions):,.1f}"

    @admin.display(description="repeated", ordering="pk")
    def repeated(self, row: ScopeTotal) -> str:
        return f"{row.repeated_calls / max(1, row.executions):,.1f}"

    @admin.display(description="at most", ordering="pk")
    def most(self, row: ScopeTotal) -> str:
        return f"{row.max_calls_per_execution:,}"

    @admin.display(description="how many", ordering="pk")
    def times(self, row: ScopeTotal) -> str:
        return count_text(row.executions, row.kind)

    @admin.display(description="time each", ordering="pk")
    def ms(self, row: ScopeTotal) -> str:
        return ms_text(row.total_ms / max(1, row.executions))
