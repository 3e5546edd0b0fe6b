"""Budgets name a metric of the registry; results hold the response time from the scheduled start."""

from django.db import migrations, models

import perfops.models.budgets


class Migration(migrations.Migration):
    dependencies = [("perfops", "0014_finding_statement_help")]

    operations = [
        migrations.AlterField(
            "budget",
            "metric",
            models.CharField(choices=perfops.models.budgets.metric_choices, max_length=30),
        ),
        *[
            migrations.AddField(model, name, models.FloatField(null=True))
            for model in ("sample", "routeresult")
            for name in ("scheduled_p95_ms", "scheduled_p99_ms")
        ],
    ]
