"""Snapshots in rows of their own, packed; analyses before this lose theirs."""

import django.db.models.deletion
from django.db import migrations, models


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
    ]
