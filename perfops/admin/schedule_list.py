"""The list of schedules in words: django-celery-beat's shows a crontab's five fields."""

from typing import Any

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest

from perfops.admin.pages import minute
from perfops.overview import next_time


def register() -> None:
    """Show it instead of django-celery-beat's own; a project's own list stays."""
    if not apps.is_installed("django_celery_beat"):
        return
    from django_celery_beat.admin import PeriodicTaskAdmin  # not in every project
    from django_celery_beat.models import PeriodicTask

    class ScheduleAdmin(PeriodicTaskAdmin):  # type: ignore[misc]  # it has no types
        list_display = ("name", "enabled", "when", "last", "next")
        list_filter = ("enabled",)
        list_select_related = ("crontab", "interval", "solar", "clocked")

        def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
            return super().changelist_view(request, {"title": "Schedules", **(extra_context or {})})

        @admin.display(description="When")
        def when(self, task: Any) -> str:
            return str(task.crontab.human_readable if task.crontab else task.scheduler)

        @admin.display(description="Last sent", ordering="last_run_at", empty_value="never")
        def last(self, task: Any) -> Any:
            return task.last_run_at and minute(task.last_run_at)

        @admin.display(description="Next", empty_value="-")
        def next(self, task: Any) -> Any:
            at = next_time(task)
            return at and minute(at)

    is_there = admin.site.is_registered(PeriodicTask)
    if is_there and type(admin.site.get_model_admin(PeriodicTask)) is PeriodicTaskAdmin:
        admin.site.unregister(PeriodicTask)
        admin.site.register(PeriodicTask, ScheduleAdmin)
