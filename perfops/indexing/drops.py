"""Proof that an index can go: no statement of the workload plans with it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.db import DatabaseError
from django.db.backends.utils import CursorWrapper

from perfops.advisors.advice import Advice
from perfops.collectors.records import Statement
from perfops.collectors.session import MARK
from perfops.conf import Conf
from perfops.indexing import parameters, plans, workload
from perfops.indexing.clock import Clock
from perfops.indexing.hypothetical import cost
from perfops.indexing.records import Query

Name = tuple[str, str]
_DROP = re.compile(r'^DROP INDEX CONCURRENTLY "((?:[^"]|"")+)"\."((?:[^"]|"")+)";?$')
# What a plan may cost more without it.
_MOST_LOSS = 0.05
# So many times more statements are held against a drop than candidates come from.
_MORE = 5


@dataclass(frozen=True, slots=True)
class Drop:
    """An index that an advisor would drop, and how the workload does without it.

    ``table`` and ``index`` as (schema, name). ``needed_by``: text of a statement that needs it,
    empty when none does. ``judged`` could be planned, ``unjudged`` could not.
    """

    advice: Advice
    table: Name
    index: Name
    judged: tuple[Query, ...] = ()
    unjudged: int = 0
    needed_by: str = ""


def named(advice: Advice) -> Name | None:
    """Return (schema, name) of the index that the advice would drop."""
    match = _DROP.match(advice.statement.strip())
    return (_unquoted(match[1]), _unquoted(match[2])) if match else None


def _unquoted(name: str) -> str:
    return name.replace('""', '"')


def prove(
    cursor: CursorWrapper,
    found: Sequence[Advice],
    statements: Sequence[Statement],
    limits: Conf,
    clock: Clock,
) -> list[Drop]:
    """Return what the workload says to each piece of advice that drops an index.

    All statements that name the index's table count: one that can't be planned is no proof.
    """
    drops = [drop for advice in found if (drop := _located(cursor, advice)) is not None]
    if not drops:
        return []
    names = {drop.table[1] for drop in drops}
    reads = [
        statement
        for statement in statements
        if any(name in statement.text for name in names) and workload.reads(statement.text)
    ]
    queries, tables = workload.read(cursor, reads, most=limits.INDEX_STATEMENTS * _MORE)
    on = {drop.table for drop in drops}
    queries = parameters.sample(cursor, queries, tables, clock, on=on)
    can_hide = _can_hide(cursor)
    return [_judged(cursor, drop, reads, queries, can_hide=can_hide) for drop in drops]


def _located(cursor: CursorWrapper, advice: Advice) -> Drop | None:
    index = named(advice)
    table = _table(cursor, index) if index is not None else None
    return Drop(advice, table, index) if index is not None and table is not None else None


def _judged(
    cursor: CursorWrapper,
    drop: Drop,
    reads: Sequence[Statement],
    queries: Sequence[Query],
    *,
    can_hide: bool,
) -> Drop:
    read = {query.queryid: query for query in queries}
    judged, unjudged, needed_by = [], 0, ""
    for statement in reads:
        query = read.get(statement.queryid)
        if query is None:
            # Not to be read, or one statement too many: its name is all that is known.
            unjudged += drop.table[1] in statement.text
        elif drop.table in query.tables:
            needs = _needs(cursor, query, drop.index, can_hide=can_hide)
            if needs is None:
                unjudged += 1
                continue
            judged.append(query)
            needed_by = needed_by or (query.text if needs else "")
    return replace(drop, judged=tuple(judged), unjudged=unjudged, needed_by=needed_by)


def _table(cursor: CursorWrapper, index: Name) -> Name | None:
    cursor.execute(
        f"""{MARK} SELECT n.nspname, t.relname FROM pg_index i
        JOIN pg_class t ON t.oid = i.indrelid
        JOIN pg_namespace n ON n.oid = t.relnamespace
        WHERE i.indexrelid = to_regclass(quote_ident(%s) || '.' || quote_ident(%s))""",
        list(index),
    )
    row = cursor.fetchone()
    return (row[0], row[1]) if row else None


def _can_hide(cursor: CursorWrapper) -> bool:
    """Whether hypopg is there, and new enough (1.4) to hide an index from the planner."""
    cursor.execute(f"{MARK} SELECT to_regproc('hypopg_hide_index') IS NOT NULL")
    (found,) = cursor.fetchone()
    return bool(found)


def _needs(cursor: CursorWrapper, query: Query, index: Name, *, can_hide: bool) -> bool | None:
    """Return whether the query needs the index, None when that can't be told."""
    try:
        if not query.sets:
            return index[1] in plans.planned_generically(cursor, query.text).indexes
        before, used = cost(cursor, query)
        if index[1] not in used:
            return False
        if not can_hide:
            return True
        return _cost_without(cursor, query, index) > before * (1 + _MOST_LOSS)
    except DatabaseError:
        return None


def _cost_without(cursor: CursorWrapper, query: Query, index: Name) -> float:
    where = "to_regclass(quote_ident(%s) || '.' || quote_ident(%s))::oid"
    cursor.execute(f"{MARK} SELECT hypopg_hide_index({where})", list(index))
    try:
        return cost(cursor, query)[0]
    finally:
        cursor.execute(f"{MARK} SELECT hypopg_unhide_index({where})", list(index))
