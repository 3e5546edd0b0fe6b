"""Foreign keys whose unique constraint begins with them: its index serves both.

One of the tables may hold millions of rows that are written every half minute: each index goes
without keeping anyone from its table.
"""

import django.db.models.deletion
from django.db import migrations, models

# model, field, its model, related name, and the index by the name that Django has given it.
KEYS = [
    ("evaluation", "budget", "budget", "evaluations", "perfops_evaluation_budget_id_7874b289"),
    ("queryorigin", "template", "querytemplate", "origins",
     "perfops_queryorigin_template_id_a6d745f4"),
    ("routeresult", "run", "loadrun", "routes", "perfops_routeresult_run_id_09f8ddf2"),
    ("sample", "run", "loadrun", "samples", "perfops_sample_run_id_c492379e"),
    ("sighting", "analysis", "analysis", "sightings", "perfops_sighting_analysis_id_fa21e91f"),
]  # fmt: skip


def dropped(model, field, to, related_name, index):
    key = models.ForeignKey(
        on_delete=django.db.models.deletion.CASCADE, to=f"perfops.{to}",
        related_name=related_name, db_index=False,
    )  # fmt: skip
    # Django would make the foreign key anew as well, and check every row under a lock.
    return migrations.SeparateDatabaseAndState(
        state_operations=[migrations.AlterField(model, field, key)],
        database_operations=[
            migrations.RunSQL(
                f"DROP INDEX CONCURRENTLY IF EXISTS {index}",
                f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {index} ON perfops_{model} ({field}_id)",
            )
        ],
    )


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("perfops", "0009_finding_queryids")]
    operations = [dropped(*key) for key in KEYS]
