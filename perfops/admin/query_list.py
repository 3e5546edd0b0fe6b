"""The list of statements: what a window cost, the costliest first."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.http import HttpRequest
from django.utils import timezone

from perfops.analysis import queries
from perfops.analysis import sessions as present
from perfops.models.origins import QueryTemplate
from perfops.origins import selectors as origins

WINDOWS = {"day": 1, "week": 7, "month": 30, "year": 365}


def since(request: HttpRequest, default: str = "day") -> datetime:
    """Return where the window that was asked for begins."""
    name = request.GET.get("window", default)
    return queries.begin(WINDOWS.get(name, WINDOWS[default]))


class WindowFilter(admin.SimpleListFilter):
    """How far back to look; a day unless asked otherwise."""

    title = "window"
    parameter_name = "window"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, f"last {name}") for name in WINDOWS if name != "day"]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset

    def choices(self, changelist: Any) -> Any:
        first, *others = super().choices(changelist)
        return [{**first, "display": "last day"}, *others]


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
        ids = sorted(
            (pk for pk in found if pk in self.sent), key=lambda pk: (-self.sent[pk].ms, pk)
        )
        self.paginator = Paginator(ids, self.list_per_page)
        self.result_count, self.full_result_count = len(ids), None
        self.show_full_result_count = self.show_admin_actions = False
        self.can_show_all, self.multi_page = False, len(ids) > self.list_per_page
        self.result_list = self._rows(list(self.paginator.get_page(self.page_num).object_list))

    def _rows(self, ids: list[int]) -> list[QueryTemplate]:
        """Return the statements with what the columns show of them. Three queries."""
        known = QueryTemplate.objects.defer("signatures", "sample")
        rows: dict[int, Any] = known.in_bulk(ids)
        shares = origins.by_template(set(ids), since=self.since)
        trends = queries.trends(ids, since=self.since, until=timezone.now())
        total_ms = sum(sent.ms for sent in self.sent.values())
        for row in rows.values():
            row.sent, row.shares = self.sent[row.pk], shares[row.pk]
            row.share = row.sent.ms / total_ms if total_ms else 0.0
            row.trend = trends.get(row.pk, [])
        return [rows[pk] for pk in ids if pk in rows]
