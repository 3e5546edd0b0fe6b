"""The page of tasks: who lives, how much waits, what to do."""

from functools import cache, partial

from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, URLPattern, path, reverse

from midst.operations.tasks_page import signs
from midst.operations.tasks_page.signs import Sign
from midst.telemetry.collectors import QueueDepth
from midst.telemetry.exposition import totals

# Who sees the overview sees what its panel says.
PERMISSION = "perfops.view_analysis"
_TASKS = "celery_tasks_total"
_COMMAND = {
    "Worker": "celery -A midst.celery worker",
    "Beat": "celery -A midst.celery beat",
}
_MEANING = {
    "Worker": "Tasks wait: no load run, no analysis and nothing that is scheduled is executed.",
    "Beat": "Nothing is sent on schedule. What is asked for by hand is still done.",
}


def urls(site: AdminSite) -> list[URLPattern]:
    return [path("tasks/", site.admin_view(partial(tasks_view, site)), name="tasks")]


def tasks_view(site: AdminSite, request: HttpRequest) -> HttpResponse:
    """Show whether workers and beat live. Requires ``PERMISSION``."""
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    counted = totals((*signs.NAMES, _TASKS), label="state")
    found = signs.read(counted)
    context = {
        "title": "Tasks",
        "badge": _badge(found),
        "signs": found,
        "silent": [_silent(each) for each in found if each.is_silent],
        "queues": _queues(),
        "done": sorted((name, f"{number:,.0f}") for name, number in counted[_TASKS].items()),
        "schedules_url": _schedules_url(request),
    }
    return TemplateResponse(request, "admin/tasks.html", {**site.each_context(request), **context})


def _badge(found: list[Sign]) -> dict[str, str]:
    silent = [f"no {each.name.lower()}" for each in found if each.is_silent]
    if silent:
        return {"kind": "bad", "icon": "✗", "text": ", ".join(silent)}
    return {"kind": "good", "icon": "✓", "text": "alive"}


def _silent(sign: Sign) -> dict[str, str]:
    known = "has given no sign of life" if sign.age_s is None else f"is {sign.age_text}"
    return {"text": f"{sign.name} {known}. {_MEANING[sign.name]}", "command": _COMMAND[sign.name]}


@cache
def _depth() -> QueueDepth:
    return QueueDepth()


def _queues() -> list[tuple[str, str]] | None:
    """Return how many messages wait by queue; None where the broker does not answer."""
    found = [
        (sample.labels["queue"], f"{sample.value:,.0f}")
        for metric in _depth().collect()
        for sample in metric.samples
    ]
    return found or None


def _schedules_url(request: HttpRequest) -> str:
    if request.user.has_perm("django_celery_beat.view_periodictask"):
        try:
            return reverse("admin:django_celery_beat_periodictask_changelist")
        except NoReverseMatch:
            pass
    return f"{reverse('admin:index')}#schedules"
