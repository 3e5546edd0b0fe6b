"""Columns and tables take the names that the field uses; no data changes."""

from django.db import migrations, models

_RENAME = 'ALTER TABLE "perfops_occurrence" RENAME CONSTRAINT "{}" TO "{}"'.format


class Migration(migrations.Migration):
    dependencies = [("perfops", "0011_n_plus_one_by_statement")]

    operations = [
        migrations.RenameField("queryorigin", "units", "executions"),
        migrations.RenameField("queryorigin", "most_calls", "max_calls_per_execution"),
        migrations.RenameModel("Sighting", "Occurrence"),
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    _RENAME("perfops_sighting_unique", "perfops_occurrence_unique"),
                    _RENAME("perfops_occurrence_unique", "perfops_sighting_unique"),
                )
            ],
            state_operations=[
                migrations.RemoveConstraint("occurrence", "perfops_sighting_unique"),
                migrations.AddConstraint(
                    "occurrence",
                    models.UniqueConstraint(
                        fields=["analysis", "finding"], name="perfops_occurrence_unique"
                    ),
                ),
            ],
        ),
        migrations.AlterField(
            "loadrun",
            "worker",
            models.CharField(
                blank=True, db_default="", help_text="host:pid that claimed it.", max_length=200
            ),
        ),
        migrations.AlterField(
            "occurrence",
            "analysis",
            models.ForeignKey(
                db_index=False,
                on_delete=models.CASCADE,
                related_name="occurrences",
                to="perfops.analysis",
            ),
        ),
        migrations.AlterField(
            "occurrence",
            "finding",
            models.ForeignKey(
                on_delete=models.CASCADE, related_name="occurrences", to="perfops.finding"
            ),
        ),
    ]
