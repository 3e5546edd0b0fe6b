"""Which receiver has an alert: none is sent it twice."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("perfops", "0028_api_trigger")]

    operations = [
        migrations.CreateModel(
            name="AlertDelivery",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "receiver",
                    models.CharField(help_text="A digest: addresses are secrets.", max_length=64),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("sending", "sending"),
                            ("delivered", "delivered"),
                            ("failed", "failed"),
                        ],
                        default="sending",
                        max_length=10,
                    ),
                ),
                ("attempts", models.PositiveSmallIntegerField(default=1)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                (
                    "run",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="alerts",
                        to="perfops.loadrun",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("run", "receiver"), name="perfops_alertdelivery_unique"
                    )
                ],
            },
        ),
    ]
