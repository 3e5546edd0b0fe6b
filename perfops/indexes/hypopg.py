"""Proof where hypopg is: the planner is told of an index that isn't there."""

from collections.abc import Mapping, Sequence

from django.db import DatabaseError
from django.db.backends.utils import CursorWrapper

from perfops.database.connections import MARK
from perfops.indexes import ddl
from perfops.indexes import planning as plans
from perfops.indexes.records import Candidate, Effect, Proof, Query
from perfops.indexes.time_limit import Clock

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
