"""What is to be done regularly: for django-celery-beat where it is installed, else for cron."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import router, transaction
from django.db.migrations import Migration

from perfops.load import scenarios as plans

# Migrations, and whether each was taken back.
type Plan = Sequence[tuple[Migration, bool]]


@dataclass(frozen=True, slots=True)
class Schedule:
    """``cron``: minute, hour, day of the month, month, day of the week.

    ``task`` and ``arguments`` are Celery's; ``command`` does the same under ``manage.py``.
    ``expires_s``: missed for that long while no worker was there, the next time will do.
    """

    name: str
    cron: str
    task: str
    command: str
    description: str
    arguments: dict[str, Any] = field(default_factory=dict)
    expires_s: int | None = None
    is_on: bool = True


SCHEDULES = (
    Schedule(
        "perfops: daily smoke run", "0 3 * * *", "perfops.scheduled_run",
        "run_load_test smoke --here",
        "The scenario smoke against the default target, judged by the budgets.",
        {"scenario": "smoke"},
    ),
    Schedule(
        "perfops: weekly analysis", "0 2 * * 1", "perfops.analyse_database", "analyze_db",
        "Snapshot of the database's statistics, difference to the last one, findings.",
        {"database": "default"},
    ),
    Schedule(
        "perfops: monthly stress run", "0 1 1 * *", "perfops.scheduled_run",
        "run_load_test stress --here",
        "Twenty minutes up to the breaking point. Turn it off where that would hurt someone.",
        {"scenario": "stress"},
    ),
    Schedule(
        "perfops: quarterly capacity review", "20 5 1 1,4,7,10 *", "perfops.capacity_review",
        "capacity_report --keep",
        "How fast the database grows, how much room is left, and what is full first.",
        {"database": "default"},
    ),
    Schedule(
        "perfops: daily clearing of old series", "30 4 * * *", "perfops.expire_samples",
        "perfops_task expire_samples",
        "Drops per-second series past their retention; summaries stay for ever.",
    ),
    Schedule(
        "perfops: nightly A/A test", "15 1 * * *", "perfops.aa_test", "aa_test --minutes 20",
        "This build against itself: how often comparisons are wrong here. Loads the worker's host.",
        {"minutes": 20}, is_on=False,
    ),
    Schedule(
        "perfops: hourly snapshot", "7 * * * *", "perfops.take_snapshot",
        "perfops_task take_snapshot",
        "Counters alone, so that an analysis can look back by any hours.",
        {"database": "default"}, expires_s=1800,
    ),
    Schedule(
        "perfops: hourly look at plans", "40 * * * *", "perfops.watch_plans",
        "perfops_task watch_plans",
        "Plans of the costliest statements: kept when they change, with the cause.",
    ),
    Schedule(
        "perfops: daily folding of query origins", "50 4 * * *", "perfops.expire_origins",
        "perfops_task expire_origins",
        "Aged hours become days, aged days months; what is past its retention is dropped.",
    ),
)  # fmt: skip
# Not for cron: every page and every run looks for lost runs as well.
REAPER, REAPER_EVERY_S = "perfops: lost runs", 15
NAMES = (REAPER, *(each.name for each in SCHEDULES))


def after_migrate(*, using: str, apps: Any = None, plan: Plan = (), **_: object) -> None:
    """Keep django-celery-beat's tables in step, when it or perfops has just been migrated.

    What is there already is left as somebody may have edited it; turned off it stays, deleted
    it comes back with the next migration of ours. A ``post_migrate`` receiver: ``apps`` are the
    models as ``plan`` left them. Django's ``flush`` sends neither, and nothing was migrated then.
    """
    ours = [step for step in plan if step[0].app_label in {"perfops", "django_celery_beat"}]
    if not ours:
        return
    try:
        periodic = apps.get_model("django_celery_beat", "PeriodicTask")
    except LookupError:
        return
    if not router.allow_migrate_model(using, periodic):
        return
    if not all(backwards for _, backwards in ours):
        with transaction.atomic(using):
            _load(apps, using)
    elif ("perfops", "0001_initial") in {(step.app_label, step.name) for step, _ in ours}:
        periodic.objects.using(using).filter(name__in=NAMES).delete()


def _load(apps: Any, using: str) -> None:
    periodic, crontabs, intervals = (
        apps.get_model("django_celery_beat", name).objects.using(using)
        for name in ("PeriodicTask", "CrontabSchedule", "IntervalSchedule")
    )
    there = set(periodic.filter(name__in=NAMES).values_list("name", flat=True))
    for each in SCHEDULES:
        if each.name in there:
            continue
        parts = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
        # A row of its own, in the zone of Celery's settings: equal rows are the user's, there may
        # be several, and each may be in another zone.
        crontab = crontabs.create(**dict(zip(parts, each.cron.split(), strict=True)))
        periodic.create(
            name=each.name,
            crontab=crontab,
            task=each.task,
            kwargs=json.dumps(each.arguments),
            enabled=_is_possible(each),
            expire_seconds=each.expires_s,
            description=each.description,
        )
    if REAPER not in there:
        interval = intervals.create(every=REAPER_EVERY_S, period="seconds")
        periodic.create(
            name=REAPER,
            interval=interval,
            task="perfops.reap_lost_runs",
            # Missed while no worker was there: one of them is enough.
            expire_seconds=REAPER_EVERY_S,
            description="Calls runs lost whose worker fell silent; queues untaken ones again.",
        )


def crontab(program: str) -> str:
    """Return them as lines of a crontab; ``program``: what stands before a command's name.

    What is off at first, and what the project has no scenario for, is a comment.
    """
    return "\n".join(
        f"# {each.description}\n"
        f"{'' if _is_possible(each) else '# '}{each.cron} {program} {each.command}\n"
        for each in SCHEDULES
    )


def lines(program: str) -> list[dict[str, Any]]:
    """Return the lines of ``crontab`` for a program; ``is_on``: whether it is no comment there."""
    return [
        {"name": each.name, "cron": each.cron, "command": f"{program} {each.command}",
         "description": each.description, "is_on": _is_possible(each)}
        for each in SCHEDULES
    ]  # fmt: skip


def _is_possible(schedule: Schedule) -> bool:
    """Say whether it is on at first: that of a load run where the project has the scenario."""
    if not schedule.is_on:
        return False
    try:
        return "scenario" not in schedule.arguments or bool(
            plans.find(schedule.arguments["scenario"])
        )
    except plans.UnknownScenario:
        return False
