"""Origins of the last hour by the minute, the relation followed, and sums of whole requests."""

from django.db import migrations, models

_KINDS = [
    ("request", "request"), ("task", "task"), ("command", "command"), ("process", "process"),
]  # fmt: skip
_SPANS = [("minute", "minute"), ("hour", "hour"), ("day", "day"), ("month", "month")]


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
