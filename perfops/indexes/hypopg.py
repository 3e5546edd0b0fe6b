"""Proof where hypopg is: the planner is told of an index that isn't there."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from django.db import DatabaseError
from django.db.backends.utils import CursorWrapper
from psycopg import sql

from perfops.database import connections as session
from perfops.database.connections import MARK
from perfops.indexes import ddl
from perfops.indexes import planning as plans
from perfops.indexes.records import Candidate, Clock, Effect, Proof, Query

Name = tuple[str, str]
METHODS = {"btree"}


def prove(
    cursor: CursorWrapper, candidates: Sequence[Candidate], queries: Sequence[Query], clock: Clock
) -> list[Proof]:
    """Return what the planner makes of each candidate, over every query on its table.

    The index lives in this session's memory alone; nothing is written, nothing locked.
    """
    before = {query.queryid: cost(cursor, query) for query in queries if query.sets}
    proofs = []
    for candidate in candidates:
        if clock.is_over:
            break
        proof = _prove(cursor, candidate, queries, before)
        if proof is not None:
            proofs.append(proof)
    return proofs


def cost(cursor: CursorWrapper, query: Query) -> tuple[float, frozenset[str]]:
    """Return the mean cost over the query's parameters, and the indexes its plans use.

    For unknown parameters it is the generic plan's. Raises ``django.db.DatabaseError`` or
    ``perfops.analysis.plans.explain.NoPlan``.
    """
    found = [plans.planned(cursor, plans.filled(query.text, each)) for each in query.sets]
    found = found or [plans.planned_generically(cursor, query.text)]
    used = frozenset(name for plan in found for name in plan.indexes)
    return sum(plan.cost for plan in found) / len(found), used


def _prove(
    cursor: CursorWrapper,
    candidate: Candidate,
    queries: Sequence[Query],
    before: Mapping[str, tuple[float, frozenset[str]]],
) -> Proof | None:
    try:
        cursor.execute(
            f"{MARK} SELECT indexrelid, indexname FROM hypopg_create_index(%s)",
            [ddl.create(candidate)],
        )
    except DatabaseError:
        return None  # what hypopg can't imagine stays unproved here
    oid, name = cursor.fetchone()
    effects = []
    try:
        for query in queries:
            if candidate.table in query.tables and query.queryid in before:
                after, used = cost(cursor, query)
                effects.append(Effect(query.queryid, before[query.queryid][0], after, name in used))
        cursor.execute(f"{MARK} SELECT hypopg_relation_size(%s)", [oid])
        (size,) = cursor.fetchone()
    finally:
        cursor.execute(f"{MARK} SELECT hypopg_drop_index(%s)", [oid])
    return Proof(candidate, "planned", "cost", int(size), None, tuple(effects))


def hiding_schema(cursor: CursorWrapper) -> str | None:
    """Return where hypopg's functions live, None where it is not there or can't hide."""
    found = session.schema_of(cursor, "hypopg")
    if found is None:
        return None
    hide = sql.Identifier(found, "hypopg_hide_index").as_string(None)
    cursor.execute(f"{MARK} SELECT to_regproc(%s) IS NOT NULL", [hide])
    (can_hide,) = cursor.fetchone()
    return found if can_hide else None


@contextmanager
def hidden(cursor: CursorWrapper, hypopg: str, indexes: Sequence[Name]) -> Iterator[None]:
    """Let this session plan without ``indexes`` for a while; nobody else notices."""
    hide = sql.Identifier(hypopg, "hypopg_hide_index")
    unhide = sql.Identifier(hypopg, "hypopg_unhide_all_indexes")
    mark = sql.SQL(MARK)
    for index in indexes:
        cursor.execute(
            sql.SQL("{} SELECT {}(i) FROM to_regclass({}) AS i WHERE i IS NOT NULL").format(
                mark, hide, sql.Literal(sql.Identifier(*index).as_string(None))
            )
        )
    try:
        yield
    finally:
        cursor.execute(sql.SQL("{} SELECT {}()").format(mark, unhide))
