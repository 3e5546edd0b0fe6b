"""What a recommended index is: one that was made under another name is known by it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("perfops", "0020_querytemplate_stack")]

    operations = [
        migrations.AddField(
            "recommendation",
            "identity",
            models.TextField(
                blank=True,
                db_default="",
                default="",
                help_text="What the index is, whatever its name. Empty: it is known by its name.",
            ),
        ),
    ]
