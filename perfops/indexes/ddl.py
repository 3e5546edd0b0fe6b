"""The SQL of an index, with every name quoted."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from psycopg import sql

from perfops.indexes.records import Candidate, Fixed, Key, Partition


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
    """Return the statements, one in a line, that index a partitioned table and block no writes.

    PostgreSQL builds no such index concurrently: it is declared on the table alone, built on each
    partition, and is valid once all are attached. ``partitions``: those nearest to the table first.
    """
    lines = [f"{create(candidate, name=name_of(candidate), only=True)};"]
    attach = sql.SQL("ALTER INDEX {} ATTACH PARTITION {};")
    for each in partitions:
        part = replace(candidate, table=each.table)
        statement = create(
            part, name=name_of(part), concurrently=each.is_leaf, only=not each.is_leaf
        )
        of = name_of(replace(candidate, table=each.of))
        whole = sql.Identifier(each.of[0], of)
        own = sql.Identifier(each.table[0], name_of(part))
        lines += [f"{statement};", attach.format(whole, own).as_string(None)]
    return "\n".join(lines)


def _key(key: Key) -> sql.Composable:
    column: sql.Composable = sql.Identifier(key.column)
    if key.function:
        column = sql.SQL("{}({})").format(sql.SQL(key.function), column)
    if key.opclass:
        column = sql.SQL("{} {}").format(column, sql.SQL(key.opclass))
    if key.descending:
        column = sql.SQL("{} DESC").format(column)
    return sql.SQL("{} NULLS {}").format(column, sql.SQL(key.nulls)) if key.nulls else column


def _predicate(fixed: Fixed) -> sql.Composable:
    column = sql.Identifier(fixed.column)
    if fixed.kind == "value":
        return sql.SQL("{} = {}").format(column, sql.Literal(fixed.value))
    forms = {"null": "{} IS NULL", "not null": "{} IS NOT NULL", "true": "{}", "false": "NOT {}"}
    return sql.SQL(forms[fixed.kind]).format(column)
