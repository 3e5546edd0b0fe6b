"""The facts at the top of a load run's page: what was asked for, by whom, when, and its changes."""

from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.html import format_html

from perfops.admin.pages import minute
from perfops.conf import conf
from perfops.load import steering
from perfops.models.runs import LoadRun


def build(run: LoadRun) -> list[tuple[str, Any]]:
    """Return names and values, in order. No query."""
    facts: list[tuple[str, Any]] = [
        ("Scenario", run.scenario),
        ("Target", run.target),
        ("Requested", minute(run.created_at)),
        ("Requested by", run.requested_by or run.get_trigger_display()),
    ]
    if run.started_at:
        facts.append(("Started", minute(run.started_at)))
    if run.duration_s is not None:
        facts.append(("Duration", f"{run.duration_s:.0f} s"))
    if run.plan:
        planned = f"{run.plan['requests']:,.0f} requests in {run.plan['duration_s']:.0f} s"
        if "find_limit" in run.plan:
            planned = f"seek the highest rate for {run.plan['duration_s'] / 60:.0f} min at most"
        facts.append(("Plan", f"{planned}, at most {run.plan['peak_rate']:,.0f} req/s"))
    if "parameters" in run.plan:
        facts.append(("Not as its file says", flat(run.plan["parameters"])))
    if changes := steering.of_row(run.plan):
        facts.append(("Rate changed", "; ".join(each.sentence() for each in changes)))
    if without_effect := steering.without_effect(run):
        facts.append(("Rate not changed", without_effect))
    if run.worker:
        facts.append(("Worker", run.worker))
    if run.started_at:
        facts.append(("Traces", _traces(run, run.started_at)))
    return facts


def _traces(run: LoadRun, started_at: datetime) -> str:
    """Return what to look for where traces are kept; a link to it when that is known."""
    attribute = f"perfops.run={run.pk}"
    if not conf().TRACES_URL:
        return attribute
    known = {
        "run": run.pk,
        "start": _microseconds(started_at),
        "end": _microseconds(run.finished_at or timezone.now()),
    }
    url = conf().TRACES_URL
    for name, value in known.items():
        url = url.replace(f"{{{name}}}", str(value))
    return format_html('<a href="{}">{}</a>', url, attribute)


def _microseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000)


def flat(value: Any) -> str:
    """Return a value that is stored as JSON as one text."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {each}" for key, each in value.items()) or "-"
    return "unknown" if value is None else str(value)
