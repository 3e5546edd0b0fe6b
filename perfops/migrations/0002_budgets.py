"""The six budgets: metric, target, threshold, action. Latency in ms, shares from 0 to 1."""

from django.db import migrations

BUDGETS = [
    ("latency_p95", 300, 500, "fail"),
    ("latency_p99", 500, 1000, "warn"),
    ("error_rate", 0.01, 0.05, "fail"),
    ("cache_hit_rate", 0.85, 0.70, "alert"),
    ("db_cache_hit_rate", 0.95, 0.90, "alert"),
    ("throughput", 1000, 500, "warn"),
]


def load(apps, schema_editor):
    budgets = apps.get_model("perfops", "Budget").objects.using(schema_editor.connection.alias)
    for metric, target, threshold, action in BUDGETS:
        budgets.create(metric=metric, target=target, threshold=threshold, action=action)


class Migration(migrations.Migration):
    dependencies = [("perfops", "0001_initial")]
    operations = [migrations.RunPython(load, migrations.RunPython.noop)]
