"""The rate at which a run is to go on."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("perfops", "0033_messages_of_jobs"),
    ]

    operations = [
        migrations.AddField(
            model_name="loadrun",
            name="wanted_rate",
            field=models.JSONField(blank=True, null=True),
        ),
    ]
