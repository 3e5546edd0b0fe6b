"""What only staff sees is found without a walk through all the rest."""

from django.conf import settings
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [
        ("profiles", "0003_profile_indexes"),
        ("taxonomy", "0002_reference_data"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        migrations.AlterModelOptions(
            name="education", options={"verbose_name_plural": "education"}
        ),
        migrations.AlterModelOptions(
            name="experience", options={"verbose_name_plural": "experience"}
        ),
        AddIndexConcurrently(
            model_name="profile",
            index=models.Index(
                fields=["-created_at", "-id"],
                condition=models.Q(("is_active", False)),
                name="profiles_profile_inactive",
            ),
        ),
    ]
