"""The SQL of an index, with every name quoted."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from psycopg import sql

from perfops.database import index_sql
from perfops.database.index_sql import Partition
from perfops.indexes.records import Candidate, Fixed, Key


def create(
    candidate: Candidate,
    *,
    name: str = "",
    schema: str | None = None,
    concurrently: bool = False,
    only: bool = False,
) -> str:
    """Return the CREATE INDEX of ``candidate``; ``schema`` puts it on another schema's table.

    ``only``: on the partitioned table without its partitions.
    """
    table = sql.Identifier(candidate.table[0] if schema is None else schema, candidate.table[1])
    parts: list[sql.Composable] = [sql.SQL("CREATE INDEX")]
    # PostgreSQL builds no index of a partitioned table concurrently.
    if concurrently:
        parts.append(sql.SQL("CONCURRENTLY"))
    if name:
        parts.append(sql.Identifier(name))
    keys = sql.SQL(", ").join(map(_key, candidate.keys))
    parts.append(sql.SQL("ON ONLY" if only else "ON"))
    parts.append(sql.SQL("{} USING {} ({})").format(table, sql.SQL(candidate.method), keys))
    if candidate.include:
        names = sql.SQL(", ").join(map(sql.Identifier, candidate.include))
        parts.append(sql.SQL("INCLUDE ({})").format(names))
    if candidate.where:
        tests = sql.SQL(" AND ").join(map(_predicate, candidate.where))
        parts.append(sql.SQL("WHERE {}").format(tests))
    return sql.SQL(" ").join(parts).as_string(None)


def on_partitions(
    candidate: Candidate, partitions: Iterable[Partition], name_of: Callable[[Candidate], str]
) -> str:
    """Return the statements that index a partitioned table, as ``index_sql.on_partitions``."""

    def of(table: tuple[str, str]) -> Candidate:
        return replace(candidate, table=table)

    def made(table: tuple[str, str], holds_rows: bool) -> str:
        name = name_of(of(table))
        return create(of(table), name=name, concurrently=holds_rows, only=not holds_rows)

    return index_sql.on_partitions(
        candidate.table, partitions, create=made, name_of=lambda table: name_of(of(table))
    )


def _key(key: Key) -> sql.Composable:
    column: sql.Composable = sql.Identifier(key.column)
    if key.function:
        column = sql.SQL("{}({})").format(sql.SQL(key.function), column)
    if key.opclass:
        column = sql.SQL("{} {}").format(column, sql.SQL(key.opclass))
    if key.descending:
        column = sql.SQL("{} DESC").format(column)
    return (
        sql.SQL("{} NULLS {}").format(column, sql.SQL(key.nulls.upper())) if key.nulls else column
    )


def _predicate(fixed: Fixed) -> sql.Composable:
    column = sql.Identifier(fixed.column)
    if fixed.kind == "value":
        return sql.SQL("{} = {}").format(column, sql.Literal(fixed.value))
    forms = {"null": "{} IS NULL", "not null": "{} IS NOT NULL", "true": "{}", "false": "NOT {}"}
    return sql.SQL(forms[fixed.kind]).format(column)
