"""Origins of the last hour by the minute, the relation followed, and sums of whole requests."""

from django.db import migrations, models

_KINDS = [
    ("request", "request"), ("task", "task"), ("command", "command"), ("process", "process"),
]  # fmt: skip
_SPANS = [("minute", "minute"), ("hour", "hour"), ("day", "day"), ("month", "month")]
# Backwards minutes become hours, as they would have with time. What waits for a foreign key is
# checked at once: a table with checks that wait can't be altered.
_FOLD = """
WITH minutes AS (DELETE FROM perfops_queryorigin WHERE span = 'minute' RETURNING *)
INSERT INTO perfops_queryorigin AS kept (template_id, site, function, kind, name, span, at, calls,
    total_ms, rows, executions, max_calls_per_execution, repeated_executions, repeated_calls,
    relation)
SELECT template_id, site, max(function), kind, name, 'hour',
    date_trunc('hour', at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC', sum(calls), sum(total_ms),
    sum(rows), sum(executions), max(max_calls_per_execution), sum(repeated_executions),
    sum(repeated_calls), max(relation)
FROM minutes GROUP BY template_id, site, kind, name, 7
ON CONFLICT (template_id, at, span, kind, name, site) DO UPDATE SET
    calls = kept.calls + excluded.calls,
    total_ms = kept.total_ms + excluded.total_ms,
    rows = kept.rows + excluded.rows,
    executions = kept.executions + excluded.executions,
    repeated_executions = kept.repeated_executions + excluded.repeated_executions,
    repeated_calls = kept.repeated_calls + excluded.repeated_calls,
    max_calls_per_execution =
        greatest(kept.max_calls_per_execution, excluded.max_calls_per_execution);
SET CONSTRAINTS ALL IMMEDIATE;
SET CONSTRAINTS ALL DEFERRED
"""


class Migration(migrations.Migration):
    dependencies = [("perfops", "0018_texts_without_values")]

    operations = [
        migrations.AddField(
            "queryorigin",
            "relation",
            models.CharField(blank=True, db_default="", default="", max_length=200),
        ),
        migrations.AlterField(
            "queryorigin",
            "span",
            models.CharField(choices=_SPANS, default="hour", max_length=6),
        ),
        migrations.AlterField(
            "queryorigin",
            "at",
            models.DateTimeField(help_text="Where the minute, hour, day or month begins, in UTC."),
        ),
        migrations.RunSQL(migrations.RunSQL.noop, _FOLD),
        migrations.CreateModel(
            "ScopeTotal",
            [
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("database", models.CharField(help_text="Alias in DATABASES.", max_length=100)),
                ("kind", models.CharField(choices=_KINDS, max_length=10)),
                ("name", models.CharField(help_text="Route, task or command.", max_length=300)),
                ("span", models.CharField(choices=_SPANS, default="hour", max_length=6)),
                (
                    "at",
                    models.DateTimeField(
                        help_text="Where the minute, hour, day or month begins, in UTC."
                    ),
                ),
                ("executions", models.BigIntegerField()),
                ("calls", models.BigIntegerField()),
                ("total_ms", models.FloatField()),
                ("max_calls_per_execution", models.BigIntegerField()),
                ("repeated_calls", models.BigIntegerField()),
            ],
            options={
                "verbose_name": "statements per request",
                "verbose_name_plural": "statements per request",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("at", "span", "database", "kind", "name"),
                        name="perfops_scope_unique",
                    )
                ],
            },
        ),
    ]
