from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """Lets old sessions be found and deleted in batches."""

    atomic = False
    dependencies = [("accounts", "0004_audit")]
    operations = [
        AddIndexConcurrently(
            model_name="session",
            index=models.Index(
                condition=models.Q(("ended_at__isnull", False)),
                fields=["ended_at"],
                name="accounts_session_ended",
            ),
        ),
    ]
