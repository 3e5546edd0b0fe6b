"""A migration leaves the code of the release before working: web is replaced while it is applied.

First add (with a default in the database), then deploy, then remove in a later release. A
migration that removes what no released code uses any more says so:
``contracts = "since RELEASE nobody ..."``.
RunSQL and RunPython are not looked into.
"""

from collections.abc import Iterator

import pytest
from django.db import migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.models.fields import NOT_PROVIDED

# The newest migrations when this rule came: they and those before are in databases already.
BEFORE = {
    "accounts": "0005", "operations": "0001", "perfops": "0022", "profiles": "0009",
    "taxonomy": "0002",
}  # fmt: skip
REMOVES = (
    migrations.RemoveField, migrations.DeleteModel, migrations.RenameField,
    migrations.RenameModel, migrations.AlterModelTable,
)  # fmt: skip


def broken(operations: list[Operation]) -> Iterator[str]:
    """Say of each operation what it would break in the release before."""
    made = {each.name.lower() for each in operations if isinstance(each, migrations.CreateModel)}
    for each in operations:
        what = each.describe()
        if isinstance(each, migrations.SeparateDatabaseAndState):
            yield from broken(list(each.database_operations))
        elif isinstance(each, REMOVES):
            yield f"{what}: the release before still asks for it"
        elif getattr(each, "model_name", "").lower() in made:
            continue
        elif isinstance(each, (migrations.AddField, migrations.AlterField)):
            yield from _field(each)
        elif type(each) is migrations.AddIndex:
            yield f"{what}: no row can be written meanwhile (AddIndexConcurrently)"


def _field(operation: migrations.AddField | migrations.AlterField) -> Iterator[str]:
    field, what = operation.field, operation.describe()
    if isinstance(field, models.ManyToManyField) or field.null:
        return
    if field.db_default is not NOT_PROVIDED:
        return
    if isinstance(operation, migrations.AddField):
        yield f"{what}: the release before inserts rows without it (db_default, null)"
    elif not operation.preserve_default:
        yield f"{what}: the release before still writes NULL"


def test_no_new_migration_breaks_the_release_before() -> None:
    ours = {
        f"{app}.{name}": list(broken(migration.operations))
        for (app, name), migration in MigrationLoader(None).disk_migrations.items()
        if migration.__module__.startswith(("midst.", "perfops.", "profiles.", "taxonomy."))
        and not getattr(migration, "contracts", "")
    }
    new = {name: bad for name, bad in ours.items() if name.split(".")[1][:4] > _before(name)}
    assert {name: bad for name, bad in new.items() if bad} == {}
    # It does see what the older ones did.
    assert ours["perfops.0012_one_word_per_thing"]


def _before(name: str) -> str:
    return BEFORE.get(name.split(".")[0], "")


@pytest.mark.parametrize(
    "operation",
    [
        migrations.RemoveField("profile", "title"),
        migrations.DeleteModel("profile"),
        migrations.RenameField("profile", "title", "headline"),
        migrations.AddField("profile", "age", models.IntegerField()),
        migrations.AddField("profile", "age", models.IntegerField(default=1)),
        migrations.AddIndex("profile", models.Index(fields=["title"], name="by_title")),
        migrations.SeparateDatabaseAndState([migrations.RemoveField("profile", "title")]),
    ],
)
def test_what_the_release_before_could_not_stand_is_refused(operation: Operation) -> None:
    assert len(list(broken([operation]))) == 1


@pytest.mark.parametrize(
    "operation",
    [
        migrations.AddField("profile", "age", models.IntegerField(null=True)),
        migrations.AddField("profile", "age", models.IntegerField(db_default=1)),
        migrations.SeparateDatabaseAndState(
            state_operations=[migrations.RemoveField("profile", "title")]
        ),
    ],
)
def test_what_it_does_not_notice_is_not(operation: Operation) -> None:
    assert list(broken([operation])) == []


def test_a_table_that_is_new_may_get_anything() -> None:
    new = migrations.CreateModel("Note", [("id", models.BigAutoField(primary_key=True))])
    field = migrations.AddField("note", "age", models.IntegerField())
    index = migrations.AddIndex("note", models.Index(fields=["age"], name="by_age"))
    assert list(broken([new, field, index])) == []
