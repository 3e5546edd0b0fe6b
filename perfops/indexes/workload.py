"""The statements of a window that read tables, with what each asks of them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django.db import DatabaseError
from django.db.backends.utils import CursorWrapper
from sqlglot import exp

from perfops.analysis.collectors.records import Statement
from perfops.analysis.plans import explain
from perfops.formatting import count_text
from perfops.indexes import catalog, relations, texts
from perfops.indexes import predicates as shape
from perfops.indexes.records import Clock, Query, Slot, Table
from perfops.indexes.texts import Unreadable

Name = tuple[str, str]
_AGGREGATES = (exp.AggFunc,)


@dataclass(frozen=True, slots=True)
class Workload:
    """``tables`` by their key. ``unjudged``: statements that may read tables, each with why it
    is not among ``queries``.
    """

    queries: tuple[Query, ...]
    tables: dict[Name, Table]
    unjudged: tuple[tuple[Statement, str], ...] = ()


@dataclass(frozen=True, slots=True)
class _Read:
    """A statement whose text was understood. ``plan``: None where PostgreSQL gives none."""

    statement: Statement
    tree: exp.Expression
    # The part of it that looks for rows, as ``reading_part`` has it.
    reading: exp.Expression
    text: str
    plan: relations.Node | None
    # Of the text, as it writes them, and of the plan.
    named: frozenset[Name]
    planned: frozenset[Name] = field(default=frozenset())


def read(
    cursor: CursorWrapper, statements: Sequence[Statement], *, most: int, clock: Clock | None = None
) -> Workload:
    """Return the ``most`` costliest statements that read tables, with those tables.

    One that is no SELECT, UPDATE or DELETE is left out. What a statement reads is told by its
    plan; where there is none, by its text. Those that ``clock`` leaves no time for are unjudged.
    """
    found: list[_Read] = []
    unjudged: list[tuple[Statement, str]] = []
    for statement in sorted(statements, key=lambda s: -s.total_ms):
        if len(found) + len(unjudged) == most:
            break
        if clock is not None and clock.is_over:
            unjudged.append((statement, "there was no time for it"))
            continue
        try:
            each = _read(cursor, statement)
        except Unreadable as error:
            unjudged.append((statement, error.reason))
        else:
            found += [each] if each is not None else []
    wholes = catalog.wholes(cursor, {name for each in found for name in each.planned})
    named = {name for each in found for name in each.named}
    by_name = catalog.tables(cursor, named | set(wholes.values()))
    queries = [_query(each, by_name, wholes) for each in found]
    by_key = {table.key: table for table in by_name.values()}
    return Workload(tuple(q for q in queries if q is not None), by_key, tuple(unjudged))


def reasons(unjudged: Sequence[tuple[Statement, str]], total_ms: float) -> str:
    """Return in words how many could not be judged, with their share of ``total_ms``, and why.

    Empty for none.
    """
    if not unjudged:
        return ""
    counts: dict[str, int] = defaultdict(int)
    for _, reason in unjudged:
        counts[reason] += 1
    whys = ", ".join(f"{reason} ({count})" for reason, count in sorted(counts.items()))
    share = sum(statement.total_ms for statement, _ in unjudged) / total_ms if total_ms else 0.0
    lost = count_text(len(unjudged), "statement")
    return f"{lost} ({share:.1%} of the time) could not be judged: {whys}"


def _read(cursor: CursorWrapper, statement: Statement) -> _Read | None:
    """Raises ``Unreadable``."""
    if not statement.text:
        return None
    readable = texts.readable(statement.text)
    tree = texts.tree_of(readable)
    if tree is None:
        return None
    reading, text = reading_part(tree, readable)
    named = frozenset(_names(reading))
    try:
        plan = explain.generic(cursor, text)["Plan"]
    except (explain.NoPlan, DatabaseError):
        return _Read(statement, tree, reading, text, None, named)
    return _Read(statement, tree, reading, text, plan, named, relations.read(plan))


def _names(tree: exp.Expression) -> set[Name]:
    within = {cte.alias for cte in tree.find_all(exp.CTE)}
    tables = tree.find_all(exp.Table)
    return {(t.db, t.name) for t in tables if t.name and (t.db or t.name not in within)}


def _query(read: _Read, by_name: Mapping[Name, Table], wholes: Mapping[Name, Name]) -> Query | None:
    in_text = {by_name[name].key for name in read.named if name in by_name}
    in_plan = {wholes[name] for name in read.planned if wholes.get(name) in by_name}
    # A partition that the text names is meant itself.
    in_plan -= {whole for name, whole in wholes.items() if name in in_text and name != whole}
    tables = frozenset(in_text | in_plan)
    if not tables:
        return None

    def resolve(schema: str, name: str) -> Table | None:
        return by_name.get((schema, name)) if (schema, name) in read.named else None

    needs, slots = shape.needs(read.reading, resolve), shape.slots(read.reading, resolve)
    hidden = in_plan - in_text
    asked = relations.as_select(read.plan, wholes) if hidden and read.plan is not None else None
    if asked is not None:

        def behind(schema: str, name: str) -> Table | None:
            return by_name.get((schema, name)) if (schema, name) in hidden else None

        needs += shape.needs(asked, behind)
        slots = {**_slots_behind(asked, [by_name[name] for name in hidden]), **slots}
    family = {name for table in by_name.values() if table.key in tables for name in table.family}
    return Query(
        queryid=read.statement.queryid,
        text=read.text,
        calls=read.statement.calls,
        total_ms=read.statement.total_ms,
        rows_per_call=read.statement.rows / max(1, read.statement.calls),
        needs=tuple(dict.fromkeys(needs)),
        slots=slots,
        tables=tables,
        written=frozenset(_written(read.tree)),
        is_aggregate=_is_aggregate(read.reading),
        relations=tables | read.planned | family,
        stddev_ms=read.statement.stddev_ms,
    )


def _slots_behind(asked: exp.Expression, tables: Sequence[Table]) -> dict[int, Slot]:
    """Return the slots of a plan's conditions. A table that others inherit from and each of those
    have the same condition: of them the largest one tells the values.
    """
    found: dict[int, Slot] = {}
    for table in sorted(tables, key=lambda each: each.rows):

        def only(schema: str, name: str, table: Table = table) -> Table | None:
            return table if (schema, name) == table.key else None

        found |= shape.slots(asked, only)
    return found


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
