"""The overview and the navigation, as their templates show them to one user."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from perfops import overview, panels, reasons
from perfops.admin import badges
from perfops.admin.badges import Badge
from perfops.admin.pages import minute
from perfops.analysis.sessions import Present
from perfops.charts import SPARK_HEIGHT, SPARK_WIDTH, meter, sparkline
from perfops.conf import conf
from perfops.formatting import count_text, ms_text, percent_text, share_text, time_text
from perfops.jobs.scheduled import Scheduled, State
from perfops.models.analyses import Analysis, Finding
from perfops.models.runs import LoadRun
from perfops.overview import Incident, Overview, RunFigures, Step
from perfops.reasons import Reason

_BADGES = {
    "good": Badge("good", "✓", "fine"),
    "warning": Badge("warning", "!", "fine, with a note"),
    "bad": Badge("bad", "✗", "not fine"),
    "odd": Badge("odd", "?", "not known yet"),
}
# Longer statements are on the finding's page alone.
_MOST_SQL = 300
# Name, page, the permission that shows it.
_PAGES = (
    ("Runs", "perfops_loadrun_changelist", "view_loadrun"),
    ("Budgets", "perfops_budget_changelist", "view_budget"),
    ("Waivers", "perfops_waiver_changelist", "view_waiver"),
    ("Analyses", "perfops_analysis_changelist", "view_analysis"),
    ("Findings", "perfops_finding_changelist", "view_finding"),
    ("Queries", "perfops_querytemplate_changelist", "view_querytemplate"),
    ("Statements per request", "perfops_scopetotal_changelist", "view_scopetotal"),
    ("Connections and locks", "perfops_analysis_now", "view_analysis"),
    ("Capacity", "perfops_analysis_capacity", "view_analysis"),
    ("Monitoring", "perfops_pipeline", "view_loadrun"),
)


@dataclass(frozen=True, slots=True)
class Figure:
    """A golden signal; ``points``: its sparkline, "" without one."""

    name: str
    value: str
    note: str
    points: str
    url: str


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the pages that the user may see; ``is_here``: the request is within it."""
    user = request.user
    if not any(user.has_perm(f"perfops.{permission}") for *_, permission in _PAGES):
        return []
    home = reverse("admin:app_list", args=["perfops"])
    found = [{"name": "Overview", "url": home, "is_here": request.path == home}]
    urls = [(name, reverse(f"admin:{page}"), f"perfops.{may}") for name, page, may in _PAGES]
    urls += [(name, url, may) for name, page, may in conf().NAVIGATION if (url := _found(page))]
    here = max((url for _, url, _ in urls if request.path.startswith(url)), key=len, default="")
    if request.path == reverse("admin:perfops_search"):
        here = ""
    return found + [
        {"name": name, "url": url, "is_here": url == here}
        for name, url, permission in urls
        if user.has_perm(permission)
    ]


def _found(name: str) -> str:
    """Return the address of a project's page; "" where it has none of that name."""
    with suppress(NoReverseMatch):
        return reverse(name)
    return ""


def build(request: HttpRequest) -> dict[str, Any] | None:
    """Return the context of ``perfops/_overview.html``; None for who may not see runs,
    budgets, analyses and findings.
    """
    user = request.user
    needed = ("view_loadrun", "view_budget", "view_analysis", "view_finding")
    if not all(user.has_perm(f"perfops.{each}") for each in needed):
        return None
    shown = panels.collect(request)
    state = overview.collect(shown)
    return {
        "badge": _BADGES[state.kind],
        "headline": {
            "text": f"{state.summary}: {state.first.text}" if state.first else state.summary,
            "url": _reason_url(state.first, user) if state.first else "",
            "more": state.more,
        },
        "reasons": [(each.text, _reason_url(each, user)) for each in state.others],
        "at": minute(state.at),
        "steps": [_step(each, user) for each in state.steps],
        "figures": _figures(state),
        "incidents": [
            _incident(each, is_named=len(state.analyses) > 1) for each in state.incidents
        ],
        "findings_url": reverse("admin:perfops_finding_changelist"),
        "open_findings": state.findings_text,
        "analyses": [_analysis(each, state) for each in state.analyses],
        "budgets": _budgets(state),
        "budgets_url": reverse("admin:perfops_budget_changelist"),
        "runs": [_run(each, state) for each in state.runs[:2]],
        "compare_url": reverse("admin:perfops_loadrun_compare", args=[state.runs[0].pk])
        if len(state.runs) > 1
        else "",
        "runs_url": reverse("admin:perfops_loadrun_changelist"),
        "active": [_active(each) for each in state.active],
        "databases": [_database(name, each) for name, each in state.present.items()],
        "now_url": reverse("admin:perfops_analysis_now"),
        "panels": [_panel(each) for each in shown],
        "scheduled": [_scheduled(each, user) for each in state.scheduled],
    }


# Of each ``Step.action``: the permission of who does it, and whom others ask. To make an extension
# is no permission of Django's: it is for who may also change the budgets.
_DOERS = {
    "run": ("run_loadrun", "an operator"),
    "analyse": ("run_analysis", "an operator"),
    "work": ("run_loadrun", "an operator"),
    "administer": ("change_budget", "an administrator"),
}
_BUTTONS = {"run": "admin:perfops_loadrun_start", "analyse": "admin:perfops_analysis_start"}


def _step(step: Step, user: Any) -> dict[str, str]:
    """Return what to do, by button or command, for who may; for others, whom to ask."""
    permission, whom = _DOERS[step.action]
    shown = {"text": step.text, "command": "", "run_url": "", "analyse_url": "", "ask": ""}
    if not user.has_perm(f"perfops.{permission}"):
        return {**shown, "ask": f"Ask {whom}."}
    if step.action in _BUTTONS:
        shown[f"{step.action}_url"] = reverse(_BUTTONS[step.action])
    return {**shown, "command": step.command}


# Of each ``Reason.page``: the page, and the parameter that its key is, "" for a part of the path.
_CAUSES = {
    "budget": ("budget_change", ""),
    "run": ("loadrun_change", ""),
    "runs": ("loadrun_changelist", None),
    "analysis": ("analysis_change", ""),
    "analyses": ("analysis_changelist", None),
    "sessions": ("analysis_now", "database"),
    "findings": ("finding_changelist", "severity"),
}


def _reason_url(reason: Reason, user: Any) -> str:
    """Return where the reader sees the cause; "" for nowhere."""
    if reason.page == "url":
        return reason.key
    if reason.page == "schedules":
        return "#schedules"
    if reason.page not in _CAUSES:
        return ""
    page, parameter = _CAUSES[reason.page]
    url = reverse(f"admin:perfops_{page}", args=[reason.key] if parameter == "" else [])
    return f"{url}?{urlencode({parameter: reason.key})}" if parameter else url


def _panel(panel: dict[str, Any]) -> dict[str, Any]:
    kind = panel["kind"]
    return {**panel, "badge": Badge(kind, _BADGES[kind].icon, panel["text"])}


def _figures(state: Overview) -> list[Figure]:
    runs, hours = state.runs, state.hours
    run_url, note = "", "no run yet"
    if runs:
        run_url = reverse("admin:perfops_loadrun_change", args=[runs[0].pk])
        note = f"run {runs[0].pk}, {reasons.age_text(runs[0].at, state.at)}"
    requests, spent_ms = sum(e.requests for e in hours), sum(e.total_ms for e in hours)
    latency = [each.p95_ms for each in reversed(runs)]
    errors = [each.error_rate for each in reversed(runs)]
    held = [each.throughput for each in reversed(runs)]
    scopes_url = reverse("admin:perfops_scopetotal_changelist")
    return [
        Figure("p95 latency, with waiting", ms_text(latency[-1] if latency else None), note,
               sparkline(latency), run_url),
        Figure("Errors", percent_text(errors[-1] if errors else None), note,
               sparkline(errors), run_url),
        Figure("Throughput held", _rate(held[-1] if held else None), note,
               sparkline(held), run_url),
        Figure("Requests with statements", f"{requests:,}", "the last day",
               sparkline([float(each.requests) for each in hours]), scopes_url),
        Figure("Database time a request", ms_text(spent_ms / requests if requests else None),
               "the last day",
               sparkline([each.total_ms / max(1, each.requests) for each in hours]), scopes_url),
    ]  # fmt: skip


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f} req/s"


def _incident(incident: Incident, *, is_named: bool) -> dict[str, Any]:
    first = incident.findings[0]
    saves = ""
    if incident.saves_s is not None:
        bound = "about" if incident.is_proved else "at most"
        amount = f"{bound} {time_text(incident.saves_s)}"
        saves = f"{amount if incident.saves_s >= 1 else 'less than a second'} a day"
    return {
        "badge": badges.of_severity(incident.severity),
        "title": first.title,
        "database": incident.database if is_named else "",
        "url": _finding_url(first),
        "saves": saves,
        "impact": share_text(incident.impact) if incident.impact else "",
        "line": dict(first.evidence).get("line", ""),
        "remedy": first.remedy,
        "statement": first.statement if len(first.statement) <= _MOST_SQL else "",
        "is_proved": incident.is_proved,
        "reopened": count_text(first.reopened, "time") if first.reopened else "",
        "seen": minute(first.last_seen_at),
        "others": [(each.title, _finding_url(each)) for each in incident.findings[1:4]],
    }


def _finding_url(finding: Finding) -> str:
    return reverse("admin:perfops_finding_change", args=[finding.pk])


def _analysis(analysis: Analysis, state: Overview) -> dict[str, str]:
    return {
        "name": state.name_of(analysis),
        "url": reverse("admin:perfops_analysis_change", args=[analysis.pk]),
        "age": reasons.age_text(analysis.created_at, state.at),
    }


def _budgets(state: Overview) -> list[dict[str, Any]]:
    rows = []
    for each in state.judgements:
        badge = badges.of_judgement(each)
        drawn = each.value is not None
        rows.append(
            {
                "name": each.name,
                "url": reverse("admin:perfops_budget_change", args=[each.budget_id]),
                "value": each.value_text,
                "threshold": each.threshold_text,
                "margin": each.margin_text,
                "badge": badge,
                "meter": meter(each.value, target=each.target, threshold=each.threshold)
                if each.value is not None
                else None,
                "label": f"{each.name} {each.value_text}, {each.margin_text}" if drawn else "",
                "run": f"run {each.run_id}",
                "run_url": reverse("admin:perfops_loadrun_change", args=[each.run_id]),
                "age": reasons.age_text(each.at, state.at),
            }
        )
    return rows


def _run(run: RunFigures, state: Overview) -> dict[str, Any]:
    shown = LoadRun(state=LoadRun.State.FINISHED, verdict=run.verdict)
    return {
        "name": f"{run.pk} · {run.scenario}",
        "url": reverse("admin:perfops_loadrun_change", args=[run.pk]),
        "badge": badges.of_run(shown),
        "cells": [
            ("p95, with waiting", ms_text(run.p95_ms)),
            ("Errors", percent_text(run.error_rate)),
            ("Throughput held", _rate(run.throughput)),
        ],
        "at": minute(run.at),
        "age": reasons.age_text(run.at, state.at),
    }


def _active(job: LoadRun | Analysis) -> dict[str, Any]:
    if isinstance(job, LoadRun):
        badge, page = badges.of_run(job), "admin:perfops_loadrun_change"
    else:
        badge, page = badges.of_analysis(job), "admin:perfops_analysis_change"
    return {
        "name": str(job).capitalize(), "badge": badge, "url": reverse(page, args=[job.pk]),
        "at": minute(job.created_at),
    }  # fmt: skip


def _database(name: str, present: Present) -> dict[str, Any]:
    used = present.connections
    waiting = sum(bool(session.blocked_by) for session in present.sessions)
    if used is None:
        return {"name": name, "badge": Badge("bad", "✗", "no answer"), "facts": []}
    badge = Badge("bad", "✗", "sessions wait") if waiting else Badge("good", "✓", "no one waits")
    idle = sum(session.state.startswith("idle in") for session in present.sessions)
    return {
        "name": name,
        "badge": badge,
        "facts": [
            ("Connections", used.used_text),
            ("Waiting for a lock", waiting),
            ("Idle in transaction", idle),
        ],
    }


def _scheduled(each: Scheduled, user: Any) -> dict[str, Any]:
    badge, why = Badge("good", "✓", "on time"), ""
    if not each.is_enabled:
        badge = Badge("calm", "●", "turned off")
    elif each.is_late:
        badge = Badge("warning", "!", "late")
    elif not each.is_done or each.outcome.state is State.PUT_OFF:
        badge, why = badges.of_outcome(each.outcome), each.outcome.why
    url = ""
    if user.has_perm("django_celery_beat.view_periodictask"):
        # A project may have taken its pages out of the admin.
        with suppress(NoReverseMatch):
            url = reverse("admin:django_celery_beat_periodictask_change", args=[each.pk])
    return {
        "name": each.name,
        "url": url,
        "badge": badge,
        "why": why,
        "last": minute(each.last_at) if each.last_at else "never",
        "next": minute(each.next_at) if each.next_at else "-",
    }


SPARK = {"width": SPARK_WIDTH, "height": SPARK_HEIGHT}
