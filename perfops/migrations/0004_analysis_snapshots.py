"""Snapshots in rows of their own, packed, taken each hour; analyses before this lose theirs."""

import django.db.models.deletion
from django.db import migrations, models

NAME = "perfops: hourly snapshot"


def load(apps, schema_editor):
    PeriodicTask = apps.get_model("django_celery_beat", "PeriodicTask")
    CrontabSchedule = apps.get_model("django_celery_beat", "CrontabSchedule")
    hourly, _ = CrontabSchedule.objects.get_or_create(
        minute="7", hour="*", day_of_week="*", day_of_month="*", month_of_year="*"
    )
    PeriodicTask.objects.get_or_create(
        name=NAME,
        defaults={
            "crontab": hourly,
            "task": "perfops.take_snapshot",
            "kwargs": '{"database": "default"}',
            # Missed while no worker was there: the next one will do.
            "expire_seconds": 1800,
            "description": "Counters alone, so that an analysis can look back by any hours.",
        },
    )


def unload(apps, schema_editor):
    apps.get_model("django_celery_beat", "PeriodicTask").objects.filter(name=NAME).delete()


class Migration(migrations.Migration):
    dependencies = [("perfops", "0003_schedules")]
    operations = [
        migrations.RemoveField(model_name="analysis", name="snapshot"),
        migrations.AddField(
            model_name="analysis", name="covered", field=models.FloatField(null=True)
        ),
        migrations.AddField(
            model_name="analysis", name="notes", field=models.JSONField(blank=True, default=list)
        ),
        migrations.CreateModel(
            name="StoredSnapshot",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("database", models.CharField(max_length=100)),
                ("taken_at", models.DateTimeField(help_text="By the clock of the database.")),
                ("packed", models.BinaryField(null=True)),
                ("database_bytes", models.BigIntegerField(null=True)),
                (
                    "analysis",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="stored",
                        to="perfops.analysis",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["database", "-taken_at"], name="perfops_snapshot_newest")
                ],
            },
        ),
        migrations.RunPython(load, unload),
    ]
