"""What runs said of a budget stays when the budget is deleted: its metric, route and action are kept.

Back, a budget that is gone is made again, turned off, for the rows that need one.
"""

import django.db.models.deletion
from django.db import migrations, models

KEEP = """
UPDATE perfops_evaluation e SET metric = b.metric, route = b.route, action = b.action
FROM perfops_budget b WHERE b.id = e.budget_id
"""
# Where the budget was made anew, it may have judged the same run again: that row counts.
GIVE_BACK = """
UPDATE perfops_evaluation e SET metric = b.metric, route = b.route, action = b.action
FROM perfops_budget b WHERE b.id = e.budget_id AND e.metric = '';
INSERT INTO perfops_budget (metric, route, target, threshold, action, enabled)
SELECT DISTINCT ON (metric, route) metric, route, target, threshold, action, false
FROM perfops_evaluation WHERE budget_id IS NULL ORDER BY metric, route, id DESC
ON CONFLICT (metric, route) DO NOTHING;
UPDATE perfops_evaluation e SET budget_id = b.id
FROM perfops_budget b
WHERE e.budget_id IS NULL AND b.metric = e.metric AND b.route = e.route
AND NOT EXISTS (
    SELECT FROM perfops_evaluation other
    WHERE other.run_id = e.run_id AND other.id <> e.id
    AND (other.budget_id = b.id OR (
        other.budget_id IS NULL AND other.id > e.id
        AND other.metric = e.metric AND other.route = e.route
    ))
);
DELETE FROM perfops_evaluation WHERE budget_id IS NULL;
"""


class Migration(migrations.Migration):
    dependencies = [("perfops", "0024_decisions")]

    operations = [
        migrations.AddField(
            "evaluation",
            "metric",
            models.CharField(blank=True, db_default="", default="", max_length=30),
        ),
        migrations.AddField(
            "evaluation",
            "route",
            models.CharField(blank=True, db_default="", default="", max_length=200),
        ),
        migrations.AddField(
            "evaluation",
            "action",
            models.CharField(
                blank=True,
                choices=[("fail", "CI fails"), ("alert", "alert"), ("warn", "warning")],
                db_default="",
                default="",
                max_length=10,
            ),
        ),
        # Django would make the foreign key anew as well, and check every row under a lock.
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    "evaluation",
                    "budget",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="evaluations",
                        to="perfops.budget",
                    ),
                )
            ],
            database_operations=[
                migrations.RunSQL(
                    "ALTER TABLE perfops_evaluation ALTER COLUMN budget_id DROP NOT NULL",
                    "ALTER TABLE perfops_evaluation ALTER COLUMN budget_id SET NOT NULL",
                )
            ],
        ),
        migrations.RunSQL(KEEP, f"{GIVE_BACK} SET CONSTRAINTS ALL IMMEDIATE"),
    ]
