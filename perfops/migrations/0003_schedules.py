"""The schedules, kept in the database: edit them in the admin, they are not touched again."""

import json

from django.db import migrations

# name, (minute, hour, day of week, day of month), task, arguments, description
CRONTABS = [
    (
        "perfops: daily smoke run",
        ("0", "3", "*", "*"),
        "perfops.scheduled_run",
        {"scenario": "smoke"},
        "A minute of load against the default target, judged by the budgets.",
    ),
    (
        "perfops: weekly analysis",
        ("0", "2", "1", "*"),
        "perfops.analyse_database",
        {"database": "default"},
        "Snapshot of the database's statistics, difference to the last one, findings.",
    ),
    (
        "perfops: monthly stress run",
        ("0", "1", "*", "1"),
        "perfops.scheduled_run",
        {"scenario": "stress"},
        "Twenty minutes up to the breaking point. Turn it off where that would hurt someone.",
    ),
    (
        "perfops: daily clearing of old series",
        ("30", "4", "*", "*"),
        "perfops.expire_samples",
        {},
        "Drops per-second series past their retention; summaries stay for ever.",
    ),
]
REAPER = "perfops: lost runs"


def load(apps, schema_editor):
    PeriodicTask = apps.get_model("django_celery_beat", "PeriodicTask")
    CrontabSchedule = apps.get_model("django_celery_beat", "CrontabSchedule")
    IntervalSchedule = apps.get_model("django_celery_beat", "IntervalSchedule")
    for name, (minute, hour, weekday, day), task, arguments, description in CRONTABS:
        crontab, _ = CrontabSchedule.objects.get_or_create(
            minute=minute, hour=hour, day_of_week=weekday, day_of_month=day, month_of_year="*"
        )
        PeriodicTask.objects.get_or_create(
            name=name,
            defaults={
                "crontab": crontab,
                "task": task,
                "kwargs": json.dumps(arguments),
                "description": description,
            },
        )
    interval, _ = IntervalSchedule.objects.get_or_create(every=15, period="seconds")
    PeriodicTask.objects.get_or_create(
        name=REAPER,
        defaults={
            "interval": interval,
            "task": "perfops.reap_lost_runs",
            # Missed while no worker was there: one of them is enough.
            "expire_seconds": 15,
            "description": "Calls runs lost whose worker has fallen silent.",
        },
    )


def unload(apps, schema_editor):
    PeriodicTask = apps.get_model("django_celery_beat", "PeriodicTask")
    PeriodicTask.objects.filter(name__in=[REAPER, *(name for name, *_ in CRONTABS)]).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("perfops", "0002_budgets"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]
    operations = [migrations.RunPython(load, unload)]
