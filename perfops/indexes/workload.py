"""The statements of a window that read tables, with what each asks of them."""

import re
from collections.abc import Sequence

from django.db.backends.utils import CursorWrapper
from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

from perfops.analysis.collectors.records import Statement
from perfops.indexes import catalog
from perfops.indexes import predicates as shape
from perfops.indexes.records import Query, Table

Name = tuple[str, str]
# A collector cuts longer texts: they can't be read any more.
_CUT_AT = 4000
_READS = re.compile(r"\s*(/\*.*?\*/\s*)*\(?\s*(select|with|update|delete)\b", re.I | re.S)
_AGGREGATES = (exp.AggFunc,)


def read(
    cursor: CursorWrapper, statements: Sequence[Statement], *, most: int
) -> tuple[list[Query], dict[Name, Table]]:
    """Return the ``most`` costliest statements that read tables, and those tables by their key.

    A statement that is no SELECT, UPDATE or DELETE, is cut, or can't be parsed is left out.
    """
    costly = sorted(statements, key=lambda s: -s.total_ms)
    trees: list[tuple[Statement, exp.Expression]] = []
    for statement in costly:
        if len(trees) == most:
            break
        tree = parse(statement.text)
        if tree is not None:
            trees.append((statement, tree))
    named = {name for _, tree in trees for name in _names(tree)}
    by_name = catalog.tables(cursor, named)
    found = [_query(statement, tree, by_name) for statement, tree in trees]
    by_key = {table.key: table for table in by_name.values()}
    return [query for query in found if query is not None], by_key


def reads(text: str) -> bool:
    """Whether a text begins like a statement that looks for rows."""
    return _READS.match(text) is not None


def is_cut(text: str) -> bool:
    """Whether the end of a statement is missing, and with it perhaps a table's name."""
    return len(text) >= _CUT_AT


def parse(text: str) -> exp.Expression | None:
    """Return the syntax tree of a whole statement that reads tables, None for any other."""
    if not text or is_cut(text) or not reads(text):
        return None
    try:
        tree = parse_one(text, dialect="postgres")
    except SqlglotError:
        return None
    kinds = exp.Select | exp.SetOperation | exp.Update | exp.Delete
    return tree if isinstance(tree, kinds) else None


def _names(tree: exp.Expression) -> set[Name]:
    within = {cte.alias for cte in tree.find_all(exp.CTE)}
    tables = tree.find_all(exp.Table)
    return {(t.db, t.name) for t in tables if t.name and (t.db or t.name not in within)}


def _query(statement: Statement, tree: exp.Expression, by_name: dict[Name, Table]) -> Query | None:
    written = frozenset(_written(tree))
    reading, text = reading_part(tree, statement.text)
    names = _names(reading)
    tables = frozenset(by_name[name].key for name in names if name in by_name)
    if not tables:
        return None

    def resolve(schema: str, name: str) -> Table | None:
        return by_name.get((schema, name)) if (schema, name) in names else None

    return Query(
        queryid=statement.queryid,
        text=text,
        calls=statement.calls,
        total_ms=statement.total_ms,
        rows_per_call=statement.rows / max(1, statement.calls),
        needs=tuple(shape.needs(reading, resolve)),
        slots=shape.slots(reading, resolve),
        tables=tables,
        written=written,
        is_aggregate=_is_aggregate(reading),
    )


def reading_part(tree: exp.Expression, text: str) -> tuple[exp.Expression, str]:
    """Return the part that looks for rows: an UPDATE and a DELETE look like a SELECT does.

    Row locks are left out: they don't change how rows are found.
    """
    if isinstance(tree, exp.Update | exp.Delete):
        tree = _select_of(tree)
        return tree, tree.sql(dialect="postgres")
    if any(select.args.get("locks") for select in tree.find_all(exp.Select)):
        tree = tree.copy()
        for select in tree.find_all(exp.Select):
            select.set("locks", None)
        return tree, tree.sql(dialect="postgres")
    return tree, text


def _select_of(tree: exp.Update | exp.Delete) -> exp.Select:
    select = exp.Select(expressions=[exp.Literal.number(1)])
    select.set("from_", exp.From(this=tree.this.copy()))
    if tree.args.get("where") is not None:
        select.set("where", tree.args["where"].copy())
    extra = tree.args.get("from_") or tree.args.get("using")
    others = [extra.this] if isinstance(extra, exp.From) else (extra or [])
    select.set("joins", [exp.Join(this=each.copy(), kind="CROSS") for each in others])
    if tree.args.get("with_") is not None:
        select.set("with_", tree.args["with_"].copy())
    return select


def _written(tree: exp.Expression) -> list[str]:
    """Return the columns that an UPDATE sets; of a DELETE and a SELECT there are none."""
    if not isinstance(tree, exp.Update):
        return []
    return [each.this.name for each in tree.expressions if isinstance(each, exp.EQ)]


def _is_aggregate(tree: exp.Expression) -> bool:
    """Whether one row comes back however many are read."""
    if not isinstance(tree, exp.Select) or tree.args.get("group") is not None:
        return False
    return any(each.find(*_AGGREGATES) is not None for each in tree.expressions)
