"""The list of schedules in words: django-celery-beat's shows a crontab's five fields."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from perfops.admin import badges
from perfops.admin.pages import minute
from perfops.jobs import scheduled
from perfops.jobs.scheduled import Outcome, State
from perfops.models.jobs import Trigger
from perfops.models.runs import LoadRun

_RUN_TASK = "perfops.scheduled_run"
# A run is queued before the task that does it has ended.
_JUST_BEFORE = timedelta(minutes=1)


def register() -> None:
    """Show it instead of django-celery-beat's own; a project's own list stays."""
    if not apps.is_installed("django_celery_beat"):
        return
    from django_celery_beat.admin import PeriodicTaskAdmin  # not in every project
    from django_celery_beat.models import PeriodicTask

    class ScheduleAdmin(PeriodicTaskAdmin):  # type: ignore[misc]  # it has no types
        change_list_template = "perfops/change_list.html"
        what = "What Celery beat sends and when, and how the last time ended."
        list_display = ("name", "outcome", "next", "when", "last", "enabled")
        list_filter = ()
        list_select_related = ("crontab", "interval", "solar", "clocked")
        date_hierarchy = None

        class Media:
            css = {"all": ["perfops/perfops.css"]}

        def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
            return super().changelist_view(request, {"title": "Schedules", **(extra_context or {})})

        def get_changelist_instance(self, request: HttpRequest) -> Any:
            found = super().get_changelist_instance(request)
            found.result_list = with_outcomes(
                found.result_list, timezone.now(), beat_at=scheduled.beat_seen(self.model.objects)
            )
            return found

        @admin.display(description="When")
        def when(self, task: Any) -> str:
            return str(task.crontab.human_readable if task.crontab else task.scheduler)

        @admin.display(description="Outcome")
        def outcome(self, task: Any) -> Any:
            return _shown(task.outcome, task.run)

        @admin.display(description="Last sent", ordering="last_run_at", empty_value="never")
        def last(self, task: Any) -> Any:
            return task.last_run_at and minute(task.last_run_at)

        @admin.display(description="Next", empty_value="-")
        def next(self, task: Any) -> Any:
            return task.next_at and minute(task.next_at)

    is_there = admin.site.is_registered(PeriodicTask)
    if is_there and type(admin.site.get_model_admin(PeriodicTask)) is PeriodicTaskAdmin:
        admin.site.unregister(PeriodicTask)
        admin.site.register(PeriodicTask, ScheduleAdmin)


def with_outcomes(tasks: Sequence[Any], now: datetime, *, beat_at: datetime | None) -> list[Any]:
    """Return django-celery-beat's tasks, each with its ``outcome`` and the ``run`` it queued.

    ``beat_at``: when beat last sent any task. Each has ``next_at`` as well: when it is due.
    """
    ended = scheduled.ended(task.name for task in tasks)
    scenarios = {task.pk: _scenario(task) for task in tasks}
    runs = _newest_runs({name for name in scenarios.values() if name})
    found = list(tasks)
    for task in found:
        last = ended.get(task.name)
        sent = scheduled.sending(task, last, beat_at=beat_at, now=now)
        task.next_at, task.outcome = sent.next_at, scheduled.outcome_of(sent, last, now)
        run = runs.get(scenarios[task.pk])
        queued = task.outcome.state is State.OK and task.outcome.at
        task.run = run if run and queued and run.created_at >= queued - _JUST_BEFORE else None
    return found


def _scenario(task: Any) -> str:
    """Return the scenario of a scheduled load run; "" of another task."""
    if task.task != _RUN_TASK:
        return ""
    try:
        return str(json.loads(task.kwargs or "{}").get("scenario", ""))
    except (ValueError, AttributeError):
        return ""


def _newest_runs(scenarios: set[str]) -> dict[str, LoadRun]:
    """Return the newest scheduled run of each scenario."""
    if not scenarios:
        return {}
    rows = LoadRun.objects.filter(trigger=Trigger.SCHEDULE, scenario__in=scenarios)
    newest = rows.order_by("scenario", "-created_at", "-id").distinct("scenario")
    return {run.scenario: run for run in newest.defer("plan", "fingerprint", "summary", "log")}


def _shown(outcome: Outcome, run: LoadRun | None) -> SafeString:
    """Return the outcome as HTML: a badge, and why; of a load run its verdict, as a link."""
    if run is not None:
        url = reverse("admin:perfops_loadrun_change", args=[run.pk])
        return format_html('{} <a href="{}">Run {}</a>', badges.of_run(run).html(), url, run.pk)
    badge = badges.of_outcome(outcome).html()
    return format_html("{} {}", badge, outcome.why) if outcome.why else badge
