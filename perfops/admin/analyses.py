"""Analyses: list, page, start."""

from typing import Any

import msgspec
from django.contrib import admin, messages
from django.db import DEFAULT_DB_ALIAS
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from perfops.admin import badges
from perfops.admin.analysis_pages import InsidePages
from perfops.admin.badges import card
from perfops.admin.pages import minute
from perfops.analysis import selectors
from perfops.analysis import services as analyses
from perfops.analysis import sessions as present
from perfops.analysis.collectors.records import UnavailableSource
from perfops.analysis.incidents import Line, folded_title
from perfops.analysis.selectors import Seen
from perfops.formatting import count_text, share_text
from perfops.jobs import lifecycle, queue
from perfops.models.analyses import Analysis
from perfops.models.jobs import Trigger

_HOUR_S = 3600
# The rest is in the list of findings.
_MOST_FINDINGS = 100
State = Analysis.State
# As --since takes them, with what a person reads.
_WINDOWS = (
    ("", "since the last analysis"), ("1h", "the last hour"), ("24h", "the last 24 hours"),
    ("7d", "the last 7 days"),
)  # fmt: skip
_IN_VAIN = (State.FAILED, State.LOST)


@admin.register(Analysis)
class AnalysisAdmin(InsidePages):
    what = "An analysis reads PostgreSQL's statistics, and detects what makes the database slow."
    list_display = ["name", "outcome", "database", "when", "window", "trigger"]
    list_filter = ["state", "database", "trigger"]
    ordering = ["-created_at"]
    sortable_by = ("name", "database", "when", "window", "trigger")
    only_on_page = ("notes", "missing", "error", "message")
    empty_text = "No analysis yet: start one here, or run manage.py analyze_db."

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path("start/", wrap(require_POST(self.start_view)), name="perfops_analysis_start"),
            path("<int:analysis_id>/live/", wrap(self.live_view), name="perfops_analysis_live"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        lifecycle.reap()
        may_look = self.may(request, "run_analysis")
        context = {
            "title": "Analyses",
            **(extra_context or {}),
            "action_url": self.url("start") if may_look else "",
            "action_name": "Analyse now",
            "windows": _WINDOWS if may_look else (),
            "also": [("Connections and locks", self.url("now"))] if may_look else [],
        }
        return super().changelist_view(request, context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        lifecycle.reap()
        analysis = self.viewed(request, object_id)
        title = f"Analysis {analysis.pk}"
        context = self._context(request, analysis)
        return self.page(request, "perfops/analysis.html", title, **context)

    def live_view(self, request: HttpRequest, analysis_id: int) -> HttpResponse:
        queue.look_after_jobs()
        analysis = self.viewed(request, str(analysis_id))
        context = self._context(request, analysis)
        return self.live(request, "perfops/_analysis.html", active=analysis.is_active, **context)

    def start_view(self, request: HttpRequest) -> HttpResponse:
        self.require(request, "run_analysis")
        database = request.POST.get("database", DEFAULT_DB_ALIAS)
        if database not in present.databases():
            raise Http404(f"There is no PostgreSQL {database!r} in DATABASES.")
        try:
            analysis = analyses.request_analysis(
                database=database,
                trigger=Trigger.ADMIN,
                user=request.user,
                since=request.POST.get("since", "").strip(),
            )
        except ValueError as error:
            messages.error(request, f"No analysis was started: {error}.")
            return redirect(self.url("changelist"))
        return self.back_to(analysis.pk)

    def _context(self, request: HttpRequest, analysis: Analysis) -> dict[str, Any]:
        show_all = request.GET.get("show") == "all"
        again = analysis.state in _IN_VAIN and self.may(request, "run_analysis")
        return {
            "page": _page(analysis, show_all=show_all),
            "again_url": self.url("start") if again else "",
            "windows": self._windows(analysis) if self.may(request, "run_analysis") else (),
            "start_url": self.url("start"),
            "database": analysis.database,
            "live_url": self.url("live", analysis.pk) + ("?show=all" if show_all else ""),
            "show_all": show_all,
            "page_url": self.url("change", analysis.pk),
            "links": self._links(analysis),
        }

    def _windows(self, analysis: Analysis) -> tuple[tuple[str, str], ...]:
        since_this = ((str(analysis.pk), f"since analysis {analysis.pk}"),)
        return (*since_this, *_WINDOWS) if analysis.state == State.FINISHED else ()

    def _links(self, analysis: Analysis) -> list[tuple[str, str]]:
        if analysis.state != State.FINISHED:
            return []
        links = [
            ("Tables", self.url("tables", analysis.pk)),
            ("Indexes", self.url("indexes", analysis.pk)),
        ]
        earlier = selectors.previous(analysis)
        if earlier is not None:
            name = f"Difference to analysis {earlier.pk}"
            links.append((name, self.url("difference", analysis.pk, earlier.pk)))
        return links

    @admin.display(description="Analysis", ordering="pk")
    def name(self, analysis: Analysis) -> str:
        return f"Analysis {analysis.pk}"

    @admin.display(description="Found")
    def outcome(self, analysis: Analysis) -> SafeString:
        return badges.of_analysis(analysis).html()

    @admin.display(description="Requested", ordering="created_at")
    def when(self, analysis: Analysis) -> str:
        return minute(analysis.created_at)

    @admin.display(description="Window", ordering="window_s")
    def window(self, analysis: Analysis) -> str:
        return _window(analysis)


def _page(analysis: Analysis, *, show_all: bool) -> dict[str, Any]:
    """``show_all``: incidents without an open finding too."""
    lines, hidden = _lines(analysis, show_all=show_all)
    facts = [
        ("Database", analysis.database),
        ("Requested", minute(analysis.created_at)),
        ("Requested by", analysis.requested_by or analysis.get_trigger_display()),
        ("Window", _window(analysis)),
    ]
    if analysis.state == State.LOST and analysis.worker:
        facts.append(("Worker", analysis.worker))
    if analysis.covered is not None and analysis.covered < 1:
        facts.append(("Covered", f"{analysis.covered:.0%}"))
    if analysis.baseline_id:
        facts.append(("Since", f"analysis {analysis.baseline_id}"))
    return {
        "badge": badges.of_analysis(analysis),
        "sentence": _sentence(analysis),
        "is_active": analysis.is_active,
        "is_finished": analysis.state == State.FINISHED,
        "facts": facts,
        "notes": analysis.notes,
        "missing": msgspec.convert(analysis.missing, list[UnavailableSource]),
        "lines": lines,
        "hidden": count_text(hidden, "finding") if hidden else "",
        "more": max(0, sum(analysis.counts.values()) - _MOST_FINDINGS),
    }


def _lines(analysis: Analysis, *, show_all: bool) -> tuple[list[dict[str, Any]], int]:
    """Return the lines to show, and how many findings of the others are left out."""
    seen = selectors.findings_of(analysis, limit=_MOST_FINDINGS)
    shown = seen if show_all else selectors.still_open(seen)
    return [_line(line) for line in selectors.lines_of(shown)], len(seen) - len(shown)


def _line(line: Line[Seen]) -> dict[str, Any]:
    seen = [each for its in line.incidents for each in its]
    impact = sum(its[0].impact or 0.0 for its in line.incidents)
    kind = analyses.titles().get(line.kind, line.kind)
    return {
        "folded": line.kind and folded_title(kind, [each.finding.object for each in seen]),
        "apart": line.apart,
        "impact": f"{share_text(impact)} of the database's time" if impact else "",
        "findings": [
            card(each.finding, severity=each.severity, evidence=each.evidence) for each in seen
        ],
    }


def _sentence(analysis: Analysis) -> str:
    if analysis.state == State.QUEUED:
        return queue.waiting_text(analysis)
    if analysis.state == State.RUNNING:
        return "A worker is analysing the database."
    if analysis.state in _IN_VAIN:
        return analysis.error
    return (
        "Findings are below, worst first."
        if any(analysis.counts.values())
        else "No problems found."
    )


def _window(analysis: Analysis) -> str:
    seconds = analysis.window_s
    if seconds is None:
        return "-"
    return f"{seconds / _HOUR_S:,.1f} h" if seconds >= _HOUR_S else f"{seconds:.0f} s"
