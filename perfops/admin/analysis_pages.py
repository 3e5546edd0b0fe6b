"""Pages of an analysis: its tables, its indexes, and its difference to another one."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path, reverse

from perfops.admin import badges, capacity, columns, statements
from perfops.admin.columns import listing
from perfops.admin.session_pages import SessionPages
from perfops.analysis import differences as inside
from perfops.analysis.differences import Change, Difference, Slower
from perfops.formatting import name_of, size_text, time_text
from perfops.models.analyses import Analysis

_EXPIRED = (
    "The snapshot of this analysis is not kept any more: only its findings are. "
    "Analyse now for a new one."
)


class InsidePages(SessionPages):
    """What ``AnalysisAdmin`` shows beside the analysis itself."""

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        name = "perfops_analysis_{}".format
        return [
            path("capacity/", wrap(self.capacity_view), name=name("capacity")),
            path("<int:analysis_id>/tables/", wrap(self.tables_view), name=name("tables")),
            path("<int:analysis_id>/indexes/", wrap(self.indexes_view), name=name("indexes")),
            path(
                "<int:analysis_id>/since/<int:earlier_id>/",
                wrap(self.difference_view),
                name=name("difference"),
            ),
            *super().get_urls(),
        ]

    def tables_view(self, request: HttpRequest, analysis_id: int) -> HttpResponse:
        analysis = self.viewed(request, str(analysis_id))
        window = inside.window_of(analysis)
        wholes = window.whole_tables if window else []
        parts = {whole.table.oid: whole.parts for whole in wholes if whole.parts}
        shown = window and listing(
            [whole.table for whole in wholes],
            columns.of_tables(window.after.taken_at),
            request.GET,
            search=lambda t: " ".join(each.qualified for each in (t, *parts.get(t.oid, ()))),
            first="size",
            parts=lambda table: parts.get(table.oid, ()),
        )
        return self._listing(request, analysis, "Tables", shown, window)

    def indexes_view(self, request: HttpRequest, analysis_id: int) -> HttpResponse:
        analysis = self.viewed(request, str(analysis_id))
        window = inside.window_of(analysis)
        shown = window and listing(
            window.indexes,
            columns.of_indexes(),
            request.GET,
            search=lambda index: f"{index.qualified} {index.table}",
            first="size",
        )
        return self._listing(request, analysis, "Indexes", shown, window)

    def difference_view(
        self, request: HttpRequest, analysis_id: int, earlier_id: int
    ) -> HttpResponse:
        later = self.viewed(request, str(analysis_id))
        earlier = self.viewed(request, str(earlier_id))
        if earlier.database != later.database:
            raise Http404(f"Analyses {earlier_id} and {analysis_id} are of two databases.")
        return self.page(
            request,
            "perfops/difference.html",
            f"Analysis {later.pk} since analysis {earlier.pk}",
            **_difference(inside.between(earlier, later), later.database),
            earlier_url=self.url("change", earlier.pk),
            later_url=self.url("change", later.pk),
            earlier=earlier,
            later=later,
            expired=_EXPIRED,
        )

    def capacity_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = capacity.context(request)
        return self.page(request, "perfops/capacity.html", "Capacity", **context)

    def _listing(
        self, request: HttpRequest, analysis: Analysis, title: str, shown: Any, window: Any
    ) -> HttpResponse:
        return self.page(
            request,
            "perfops/listing.html",
            f"{title} of analysis {analysis.pk}",
            listing=shown or None,
            expired=_EXPIRED,
            over=time_text(window.seconds) if window else "",
            notes=window.notes if window else (),
            analysis_url=self.url("change", analysis.pk),
            analysis=analysis,
        )


def _difference(found: Difference, database: str) -> dict[str, Any]:
    shown = [each.statement for each in (*found.slower, *found.quicker)]
    urls = statements.urls(database, (s.queryid for s in (*shown, *found.new_statements)))
    return {
        "changes": [_change(each) for each in found.findings],
        "has_window": found.window is not None,
        "over": time_text(found.window.seconds) if found.window else "",
        "notes": found.window.notes if found.window else (),
        "slower": [_slower(each, urls) for each in found.slower],
        "quicker": [_slower(each, urls) for each in found.quicker],
        "new_statements": [
            {
                "text": name_of(s),
                "url": urls.get(s.queryid, ""),
                "calls": f"{s.calls:,}",
                "mean": f"{s.mean_ms:,.2f} ms",
            }
            for s in found.new_statements
        ],
        "grown": [
            (table.qualified, size_text(table.bytes), ("+" if by > 0 else "-") + size_text(abs(by)))
            for table, by in found.grown
        ],
        "settings": found.settings,
    }  # fmt: skip


def _change(change: Change) -> dict[str, Any]:
    worst = change.after or change.before or "info"
    what = "gone"
    if change.after:
        what = f"was {change.before}" if change.before else "new"
    return {
        "badge": badges.of_severity(worst),
        "what": what,
        "title": change.finding.title,
        "url": reverse("admin:perfops_finding_change", args=[change.finding.pk]),
    }


def _times(factor: float) -> str:
    """Return how much longer or shorter a call takes: "36.1 times quicker" for 1/36."""
    if 0 < factor < 1:
        return f"{1 / factor:,.1f} times quicker"
    return f"{factor:,.1f} times slower" if factor > 1 else "as before"


def _slower(each: Slower, urls: dict[str, str]) -> dict[str, str]:
    return {
        "text": name_of(each.statement),
        "url": urls.get(each.statement.queryid, ""),
        "calls": f"{each.statement.calls:,}",
        "before": f"{each.before_ms:,.2f} ms",
        "after": f"{each.after_ms:,.2f} ms",
        "factor": _times(each.factor),
    }
