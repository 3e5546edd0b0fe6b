"""Where models and database differ: tables, columns, indexes, constraints, migrations.

Names tell those that a model names; what Django makes by itself (for a foreign key, ``db_index``,
``unique``) is told by its columns.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
from django.db import connections
from django.db.backends.utils import CursorWrapper
from django.db.migrations.loader import MigrationLoader
from django.db.models import Index, Model

from perfops.database import connections as session
from perfops.database import packages
from perfops.database.connections import MARK
from perfops.formatting import identifier

_TABLES = f"""{MARK} SELECT c.relname, array_agg(a.attname::text)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
        AND NOT a.attisdropped
    WHERE c.relkind IN ('r', 'p') AND pg_table_is_visible(c.oid) AND c.relname = ANY(%s)
    GROUP BY 1"""
# Those of a constraint are told with it.
_INDEXES = f"""{MARK} SELECT c.relname, x.relname, i.indisunique,
        ARRAY(SELECT a.attname::text FROM unnest(i.indkey) WITH ORDINALITY k(number, place)
            LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number
            ORDER BY place)
    FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_class c ON c.oid = i.indrelid
    WHERE pg_table_is_visible(c.oid) AND c.relname = ANY(%s) AND NOT i.indisprimary
        AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = x.oid
            AND k.conrelid = c.oid AND k.contype IN ('p', 'u', 'x'))"""
_CONSTRAINTS = f"""{MARK} SELECT c.relname, k.conname, k.contype::text,
        ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY n(number, place)
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = n.number ORDER BY place)
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
    WHERE pg_table_is_visible(c.oid) AND c.relname = ANY(%s)
        AND k.contype IN ('c', 'f', 'u', 'x')"""
_HAS_MIGRATIONS = f"{MARK} SELECT to_regclass('django_migrations') IS NOT NULL"


class Drift(msgspec.Struct, frozen=True):
    """One difference. ``side``: "missing" in the database, or "extra": no model declares it.

    ``statement`` makes what is missing, where that takes no migration.
    """

    kind: str  # table, column, index, constraint, migration
    side: str
    table: str
    name: str
    model: str = ""
    statement: str = ""


@dataclass(slots=True)
class _Found:
    """What one table has: name to (columns, type)."""

    columns: set[str] = field(default_factory=set)
    indexes: dict[str, tuple[tuple[str, ...], str]] = field(default_factory=dict)
    constraints: dict[str, tuple[tuple[str, ...], str]] = field(default_factory=dict)


def find(database: str) -> tuple[Drift, ...]:
    """Return the differences between the models and the database behind the alias ``database``.

    Empty where it was never migrated. Raises ``django.db.Error``. Five queries.
    """
    # On other connections, so before ours: a pool that lends out one would have each wait for the
    # other.
    unapplied, unknown = _migrations(database)
    models_of = packages.models_of(database)
    with session.reading(database) as cursor:
        cursor.execute(_HAS_MIGRATIONS)
        if not cursor.fetchone()[0]:
            return ()
        models = [
            model
            for model in models_of
            if model._meta.can_migrate(cursor.db) and '"' not in model._meta.db_table
        ]
        tables = _tables(cursor, sorted({model._meta.db_table for model in models}))
        found = [*_as_migrations(unapplied, "missing"), *_as_migrations(unknown, "extra")]
        # What a migration would make or has made is told by the migration.
        behind, ahead = {app for app, _ in unapplied}, {app for app, _ in unknown}
        for model in models:
            leave_out = {
                side
                for side, labels in (("missing", behind), ("extra", ahead))
                if model._meta.app_label in labels
            }
            differences = _of_model(model, tables.get(model._meta.db_table), cursor)
            found += [each for each in differences if each.side not in leave_out]
    return tuple(found)


def _migrations(database: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return the migrations that are not applied, and those that no file has."""
    loader = MigrationLoader(connections[database])
    applied = set(loader.applied_migrations)
    replaced = {old for each in loader.disk_migrations.values() for old in each.replaces}
    known = set(loader.disk_migrations) | replaced
    return (
        sorted(node for node in loader.graph.nodes if node not in applied),
        sorted(each for each in applied - known if each[0] in loader.migrated_apps),
    )


def _as_migrations(found: Iterable[tuple[str, str]], side: str) -> Iterator[Drift]:
    for app, name in found:
        yield Drift("migration", side, app, name)


def _tables(cursor: CursorWrapper, names: list[str]) -> dict[str, _Found]:
    cursor.execute(_TABLES, [names])
    tables = {table: _Found(columns=set(columns)) for table, columns in cursor.fetchall()}
    cursor.execute(_INDEXES, [names])
    for table, name, is_unique, columns in cursor.fetchall():
        tables[table].indexes[name] = (tuple(columns), "unique" if is_unique else "")
    cursor.execute(_CONSTRAINTS, [names])
    for table, name, kind, columns in cursor.fetchall():
        tables[table].constraints[name] = (tuple(columns), kind)
    return tables


def _of_model(model: type[Model], table: _Found | None, cursor: CursorWrapper) -> Iterator[Drift]:
    name, label = model._meta.db_table, model._meta.label
    if table is None:
        yield Drift("table", "missing", name, name, label)
        return
    declared = {str(each.column) for each in model._meta.local_concrete_fields}
    for column in sorted(declared - table.columns):
        yield Drift("column", "missing", name, column, label)
    for column in sorted(table.columns - declared):
        yield Drift("column", "extra", name, column, label)
    indexes, constraints = dict(table.indexes), dict(table.constraints)
    yield from _named(model, indexes, constraints, cursor)
    yield from _by_columns(model, declared & table.columns, indexes, constraints, cursor)
    for index in sorted(indexes):
        yield Drift("index", "extra", name, index, label)
    for constraint in sorted(constraints):
        yield Drift("constraint", "extra", name, constraint, label)


_Parts = dict[str, tuple[tuple[str, ...], str]]


def _named(
    model: type[Model], indexes: _Parts, constraints: _Parts, cursor: CursorWrapper
) -> Iterator[Drift]:
    """Compare what the model names, and take it out of the parts."""
    for each in (*model._meta.indexes, *model._meta.constraints):
        kind = "index" if isinstance(each, Index) else "constraint"
        # The server cuts a longer name. A unique constraint with a condition is an index to it.
        stored = each.name.encode()[: cursor.db.ops.max_name_length()].decode(errors="ignore")
        if indexes.pop(stored, None) or constraints.pop(stored, None):
            continue
        editor = cursor.db.schema_editor(collect_sql=True, atomic=False)
        if isinstance(each, Index):
            made: Any = each.create_sql(model, editor, concurrently=True)
        else:
            made = each.create_sql(model, editor)
        statement = f"{made};" if made else ""
        yield Drift(kind, "missing", model._meta.db_table, each.name, model._meta.label, statement)


def _by_columns(
    model: type[Model],
    present: set[str],
    indexes: _Parts,
    constraints: _Parts,
    cursor: CursorWrapper,
) -> Iterator[Drift]:
    """Compare what Django makes for the fields, and take it out of the parts."""
    table = identifier(model._meta.db_table)
    for each in model._meta.local_concrete_fields:
        if str(each.column) in present:
            if each.db_check(cursor.db):
                _take(constraints, (str(each.column),), "c")
            yield from _of_field(model, each, indexes, constraints)
            yield from _reference(model, each, constraints)
    for names in model._meta.unique_together:
        fields: list[Any] = [model._meta.get_field(name) for name in names]
        key = tuple(str(each.column) for each in fields)
        if not _take(constraints, key, "u"):
            columns = ", ".join(map(identifier, key))
            yield _missing(model, "constraint", key, f"ALTER TABLE {table} ADD UNIQUE ({columns});")


def _of_field(
    model: type[Model], each: Any, indexes: _Parts, constraints: _Parts
) -> Iterator[Drift]:
    """``each``: a field; django-stubs know not all that it has."""
    table, key = identifier(model._meta.db_table), (str(each.column),)
    column = identifier(*key)
    # Beside its own index a text that is unique has one for LIKE.
    has_index = (each.unique or each.db_index) and _take(indexes, key, "")
    if each.unique:
        if not each.primary_key and not _take(constraints, key, "u"):
            yield _missing(model, "constraint", key, f"ALTER TABLE {table} ADD UNIQUE ({column});")
    elif each.db_index and not has_index:
        yield _missing(model, "index", key, f"CREATE INDEX CONCURRENTLY ON {table} ({column});")


def _reference(model: type[Model], each: Any, constraints: _Parts) -> Iterator[Drift]:
    if not each.remote_field or not getattr(each, "db_constraint", False):
        return
    key = (str(each.column),)
    if not _take(constraints, key, "f"):
        table, other = identifier(model._meta.db_table), each.target_field
        column = identifier(*key)
        target = f"{identifier(other.model._meta.db_table)} ({identifier(str(other.column))})"
        yield _missing(
            model, "constraint", key,
            f"ALTER TABLE {table} ADD FOREIGN KEY ({column}) REFERENCES {target} "
            "DEFERRABLE INITIALLY DEFERRED;",
        )  # fmt: skip


def _missing(model: type[Model], kind: str, columns: tuple[str, ...], statement: str) -> Drift:
    table, label = model._meta.db_table, model._meta.label
    return Drift(kind, "missing", table, ", ".join(columns), label, statement)


def _take(parts: _Parts, columns: tuple[str, ...], kind: str) -> bool:
    """Take all with these columns out, and say whether there was one."""
    same = [name for name, part in parts.items() if part == (columns, kind)]
    for name in same:
        del parts[name]
    return bool(same)
