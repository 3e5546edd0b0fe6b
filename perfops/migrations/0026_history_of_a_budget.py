"""The history of a budget is read by its metric and route."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("perfops", "0025_evaluations_outlive_budgets")]

    operations = [
        AddIndexConcurrently(
            "evaluation",
            models.Index(fields=["metric", "route", "run"], name="perfops_evaluation_history"),
        ),
    ]
