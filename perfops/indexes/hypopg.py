"""Proof where hypopg is: the planner is told of an index that isn't there."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, LiteralString

from django.db import DatabaseError
from django.db.backends.utils import CursorWrapper
from psycopg import sql

from perfops.analysis.plans.explain import NoPlan
from perfops.database import connections as session
from perfops.database.connections import MARK
from perfops.database.index_sql import without_names
from perfops.formatting import first_line
from perfops.indexes import catalog, ddl
from perfops.indexes import planning as plans
from perfops.indexes.records import Candidate, Clock, Effect, Proof, Query

log = logging.getLogger(__name__)

Name = tuple[str, str]
METHODS = {"btree"}
_FUNCTIONS = (
    "hypopg_create_index", "hypopg_get_indexdef", "hypopg_relation_size", "hypopg_drop_index",
)  # fmt: skip


def prove(
    cursor: CursorWrapper,
    hypopg: str,
    candidates: Sequence[Candidate],
    queries: Sequence[Query],
    clock: Clock,
) -> tuple[list[Proof], dict[str, str]]:
    """Return what the planner makes of each candidate, over every query on its table; and of each
    query that could not be planned its ID and why.

    ``hypopg``: the schema of its functions. The index lives in this session's memory alone;
    nothing is written, nothing locked. What hypopg can't imagine has no proof.
    """
    before, failed = {}, {}
    tables = {candidate.table for candidate in candidates}
    for query in queries:
        if query.tables & tables:
            try:
                before[query.queryid] = cost(cursor, query)
            except (DatabaseError, NoPlan) as error:
                failed[query.queryid] = first_line(error)
    proofs = []
    for candidate in candidates:
        if clock.is_over:
            break
        proof = _prove(cursor, hypopg, candidate, queries, before)
        if proof is not None:
            proofs.append(proof)
    return proofs, failed


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
    hypopg: str,
    candidate: Candidate,
    queries: Sequence[Query],
    before: Mapping[str, tuple[float, frozenset[str]]],
) -> Proof | None:
    made: dict[int, str] = {}
    effects = []
    size, definition = 0, ""
    try:
        # Of a partitioned table each partition has its index.
        for leaf in catalog.leaves(cursor, candidate.table):
            statement = ddl.create(replace(candidate, table=leaf))
            oid, name = _call(
                cursor, hypopg, "hypopg_create_index", statement,
                columns="indexrelid, textsend(indexname)",
            )  # fmt: skip
            made[oid] = bytes(name).decode(errors="replace")
        for query in queries:
            if candidate.table in query.tables and query.queryid in before:
                after, used = cost(cursor, query)
                is_used = not used.isdisjoint(made.values())
                effects.append(Effect(query.queryid, before[query.queryid][0], after, is_used))
        for oid in made:
            size += _call(cursor, hypopg, "hypopg_relation_size", oid)[0]
            definition = _call(cursor, hypopg, "hypopg_get_indexdef", oid)[0]
    except (DatabaseError, NoPlan, UnicodeDecodeError) as error:
        # It cuts its index's name after 63 bytes, also within a character: a plan with such a
        # name can't be read.
        log.info("hypopg can't try %s: %s", candidate, first_line(error))
        return None
    finally:
        for oid in made:
            _call(cursor, hypopg, "hypopg_drop_index", oid)
    return Proof(
        candidate, "planned", "cost", int(size), None, tuple(effects),
        definition=without_names(definition),
    )  # fmt: skip


def _call(
    cursor: CursorWrapper,
    hypopg: str,
    function: str,
    argument: str | int,
    *,
    columns: LiteralString = "*",
) -> tuple[Any, ...]:
    cursor.execute(
        sql.SQL("{} SELECT {} FROM {}(%s)").format(
            sql.SQL(MARK), sql.SQL(columns), sql.Identifier(hypopg, function)
        ),
        [argument],
    )
    row: tuple[Any, ...] = cursor.fetchone()
    return row


@dataclass(frozen=True, slots=True)
class NotUsable:
    """Why hypopg can't be asked, and the statement that would change it."""

    reason: str
    remedy: str


def usable_schema(cursor: CursorWrapper) -> str | NotUsable:
    """Return where hypopg's functions live, or why this role can't call them."""
    found = session.schema_of(cursor, "hypopg")
    if found is None:
        return NotUsable("the extension hypopg is not installed", "CREATE EXTENSION hypopg;")
    create = sql.Identifier(found, "hypopg_create_index").as_string(None)
    cursor.execute(
        f"""{MARK} SELECT current_user, has_schema_privilege(%s, 'USAGE') AND coalesce(
            (SELECT bool_and(has_function_privilege(p.oid, 'EXECUTE')) FROM pg_proc p
            JOIN pg_namespace n ON n.oid = p.pronamespace
            WHERE n.nspname = %s AND p.proname = ANY(%s)), false)""",
        [found, found, list(_FUNCTIONS)],
    )
    role, may = cursor.fetchone()
    if may:
        return found
    schema, name = (sql.Identifier(each).as_string(None) for each in (found, role))
    return NotUsable(
        f"the role {role} may not call {create}",
        f"GRANT USAGE ON SCHEMA {schema} TO {name};"
        f" GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {schema} TO {name};",
    )


def hiding_schema(cursor: CursorWrapper) -> str | None:
    """Return where hypopg's functions live, None where it is not there or can't hide."""
    found = usable_schema(cursor)
    if isinstance(found, NotUsable):
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
        whole = sql.Literal(sql.Identifier(*index).as_string(None))
        # Of a partitioned table's index what is planned with are its parts.
        cursor.execute(
            sql.SQL(
                "{} SELECT {}(i) FROM (SELECT to_regclass({}) UNION"
                " SELECT relid FROM pg_partition_tree(to_regclass({}))) AS parts (i)"
                " WHERE i IS NOT NULL"
            ).format(mark, hide, whole, whole)
        )
    try:
        yield
    finally:
        cursor.execute(sql.SQL("{} SELECT {}()").format(mark, unhide))
