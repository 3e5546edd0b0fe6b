"""Proof where hypopg is not, or can't: a copy, a real index on it, the statements really run.

The copy lives in a scratch schema that the search path names first, so that a statement
finds it under the table's own name; all other tables it reads are the real ones. Of the real
table nothing but ACCESS SHARE is held, and only while it is copied.
"""

import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import DatabaseError
from django.db.backends.utils import CursorWrapper
from psycopg import sql

from perfops.collectors import session
from perfops.collectors.session import MARK
from perfops.conf import Conf
from perfops.indexing import ddl, plans, safety, scratch
from perfops.indexing.clock import Clock
from perfops.indexing.records import Candidate, Effect, Proof, Query, Table

Name = tuple[str, str]
_INDEX = "perfops_rehearsed"
_ROUNDS = 3
# A statement that takes longer (ms) is run once each way.
_SLOW_MS = 200.0
_MOSTLY = 0.5
# A run without the index, and one with it.
_Pair = tuple[plans.Plan, plans.Plan]


@dataclass(frozen=True, slots=True)
class _Copy:
    cursor: CursorWrapper
    clock: Clock
    schema: str
    table: Table
    rows: int


@contextmanager
def writing(alias: str, limits: Conf) -> Iterator[CursorWrapper]:
    """Yield a cursor on a connection of its own that may write; bounded like a reading one."""
    with session.reading(alias) as cursor:
        # It writes to its own schema; a server whose client died ends the statement itself.
        for name, value in {
            "default_transaction_read_only": "off",
            "client_connection_check_interval": "1s",
            "statement_timeout": str(int(limits.REHEARSAL_S * 1000)),
        }.items():
            cursor.execute(f"{MARK} SELECT set_config(%s, %s, false)", [name, value])
        yield cursor


def prove(
    alias: str,
    candidates: Sequence[Candidate],
    queries: Sequence[Query],
    tables: Mapping[Name, Table],
    limits: Conf,
) -> list[Proof]:
    """Return how each candidate did on a copy of its table in the database ``alias``.

    Raises ``django.db.DatabaseError`` where no scratch schema can be made.
    """
    clock = Clock(limits.REHEARSAL_S)
    proofs: list[Proof] = []
    with writing(alias, limits) as cursor:
        scratch.sweep(cursor)
        runnable = safety.harmless(cursor, [query for query in queries if query.sets])
        for name in dict.fromkeys(candidate.table for candidate in candidates):
            on_it = [query for query in runnable if name in query.tables]
            mine = [candidate for candidate in candidates if candidate.table == name]
            if not on_it or clock.is_over:
                continue
            with scratch.schema(cursor) as schema:
                copy = _copied(cursor, clock, schema, tables[name], limits)
                proofs += _proofs(copy, mine, on_it)
    return proofs


def _copied(cursor: CursorWrapper, clock: Clock, schema: str, table: Table, limits: Conf) -> _Copy:
    """Copy the table with its indexes, constraints and statistics; a sample if it is large."""
    source, target = sql.Identifier(*table.key), sql.Identifier(schema, table.name)
    most = limits.REHEARSAL_ROWS
    if table.bytes > limits.REHEARSAL_BYTES:
        most = min(most, int(table.rows * limits.REHEARSAL_BYTES / table.bytes))
    part: sql.Composable = sql.SQL("")
    if table.rows > most:
        share = min(100.0, 100.0 * most / table.rows)
        part = sql.SQL(" TABLESAMPLE SYSTEM ({}) REPEATABLE (7)").format(sql.Literal(share))
    names = sql.SQL(", ").join(map(sql.Identifier, _stored(cursor, table)))
    mark = sql.SQL(MARK)
    # An index answers alone where the visibility map says so: on the copy as on the table.
    how = "{} VACUUM (ANALYZE) {}" if table.all_visible > _MOSTLY else "{} ANALYZE {}"
    for statement in (
        sql.SQL("{} CREATE UNLOGGED TABLE {} (LIKE {} INCLUDING ALL)").format(mark, target, source),
        sql.SQL("{} INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {}{}").format(
            mark, target, names, names, source, part
        ),
        sql.SQL(how).format(mark, target),
    ):
        cursor.execute(statement)
    cursor.execute(sql.SQL("{} SELECT count(*) FROM {}").format(mark, target))
    (rows,) = cursor.fetchone()
    return _Copy(cursor, clock, schema, table, rows)


def _stored(cursor: CursorWrapper, table: Table) -> list[str]:
    """Return the columns that are not generated."""
    cursor.execute(
        f"""{MARK} SELECT attname FROM pg_attribute
        WHERE attrelid = to_regclass(quote_ident(%s) || '.' || quote_ident(%s)) AND attnum > 0
            AND NOT attisdropped AND attgenerated = '' ORDER BY attnum""",
        list(table.key),
    )
    return [name for (name,) in cursor.fetchall()]


def _proofs(copy: _Copy, candidates: Sequence[Candidate], queries: Sequence[Query]) -> list[Proof]:
    cursor = copy.cursor
    cursor.execute(f"{MARK} SHOW search_path")
    (usual,) = cursor.fetchone()
    path = f"{copy.schema}, {usual}"
    cursor.execute(f"{MARK} SELECT set_config('search_path', %s, false)", [path])
    found = []
    try:
        for candidate in candidates:
            if copy.clock.is_over:
                break
            found.append(_proof(copy, candidate, queries))
    finally:
        cursor.execute(f"{MARK} SELECT set_config('search_path', %s, false)", [usual])
    return [proof for proof in found if proof is not None]


def _proof(copy: _Copy, candidate: Candidate, queries: Sequence[Query]) -> Proof | None:
    cursor = copy.cursor
    began = time.perf_counter()
    try:
        cursor.execute(f"{MARK} {ddl.create(candidate, name=_INDEX, schema=copy.schema)}", None)
    except DatabaseError:
        return None
    build_ms = (time.perf_counter() - began) * 1000
    index = sql.Identifier(copy.schema, _INDEX)
    table = sql.Identifier(copy.schema, copy.table.name)
    try:
        if any(key.function for key in candidate.keys):
            # An expression has statistics once it is indexed.
            cursor.execute(sql.SQL("{} ANALYZE {}").format(sql.SQL(MARK), table))
        cursor.execute(f"{MARK} SELECT pg_relation_size(to_regclass(%s))", [index.as_string(None)])
        (size,) = cursor.fetchone()
        effects = [
            effect
            for query in queries
            if not copy.clock.is_over and (effect := _effect(copy, index, query)) is not None
        ]
    finally:
        cursor.execute(sql.SQL("{} DROP INDEX {}").format(sql.SQL(MARK), index))
    scale = copy.table.rows / copy.rows if copy.rows else 1.0
    return Proof(
        candidate, "rehearsed", "ms", round(size * scale), build_ms * scale, tuple(effects),
        rows=copy.rows,
    )  # fmt: skip


def _effect(copy: _Copy, index: sql.Identifier, query: Query) -> Effect | None:
    """Run the query with and without the index, in turn, and return the medians."""
    texts = [plans.filled(query.text, each) for each in query.sets]
    try:
        # The planner's word first: what it leaves alone needs no runs.
        used = any(_INDEX in plans.planned(copy.cursor, text).indexes for text in texts)
        if not used:
            return Effect(query.queryid, 1.0, 1.0, is_used=False)
        pairs = [_pairs(copy, text, index) for text in texts]
    except DatabaseError:
        return None
    return Effect(
        query.queryid,
        before=max(_mean_of_best(pairs, lambda pair: pair[0].ms), math.ulp(1.0)),
        after=_mean_of_best(pairs, lambda pair: pair[1].ms),
        is_used=True,
        blocks_before=_mean_of_best(pairs, lambda pair: pair[0].blocks),
        blocks_after=_mean_of_best(pairs, lambda pair: pair[1].blocks),
    )


def _pairs(copy: _Copy, text: str, index: sql.Identifier) -> list[_Pair]:
    """Run ``text`` without and with the index, in turn; once is enough of what takes long."""
    pairs: list[_Pair] = []
    while len(pairs) < _ROUNDS:
        pairs.append((_run(copy, text, without=index), _run(copy, text, without=None)))
        if (pairs[0][0].ms or 0.0) > _SLOW_MS:
            break
    return pairs


def _mean_of_best(pairs: Sequence[list[_Pair]], figure: Callable[[_Pair], float | None]) -> float:
    """Return the mean over the parameters of the best round: disturbance only makes it slower."""
    return statistics.fmean(min(figure(pair) or 0.0 for pair in rounds) for rounds in pairs)


def _run(copy: _Copy, text: str, *, without: sql.Identifier | None) -> plans.Plan:
    """Run ``text`` read-only, no longer than is left; ``without`` hides that index from it."""
    cursor = copy.cursor
    cursor.execute(f"{MARK} BEGIN")
    try:
        if without is not None:
            cursor.execute(sql.SQL("{} DROP INDEX {}").format(sql.SQL(MARK), without))
        cursor.execute(f"{MARK} SET TRANSACTION READ ONLY")
        left_ms = max(1, int(copy.clock.left_s * 1000))
        cursor.execute(f"{MARK} SELECT set_config('statement_timeout', %s, true)", [str(left_ms)])
        return plans.run(cursor, text)
    finally:
        cursor.execute(f"{MARK} ROLLBACK")
