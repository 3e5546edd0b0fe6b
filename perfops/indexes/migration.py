"""The change as Django writes it, and the proof that it is whole before anyone sees it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from django.apps import apps
from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import connections
from django.db.migrations import Migration
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.questioner import NonInteractiveMigrationQuestioner
from django.db.migrations.serializer import serializer_factory
from django.db.migrations.state import ProjectState
from django.db.migrations.writer import MigrationWriter
from django.db.models import Index, Model

from perfops.database.replicas import primary_of
from perfops.indexes.declaration import NotDjangos, index_of, model_of
from perfops.indexes.records import Candidate

Indexes = list[Index]
_MODELS = "from django.db import models"
_ATOMIC = "atomic = False"


@dataclass(frozen=True, slots=True)
class Change:
    """A migration, and the line that belongs into (or out of) ``Meta.indexes``.

    ``name`` without the ``.py``; ``imports`` are the lines that ``meta`` needs beside
    Django's models; ``sql`` is what the migration will run.
    """

    app_label: str
    model: str
    name: str
    text: str
    meta: str
    imports: tuple[str, ...]
    index_name: str
    sql: str


class Project:
    """The project's migrations and models as they are now, loaded once for many changes."""

    @cached_property
    def loader(self) -> MigrationLoader:
        return MigrationLoader(None)

    def add(self, candidate: Candidate, alias: str) -> Change:
        """Return the change that makes the index. Raises ``NotDjangos``."""
        model = model_of(candidate.table[1], alias)
        index = index_of(candidate, model)
        if any(each.name == index.name for each in model._meta.indexes):
            raise NotDjangos(
                f"{model._meta.label} declares it already, as {index.name}: run makemigrations, "
                "unless its migration is there, and migrate"
            )
        operation = AddIndexConcurrently(str(model._meta.model_name), index)
        return self._change(
            model, index, operation, alias, lambda indexes: [*indexes, index.clone()]
        )

    def remove(self, table: str, name: str, alias: str) -> Change:
        """Return the change that drops the index ``name``. Raises ``NotDjangos``."""
        model = model_of(table, alias)
        index = next((each for each in model._meta.indexes if each.name == name), None)
        if index is None:
            raise NotDjangos(
                f"{name} is not in {model._meta.label}.Meta.indexes: it comes from db_index, "
                "a foreign key or a hand-written migration; take it out there"
            )
        operation = RemoveIndexConcurrently(str(model._meta.model_name), name)
        return self._change(
            model, index, operation, alias,
            lambda indexes: [each for each in indexes if each.name != name],
        )  # fmt: skip

    def _change(
        self,
        model: type[Model],
        index: Index,
        operation: Operation,
        alias: str,
        declare: Callable[[Indexes], Indexes],
    ) -> Change:
        label = model._meta.app_label
        leaf = self.leaf(label)
        number = MigrationAutodetector.parse_number(leaf[1]) or 0
        verb = "add" if isinstance(operation, AddIndexConcurrently) else "remove"
        parts = {"atomic": False, "dependencies": [leaf], "operations": [operation]}
        made: type[Migration] = type("Migration", (Migration,), parts)
        migration = made(f"{number + 1:04d}_{verb}_{index.name}", label)
        before = self.loader.project_state()
        after = migration.mutate_state(before, preserve=True)
        self._check(before, after, (label, str(model._meta.model_name)), declare)
        line, imports = serializer_factory(index).serialize()
        return Change(
            app_label=label,
            model=model.__name__,
            name=migration.name,
            text=_text(migration),
            meta=f"{line},",
            imports=tuple(sorted(each for each in imports if each != _MODELS)),
            index_name=index.name,
            sql=_sql(operation, label, before, after, primary_of(alias)),
        )

    def leaf(self, label: str) -> tuple[str, str]:
        """Return the last migration of the app. Raises ``NotDjangos`` where there isn't one."""
        config = apps.get_app_config(label)
        leaves: list[tuple[str, str]] = self.loader.graph.leaf_nodes(label)
        if not leaves:
            raise NotDjangos(f"{config.name} has no migrations")
        if len(leaves) > 1:
            names = ", ".join(name for _, name in leaves)
            raise NotDjangos(f"{config.name} has two last migrations ({names}): merge them first")
        return leaves[0]

    def _check(
        self,
        before: ProjectState,
        after: ProjectState,
        model: tuple[str, str],
        declare: Callable[[Indexes], Indexes],
    ) -> None:
        """Raise ``NotDjangos`` unless ``makemigrations --check`` is as clean after as before."""
        models = ProjectState.from_apps(apps)
        was = self._pending(before, models)
        declared = models.clone()
        options = declared.models[model].options
        options["indexes"] = declare(list(options.get("indexes", [])))
        left = self._pending(after, declared)
        if left != was:
            raise NotDjangos(f"the migration would leave changes behind: {left}")

    def _pending(self, before: ProjectState, after: ProjectState) -> list[str]:
        detector = MigrationAutodetector(
            before, after, NonInteractiveMigrationQuestioner(dry_run=True)
        )
        changes: Mapping[str, list[Migration]] = detector.changes(graph=self.loader.graph)
        return sorted(
            f"{label}: {operation.describe()}"
            for label, migrations in changes.items()
            for migration in migrations
            for operation in migration.operations
        )


def _text(migration: Migration) -> str:
    text = MigrationWriter(migration, include_header=False).as_string()
    head = "class Migration(migrations.Migration):\n"
    # Without it PostgreSQL refuses to build concurrently; Django's writer knows it since 6.0.
    return text if _ATOMIC in text else text.replace(head, f"{head}\n    {_ATOMIC}\n", 1)


def _sql(
    operation: Operation, label: str, before: ProjectState, after: ProjectState, alias: str
) -> str:
    """Return what ``sqlmigrate`` shows. Raises ``NotDjangos`` where a router says no."""
    connection = connections[alias].copy()
    try:
        with connection.schema_editor(collect_sql=True, atomic=False) as editor:
            operation.database_forwards(label, editor, before, after)
        collected: list[str] = editor.collected_sql
    finally:
        connection.close()
    if not collected:
        raise NotDjangos(f"a database router keeps {label} out of {alias}")
    return "\n".join(collected)
