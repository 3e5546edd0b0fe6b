"""What a plan depends on, and which of it changed when the plan did."""

from collections.abc import Iterator
from itertools import chain

import msgspec
from django.db.backends.utils import CursorWrapper

from perfops.database.connections import MARK

# A table that grew or shrank by less is the same to the planner.
_GREW = 1.5
# Beside everything about planning, this decides what is sorted or hashed in memory.
_SETTINGS = f"""{MARK} SELECT name, setting FROM pg_settings
    WHERE category LIKE 'Query Tuning%' OR name IN ('work_mem', 'hash_mem_multiplier')"""
_TABLES = f"""{MARK} SELECT n.nspname, c.relname, c.reltuples,
        coalesce(extract(epoch FROM greatest(s.last_analyze, s.last_autoanalyze)), 0)::float,
        coalesce((SELECT json_object_agg(i.indexrelid::regclass::text,
            CASE WHEN i.indisvalid THEN pg_get_indexdef(i.indexrelid) ELSE 'invalid' END)
            FROM pg_index i WHERE i.indrelid = c.oid), '{{}}'::json)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_stat_user_tables s ON s.relid = c.oid
    WHERE (n.nspname, c.relname) IN (SELECT * FROM unnest(%s::text[], %s::text[]))"""


class Table(msgspec.Struct, frozen=True):
    """``rows`` is the planner's estimate; ``analysed_at`` Unix time, 0 for never."""

    rows: float
    analysed_at: float
    indexes: dict[str, str]


class Circumstances(msgspec.Struct, frozen=True):
    version: int
    settings: dict[str, str]
    tables: dict[str, Table]


def look(cursor: CursorWrapper, relations: set[tuple[str, str]]) -> Circumstances:
    """Return what plans over ``relations`` (schema, name) depend on."""
    cursor.execute(_SETTINGS)
    settings = dict(cursor.fetchall())
    names = sorted(relations)
    cursor.execute(_TABLES, [[schema for schema, _ in names], [name for _, name in names]])
    tables = {
        f"{schema}.{name}": Table(rows, analysed_at, indexes)
        for schema, name, rows, analysed_at, indexes in cursor.fetchall()
    }
    version = cursor.db.connection.info.server_version
    return Circumstances(version=version, settings=settings, tables=tables)


def between(before: Circumstances, after: Circumstances) -> list[str]:
    """Return what changed, the likeliest cause of another plan first, one sentence each."""
    both = [
        (name, before.tables[name], table)
        for name, table in after.tables.items()
        if name in before.tables
    ]
    found = list(
        chain(
            chain.from_iterable(_indexes(*each) for each in both),
            _settings(before.settings, after.settings),
            _version(before.version, after.version),
            chain.from_iterable(_rows(*each) for each in both),
            chain.from_iterable(_statistics(*each) for each in both),
        )
    )
    return found or ["Nothing that is watched changed: the contents, or what was asked for."]


def _indexes(table: str, before: Table, after: Table) -> Iterator[str]:
    for name in sorted(before.indexes.keys() - after.indexes.keys()):
        yield f"Index {name} of {table} is gone."
    for name in sorted(after.indexes.keys() - before.indexes.keys()):
        yield f"Index {name} of {table} is new."
    for name in sorted(before.indexes.keys() & after.indexes.keys()):
        if before.indexes[name] != after.indexes[name]:
            yield f"Index {name} of {table} changed: now {after.indexes[name]}."


def _settings(before: dict[str, str], after: dict[str, str]) -> Iterator[str]:
    for name in sorted(before.keys() & after.keys()):
        if before[name] != after[name]:
            yield f"The setting {name} went from {before[name]} to {after[name]}."


def _version(before: int, after: int) -> Iterator[str]:
    if before != after:
        yield f"PostgreSQL went from version {_numbered(before)} to {_numbered(after)}."


def _numbered(version: int) -> str:
    return f"{version // 10_000}.{version % 10_000}"


def _rows(table: str, before: Table, after: Table) -> Iterator[str]:
    old, new = max(before.rows, 1.0), max(after.rows, 1.0)
    if max(old, new) / min(old, new) >= _GREW:
        verb = "grew" if new > old else "shrank"
        yield f"{table} {verb} from {before.rows:,.0f} to {after.rows:,.0f} rows."


def _statistics(table: str, before: Table, after: Table) -> Iterator[str]:
    if after.analysed_at > before.analysed_at:
        yield f"The statistics of {table} were gathered anew."
