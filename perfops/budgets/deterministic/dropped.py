"""Indexes that are gone, and the migrations that dropped them."""

import inspect
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from django.db import DatabaseError, connections
from django.db.migrations import operations
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation

_THERE = "SELECT relname FROM pg_class WHERE relkind IN ('i', 'I') AND relname = ANY(%s)"
_NAMED = (operations.RemoveIndex, operations.RemoveConstraint)
# The names of their indexes begin with those of table and column.
_OF_FIELDS = (operations.AlterField, operations.RemoveField)


class Dropping(NamedTuple):
    """A migration ("shop.0012_no_index"), and its file from the working directory on."""

    name: str
    file: str


def gone(names: Sequence[str]) -> list[str]:
    """Return those of the indexes ``names`` that no PostgreSQL database of ours has any more."""
    there: set[str] = set()
    for alias in connections:
        if connections[alias].vendor != "postgresql":
            continue
        try:
            with connections[alias].cursor() as cursor:
                cursor.execute(_THERE, [list(names)])
                there |= {name for (name,) in cursor.fetchall()}
        except DatabaseError:
            continue
    return [name for name in names if name not in there]


def by_migrations(names: Collection[str]) -> dict[str, Dropping]:
    """Return the newest migration that drops each of the indexes; without those of no migration."""
    if not names:
        return {}
    loader = MigrationLoader(None)
    found: dict[str, Dropping] = {}
    for app, name in _in_order(loader):
        migration = loader.disk_migrations[app, name]
        for operation in _flat(migration.operations):
            for index in names:
                if drops(operation, index):
                    found[index] = Dropping(f"{app}.{name}", _file_of(type(migration)))
    return found


def _in_order(loader: MigrationLoader) -> Iterator[tuple[str, str]]:
    seen = set()
    for leaf in sorted(loader.graph.leaf_nodes()):
        for key in loader.graph.forwards_plan(leaf):
            if key not in seen and key in loader.disk_migrations:
                seen.add(key)
                yield key


def _flat(those: Sequence[Operation]) -> Iterator[Operation]:
    for each in those:
        if isinstance(each, operations.SeparateDatabaseAndState):
            yield from _flat(each.database_operations)
        else:
            yield each


def drops(operation: Operation, index: str) -> bool:
    """Say whether the operation drops the index of that name."""
    if isinstance(operation, _NAMED):
        return bool(operation.name == index)
    if isinstance(operation, operations.RunSQL):
        return _says_drop(operation.sql, index)
    if getattr(getattr(operation, "field", None), "db_index", False):
        return False
    if isinstance(operation, _OF_FIELDS):
        columns = (operation.name, f"{operation.name}_id")
        return any(f"_{operation.model_name}_{c}_".lower() in f"_{index}_" for c in columns)
    return False


def _says_drop(sql: object, index: str) -> bool:
    """``sql``: as ``RunSQL`` takes it: a text, or a list of texts or (text, parameters)."""
    texts = [str(each) for each in sql] if isinstance(sql, list | tuple) else [str(sql)]
    pattern = re.compile(rf"drop\s+(?:index|constraint)\b[^;]*\b{re.escape(index)}\b", re.I)
    return any(pattern.search(text) for text in texts)


def _file_of(migration: type) -> str:
    file = Path(inspect.getfile(migration))
    here = Path.cwd()
    return file.relative_to(here).as_posix() if file.is_relative_to(here) else str(file)
