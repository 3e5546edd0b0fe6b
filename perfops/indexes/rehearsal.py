"""Proof where hypopg is not, or can't: a copy, a real index on it, the statements really run."""

import logging
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import DatabaseError
from psycopg import sql

from perfops.conf import Conf
from perfops.database.connections import MARK
from perfops.database.index_sql import without_names
from perfops.formatting import first_line
from perfops.indexes import ddl, scratch
from perfops.indexes import table_copies as copying
from perfops.indexes.records import Candidate, Clock, Effect, Proof, Query, Table, WriteCosts
from perfops.indexes.table_copies import Copy

log = logging.getLogger(__name__)

Name = tuple[str, str]
_INDEX = "perfops_rehearsed"


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """The proofs, and of each table that could not be tried (to the end) the reason."""

    proofs: tuple[Proof, ...]
    failed: Mapping[Name, str]


def prove(
    alias: str,
    candidates: Sequence[Candidate],
    queries: Sequence[Query],
    tables: Mapping[Name, Table],
    limits: Conf,
) -> Rehearsed:
    """Return how each candidate did on a copy of its table in the database ``alias``.

    A table that can't be copied, or that no time is left for, costs its own candidates alone.
    """
    clock = Clock(limits.REHEARSAL_S)
    names = list(dict.fromkeys(candidate.table for candidate in candidates))
    proofs: list[Proof] = []
    failed: dict[Name, str] = {}
    try:
        with copying.writing(alias, limits) as cursor:
            scratch.sweep(cursor)
            runnable = copying.harmless(cursor, [query for query in queries if query.sets])
            for name in names:
                on_it = [query for query in runnable if name in query.tables]
                mine = [candidate for candidate in candidates if candidate.table == name]
                if not on_it:
                    continue
                try:
                    with copying.copied(cursor, clock, tables[name], limits) as copy:
                        proofs += _proofs(copy, mine, on_it)
                except DatabaseError as error:
                    failed[name] = _reason(error)
                if clock.is_over:
                    failed.setdefault(name, f"its {limits.REHEARSAL_S:g} s were over")
    except DatabaseError as error:
        # Also a connection that was lost: what was proved before stays.
        reason = _reason(error)
        proved = {proof.candidate.table for proof in proofs}
        failed |= {name: reason for name in names if name not in proved}
    for name, reason in failed.items():
        log.warning("the rehearsal of %s on %s failed: %s", ".".join(name), alias, reason)
    return Rehearsed(tuple(proofs), failed)


def _reason(error: DatabaseError) -> str:
    return first_line(error)


def _proofs(copy: Copy, candidates: Sequence[Candidate], queries: Sequence[Query]) -> list[Proof]:
    tried = (_proof(copy, each, queries) for each in candidates if not copy.clock.is_over)
    return [proof for proof in tried if proof is not None]


def _proof(copy: Copy, candidate: Candidate, queries: Sequence[Query]) -> Proof | None:
    cursor = copy.cursor
    began = time.perf_counter()
    try:
        cursor.execute(f"{MARK} {ddl.create(candidate, name=_INDEX, schema=copy.schema)}", None)
    except DatabaseError:
        return None
    build_ms = (time.perf_counter() - began) * 1000
    index = copy.named(_INDEX)
    table = sql.Identifier(copy.schema, copy.table.name)
    try:
        if any(key.function for key in candidate.keys):
            # An expression has statistics once it is indexed.
            cursor.execute(sql.SQL("{} ANALYZE {}").format(sql.SQL(MARK), table))
        cursor.execute(
            f"{MARK} SELECT pg_relation_size(i), pg_get_indexdef(i) FROM to_regclass(%s) i",
            [index.as_string(None)],
        )
        size, definition = cursor.fetchone()
        effects = [
            effect
            for query in queries
            if not copy.clock.is_over and (effect := _effect(copy, query)) is not None
        ]
        # What no statement uses is not taken: its price is no matter.
        is_used = any(effect.is_used for effect in effects)
        costs = WriteCosts()
        if is_used and not copy.clock.is_over:
            costs = copying.write_costs(copy, _INDEX, candidate.columns)
    finally:
        cursor.execute(sql.SQL("{} DROP INDEX {}").format(sql.SQL(MARK), index))
    scale = copy.table.rows / copy.rows if copy.rows else 1.0
    return Proof(
        candidate, "rehearsed", "ms", round(size * scale), build_ms * scale, tuple(effects),
        rows=copy.rows, costs=costs, definition=without_names(definition),
    )  # fmt: skip


def _effect(copy: Copy, query: Query) -> Effect | None:
    """Run the query with and without the index, in turn, and return the medians."""
    texts = copy.texts(query)
    try:
        # The planner's word first: what it leaves alone needs no runs.
        used = any(_INDEX in copy.planned(text).indexes for text in texts)
        if not used:
            return Effect(query.queryid, 1.0, 1.0, is_used=False)
        pairs = [copying.pairs(copy, text, [_INDEX]) for text in texts]
    except DatabaseError:
        return None
    return Effect(
        query.queryid,
        before=max(copying.mean_of_best(pairs, lambda pair: pair[0].ms), math.ulp(1.0)),
        after=copying.mean_of_best(pairs, lambda pair: pair[1].ms),
        is_used=True,
        blocks_before=copying.mean_of_best(pairs, lambda pair: pair[0].blocks),
        blocks_after=copying.mean_of_best(pairs, lambda pair: pair[1].blocks),
        planned_after=copying.mean_of_best(pairs, lambda pair: pair[1].cost),
    )
