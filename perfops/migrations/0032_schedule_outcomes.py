"""How schedules ended last."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("perfops", "0031_capacity_reviews"),
    ]

    operations = [
        migrations.CreateModel(
            name="ScheduleOutcome",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=200, unique=True)),
                ("ended_at", models.DateTimeField()),
                ("error", models.CharField(blank=True, max_length=300)),
            ],
        ),
    ]
