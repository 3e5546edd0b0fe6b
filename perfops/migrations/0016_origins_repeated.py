"""How many executions repeat a statement, and how often: a mean hides ten among a thousand."""

from django.db import migrations, models

# What was counted before knows the mean alone.
_BY_THE_MEAN = """UPDATE perfops_queryorigin
    SET repeated_executions = executions, repeated_calls = calls
    WHERE executions > 0 AND calls >= 5 * executions"""


class Migration(migrations.Migration):
    dependencies = [("perfops", "0015_budget_metrics_from_a_registry")]

    operations = [
        migrations.AddField(
            "queryorigin", "repeated_executions", models.BigIntegerField(db_default=0)
        ),
        migrations.AddField("queryorigin", "repeated_calls", models.BigIntegerField(db_default=0)),
        migrations.RunSQL(_BY_THE_MEAN, migrations.RunSQL.noop),
    ]
