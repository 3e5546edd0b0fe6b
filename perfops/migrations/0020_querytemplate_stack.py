"""The stack of a statement: the project's frames when it was sent."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("perfops", "0019_origins_by_the_minute")]

    operations = [
        migrations.AddField(
            "querytemplate", "stack", models.TextField(blank=True, db_default="", default="")
        ),
    ]
