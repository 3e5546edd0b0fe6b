"""Proof that an index can go: no statement of the workload plans with it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import DatabaseError
from django.db.backends.utils import CursorWrapper

from perfops.advisors.advice import Advice
from perfops.collectors.session import MARK
from perfops.indexing.clock import Clock
from perfops.indexing.hypothetical import cost
from perfops.indexing.records import Query

_DROP = re.compile(r'^DROP INDEX CONCURRENTLY "((?:[^"]|"")+)"\."((?:[^"]|"")+)";?$')
# What a plan may cost more without it.
_MOST_LOSS = 0.05


@dataclass(frozen=True, slots=True)
class Drop:
    """An index that an advisor would drop, and how the workload does without it.

    ``needed_by``: text of a statement that needs it, empty when none does. ```judged`` of
    ``statements`` on its table could be planned.
    """

    advice: Advice
    table: str
    schema: str
    name: str
    statements: int
    judged: tuple[Query, ...]
    needed_by: str


def named(advice: Advice) -> tuple[str, str] | None:
    """Return (schema, name) of the index that the advice would drop."""
    match = _DROP.match(advice.statement.strip())
    return (_unquoted(match[1]), _unquoted(match[2])) if match else None


def _unquoted(name: str) -> str:
    return name.replace('""', '"')


def prove(
    cursor: CursorWrapper, found: Sequence[Advice], queries: Sequence[Query], clock: Clock
) -> list[Drop]:
    """Return what the workload says to each ``advice`` that drops an index."""
    can_hide = _can_hide(cursor)
    drops = []
    for advice in found:
        index = named(advice)
        table = _table(cursor, index) if index is not None else None
        if index is None or table is None or clock.is_over:
            continue
        on_it = [query for query in queries if table in query.tables]
        judged = [query for query in on_it if query.sets]
        needed = next((q for q in judged if _needs(cursor, q, index, can_hide=can_hide)), None)
        drops.append(
            Drop(
                advice=advice,
                table=table[1],
                schema=index[0],
                name=index[1],
                statements=len(on_it),
                judged=tuple(judged),
                needed_by=needed.text if needed else "",
            )
        )
    return drops


def _table(cursor: CursorWrapper, index: tuple[str, str]) -> tuple[str, str] | None:
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


def _needs(cursor: CursorWrapper, query: Query, index: tuple[str, str], *, can_hide: bool) -> bool:
    try:
        before, used = cost(cursor, query)
        if index[1] not in used:
            return False
        if not can_hide:
            return True
        return _cost_without(cursor, query, index) > before * (1 + _MOST_LOSS)
    except DatabaseError:
        return True  # what can't be told may need it


def _cost_without(cursor: CursorWrapper, query: Query, index: tuple[str, str]) -> float:
    where = "to_regclass(quote_ident(%s) || '.' || quote_ident(%s))::oid"
    cursor.execute(f"{MARK} SELECT hypopg_hide_index({where})", list(index))
    try:
        return cost(cursor, query)[0]
    finally:
        cursor.execute(f"{MARK} SELECT hypopg_unhide_index({where})", list(index))
