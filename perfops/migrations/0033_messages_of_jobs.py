"""What a job's worker was sent, so that it can be sent again."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("perfops", "0032_schedule_outcomes"),
    ]

    operations = [
        migrations.AddField(
            model_name=model,
            name=name,
            field=field,
        )
        for model in ("analysis", "loadrun")
        for name, field in (
            ("message", models.JSONField(blank=True, null=True)),
            (
                "queued_again_at",
                models.DateTimeField(
                    blank=True, help_text="When its message was last sent again.", null=True
                ),
            ),
        )
    ]
