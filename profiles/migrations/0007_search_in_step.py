"""Triggers keep the words of public profiles in step; what is there already is read once.

Nobody waits for it: each trigger's lock is held for a moment, the profiles are read in small steps,
each one transaction, and the index is built last and concurrently. All but the index can be done
again when it was interrupted.
"""

from typing import Any
from uuid import UUID

import django.contrib.postgres.indexes
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, transaction

_STEP = 2000
_NEW, _OLD = "NEW TABLE AS new_rows", "OLD TABLE AS old_rows"
_TABLES = {"INSERT": _NEW, "UPDATE": f"{_OLD} {_NEW}", "DELETE": _OLD}
_WATCHED = {
    ("profiles_profile", "of_profiles"): ("INSERT", "UPDATE", "DELETE"),
    ("profiles_skill", "of_skills"): ("INSERT", "UPDATE", "DELETE"),
    ("taxonomy_mask", "of_masks"): ("UPDATE",),
}


def _triggers() -> list[migrations.RunSQL]:
    """One for each statement, however many rows it writes."""
    return [
        migrations.RunSQL(
            f"CREATE OR REPLACE TRIGGER profiles_search_{event.lower()} AFTER {event} ON {table} "
            f"REFERENCING {_TABLES[event]} FOR EACH STATEMENT "
            f"EXECUTE FUNCTION profiles_search_{function}()",
            f"DROP TRIGGER IF EXISTS profiles_search_{event.lower()} ON {table}",
        )
        for (table, function), events in _WATCHED.items()
        for event in events
    ]


def read_what_is_there(apps: Any, schema_editor: Any) -> None:
    connection, last = schema_editor.connection, UUID(int=0)
    while last is not None:
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            cursor.execute(
                "SELECT array_agg(id ORDER BY id) FROM (SELECT id FROM profiles_profile "
                "WHERE id > %s ORDER BY id LIMIT %s) step",
                [last, _STEP],
            )
            keys = cursor.fetchone()[0]
            cursor.execute("SELECT profiles_search_refresh(%s)", [keys])
        last = keys[-1] if keys else None


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("profiles", "0006_search")]
    operations = [
        *_triggers(),
        migrations.RunPython(read_what_is_there, migrations.RunPython.noop),
        AddIndexConcurrently(
            model_name="profilesearch",
            index=django.contrib.postgres.indexes.GinIndex(
                fields=["document"], name="profiles_search_document"
            ),
        ),
    ]
