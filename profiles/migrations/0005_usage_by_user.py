"""What was used this far counts for the owner; each profile keeps its own rows."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

_COUNT = """
INSERT INTO profiles_userusage (user_id, feature, period_start, period_end, used)
SELECT owner_id, feature, period_start, max(period_end), least(sum(used), 2147483647)
FROM profiles_usagequota JOIN profiles_profile ON profiles_profile.id = profile_id
GROUP BY owner_id, feature, period_start
ON CONFLICT DO NOTHING
"""


class Migration(migrations.Migration):
    dependencies = [
        ("profiles", "0004_inactive_profiles"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="UserUsage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "feature",
                    models.CharField(
                        choices=[
                            ("job_applications", "job applications"),
                            ("narratives", "narratives"),
                            ("exports", "exports"),
                        ],
                        max_length=20,
                    ),
                ),
                ("period_start", models.DateTimeField()),
                ("period_end", models.DateTimeField()),
                ("used", models.PositiveIntegerField(default=0)),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "user usage",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("user", "feature", "period_start"),
                        include=("used", "period_end"),
                        name="profiles_userusage_period",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("period_end__gt", models.F("period_start"))),
                        name="profiles_userusage_period_in_order",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("feature__in", ["job_applications", "narratives", "exports"])
                        ),
                        name="profiles_userusage_feature_known",
                    ),
                ],
            },
        ),
        migrations.RunSQL(_COUNT, migrations.RunSQL.noop),
    ]
