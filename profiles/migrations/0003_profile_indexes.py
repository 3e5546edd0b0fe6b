"""Indexes on a table that may be large already: nobody waits for them."""

import django.core.validators
import django.db.models.deletion
import django.db.models.functions.comparison
import django.db.models.functions.text
from django.conf import settings
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

import profiles.models.profile

# The index that Django made for the foreign key, by the name that it gave it.
DROP_OLD = "DROP INDEX CONCURRENTLY IF EXISTS profiles_profile_owner_id_91c6cc2a"
MAKE_OLD = "CREATE INDEX CONCURRENTLY IF NOT EXISTS profiles_profile_owner_id_91c6cc2a ON profiles_profile (owner_id)"


class Migration(migrations.Migration):
    atomic = False
    dependencies = [
        ("profiles", "0002_domain"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        # The new index by owner comes first, the one that it replaces goes after it.
        AddIndexConcurrently(
            model_name="profile",
            index=models.Index(
                django.db.models.functions.comparison.Collate(
                    django.db.models.functions.text.Lower("display_name"), "C"
                ),
                models.F("id"),
                condition=models.Q(("is_active", True), ("visibility", "public")),
                name="profiles_profile_name",
            ),
        ),
        AddIndexConcurrently(
            model_name="profile",
            index=models.Index(
                fields=["owner", "-created_at", "-id"], name="profiles_profile_owner"
            ),
        ),
        # Django would make the foreign key anew as well, and check every row under a lock.
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(DROP_OLD, reverse_sql=MAKE_OLD)],
            state_operations=[
                migrations.AlterField(
                    model_name="profile",
                    name="owner",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="profiles",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.AlterField(
            model_name="profile",
            name="slug",
            field=models.CharField(
                max_length=80,
                unique=True,
                validators=[
                    django.core.validators.RegexValidator("^[a-z0-9]+(?:-[a-z0-9]+)*\\Z"),
                    profiles.models.profile.check_not_a_uuid,
                    profiles.models.profile.check_not_reserved,
                ],
            ),
        ),
    ]
