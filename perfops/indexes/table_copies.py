"""A copy of a table to try things on, and statements really run on it.

The copy lives in a scratch schema that the search path names first, so that a statement
finds it under the table's own name, and beside it copies of the views upon it; where a statement
says in which schema they are, it is told the scratch schema. All other tables it reads are the
real ones. Of the real table nothing but ACCESS SHARE is held, and only while it is copied.
"""

import logging
import statistics
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import DatabaseError, NotSupportedError
from django.db.backends.utils import CursorWrapper
from psycopg import sql

from perfops.analysis.plans import explain
from perfops.analysis.plans.explain import NoPlan
from perfops.conf import Conf, conf
from perfops.database import connections as session
from perfops.database.connections import MARK
from perfops.formatting import first_line
from perfops.indexes import page_layout, scratch, texts
from perfops.indexes import planning as plans
from perfops.indexes.records import Clock, Query, Table, WriteCosts

log = logging.getLogger(__name__)

Name = tuple[str, str]
_ROUNDS = 3
# A statement that takes longer (ms) is run once each way.
_SLOW_MS = 200.0
# A statement's time holds for the ROLLBACK after it too: 1 ms can end that on a busy machine.
_LEAST_MS = 1_000
# So many rows are written to see what an index costs; less per row (ms) can't be told from chance.
_WRITTEN = 2_000
_LEAST_WRITE_MS = 0.0005
# A run without the indexes, and one with them.
Pair = tuple[plans.Plan, plans.Plan]


@dataclass(frozen=True, slots=True)
class Copy:
    """``rows``: how many were copied. ``names``: the table and the views that were copied."""

    cursor: CursorWrapper
    clock: Clock
    schema: str
    table: Table
    rows: int
    names: frozenset[Name] = frozenset()

    def texts(self, query: Query) -> list[str]:
        """Return the query with its parameters, as it reads the copy."""
        text = texts.moved(query.text, self.names, self.schema)
        return [plans.filled(text, each) for each in query.sets]

    def planned(self, text: str) -> plans.Plan:
        """Return the plan of one of ``texts``. Raises ``django.db.DatabaseError``, also where it
        reads the real table all the same, as through a function.
        """
        plan = plans.planned(self.cursor, text)
        if not plan.relations.isdisjoint({self.table.key, *self.table.family}):
            raise NotSupportedError("it reads the real table")
        return plan

    @property
    def share(self) -> float:
        """Return which share of the table's rows it has."""
        return min(1.0, self.rows / self.table.rows) if self.table.rows else 1.0

    def named(self, index: str) -> sql.Identifier:
        """Return the full name of an index on the copy."""
        return sql.Identifier(self.schema, index)


@contextmanager
def writing(alias: str, limits: Conf) -> Iterator[CursorWrapper]:
    """Yield a cursor on a connection of its own that may write; bounded like a reading one.

    Raises ``django.db.NotSupportedError`` through a pooler, where the settings of a rehearsal
    would stay behind for others.
    """
    with session.reading(alias) as cursor:
        require_direct(cursor, alias)
        # It writes to its own schema; a server whose client died ends the statement itself.
        for name, value in {
            "default_transaction_read_only": "off",
            "client_connection_check_interval": "1s",
            "statement_timeout": str(int(limits.REHEARSAL_S * 1000)),
        }.items():
            cursor.execute(f"{MARK} SELECT set_config(%s, %s, false)", [name, value])
        yield cursor


def require_direct(cursor: CursorWrapper, alias: str) -> None:
    """Raise ``django.db.NotSupportedError`` where ``cursor`` on ``alias`` is a pooler's.

    Whoever holds a connection of a pooler asks this before a second one: a small pool would have
    it wait for the first, and the first for it.
    """
    if not session.is_direct(cursor):
        raise NotSupportedError(
            f"{alias!r} goes through a pooler, and a rehearsal needs a connection of its own: "
            f"name a direct one in settings.PERFOPS['DIRECT_DATABASES'][{alias!r}]"
        )


@contextmanager
def copied(cursor: CursorWrapper, clock: Clock, table: Table, limits: Conf) -> Iterator[Copy]:
    """Yield a copy with the table's indexes, constraints and statistics; gone at the end.

    A sample if the table is large. Raises ``django.db.DatabaseError`` where none can be made.
    """
    with scratch.schema(cursor) as schema:
        rows = _fill(cursor, schema, table, limits)
        cursor.execute(f"{MARK} SHOW search_path")
        (usual,) = cursor.fetchone()
        _set_path(cursor, f"{schema}, {usual}")
        try:
            names = _copy_views(cursor, schema, table)
            yield Copy(cursor, clock, schema, table, rows, names)
        finally:
            _set_path(cursor, usual)


def _set_path(cursor: CursorWrapper, path: str) -> None:
    cursor.execute(f"{MARK} SELECT set_config('search_path', %s, false)", [path])


def _copy_views(cursor: CursorWrapper, schema: str, table: Table) -> frozenset[Name]:
    """Make the views upon ``table``, and upon those, over its copy; return all names copied."""
    cursor.execute(
        f"""{MARK} WITH RECURSIVE upon (oid, depth) AS (
            SELECT to_regclass(format('%%I.%%I', %s::text, %s::text))::oid, 0
            UNION SELECT r.ev_class, depth + 1 FROM upon
                JOIN pg_depend d ON d.refobjid = upon.oid AND d.classid = 'pg_rewrite'::regclass
                JOIN pg_rewrite r ON r.oid = d.objid AND r.ev_class <> upon.oid
                JOIN pg_class v ON v.oid = r.ev_class AND v.relkind = 'v'
        )
        SELECT n.nspname, c.relname, pg_get_viewdef(c.oid),
            coalesce(array_to_string(c.reloptions, ', '), '')
        FROM upon JOIN pg_class c USING (oid) JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE depth > 0 GROUP BY c.oid, n.nspname, c.relname, c.reloptions ORDER BY max(depth)""",
        list(table.key),
    )
    names = {table.key}
    for view_schema, name, definition, options in cursor.fetchall():
        if name in {taken for _, taken in names}:
            continue
        how = sql.SQL("WITH ({})").format(sql.SQL(options)) if options else sql.SQL("")
        view = sql.SQL("{} CREATE VIEW {} {} AS ").format(
            sql.SQL(MARK), sql.Identifier(schema, name), how
        )
        try:
            cursor.execute(view.as_string(None) + texts.moved(definition, names, schema), None)
        except DatabaseError as error:
            # What reads it is not rehearsed.
            log.info("the view %s.%s is not copied: %s", view_schema, name, error)
        else:
            names.add((view_schema, name))
    return frozenset(names)


def _fill(cursor: CursorWrapper, schema: str, table: Table, limits: Conf) -> int:
    source, target = sql.Identifier(*table.key), sql.Identifier(schema, table.name)
    # Of tables that inherit from it the rows are not its own: they have indexes of their own.
    rows_of = sql.SQL("{}" if table.is_partitioned else "ONLY {}").format(source)
    most = limits.REHEARSAL_ROWS
    if table.bytes > limits.REHEARSAL_BYTES:
        most = min(most, int(table.rows * limits.REHEARSAL_BYTES / table.bytes))
    part: sql.Composable = sql.SQL("")
    if table.rows > most:
        share = min(100.0, 100.0 * most / table.rows)
        part = sql.SQL(" TABLESAMPLE SYSTEM ({}) REPEATABLE (7)").format(sql.Literal(share))
    names = sql.SQL(", ").join(map(sql.Identifier, _stored(cursor, table)))
    mark = sql.SQL(MARK)
    # Checks are left away: one that is NOT VALID yet would refuse old rows.
    for statement in (
        sql.SQL(
            "{} CREATE UNLOGGED TABLE {} (LIKE {} INCLUDING ALL EXCLUDING CONSTRAINTS"
            " EXCLUDING IDENTITY)"
        ).format(mark, target, source),
        sql.SQL("{} INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {}{}").format(
            mark, target, names, names, rows_of, part
        ),
    ):
        cursor.execute(statement)
    cursor.execute(sql.SQL("{} SELECT count(*) FROM {}").format(mark, target))
    (rows,) = cursor.fetchone()
    page_layout.imitate(cursor, schema, table, rows)
    return int(rows)


def _stored(cursor: CursorWrapper, table: Table) -> list[str]:
    """Return the columns that are not generated."""
    cursor.execute(
        f"""{MARK} SELECT attname FROM pg_attribute
        WHERE attrelid = to_regclass(quote_ident(%s) || '.' || quote_ident(%s)) AND attnum > 0
            AND NOT attisdropped AND attgenerated = '' ORDER BY attnum""",
        list(table.key),
    )
    return [name for (name,) in cursor.fetchall()]


def pairs(copy: Copy, text: str, indexes: Sequence[str]) -> list[Pair]:
    """Run ``text`` without and with the indexes, in turn; once is enough of what takes long.

    Raises ``django.db.DatabaseError``, also when the time is over.
    """
    found: list[Pair] = []
    while len(found) < _ROUNDS:
        found.append((_run(copy, text, without=indexes), _run(copy, text)))
        if (found[0][0].ms or 0.0) > _SLOW_MS:
            break
    return found


def mean_of_best(found: Sequence[list[Pair]], figure: Callable[[Pair], float | None]) -> float:
    """Return the mean over the parameters of the best round: disturbance only makes it slower."""
    return statistics.fmean(min(figure(pair) or 0.0 for pair in rounds) for rounds in found)


@contextmanager
def missing(copy: Copy, indexes: Sequence[str]) -> Iterator[None]:
    """Let the copy be without the indexes for a while, and be only read."""
    with _changing(copy, indexes):
        copy.cursor.execute(f"{MARK} SET TRANSACTION READ ONLY")
        yield


def write_costs(copy: Copy, index: str, columns: Collection[str]) -> WriteCosts:
    """Return what writes cost more with ``index`` upon ``columns``.

    Rows are written with it and without it in turn, and all is rolled back. Raises
    ``django.db.DatabaseError``.
    """
    rows = min(_WRITTEN, copy.rows)
    insert_ms = _more_ms(copy, index, _inserting(copy), rows)
    update_ms, updated = None, updated_columns(copy, columns)
    if updated and not copy.clock.is_over:
        before, update = updating(copy, updated)
        try:
            update_ms = _more_ms(copy, index, update, rows // 2, before=before)
        except DatabaseError as error:
            # A unique generated column or a trigger may refuse another row's value.
            log.info("no update of %s is measured: %s", copy.table.name, first_line(error))
    return WriteCosts(insert_ms, update_ms, updated if update_ms is not None else ())


def _more_ms(
    copy: Copy, index: str, text: str, rows: int, *, before: Sequence[str] = ()
) -> float | None:
    """Return what ``text`` costs more for each of ``rows``; None where chance is larger.

    ``before``: what is done before it each time, and not counted.
    """
    taken: dict[tuple[str, ...], list[float]] = {(): [], (index,): []}
    for without in [*taken] * _ROUNDS:
        with _changing(copy, without):
            for statement in before:
                copy.cursor.execute(f"{MARK} {statement}", None)
            taken[without].append(plans.run(copy.cursor, text).ms or 0.0)
    # What was rolled back must not be in the way of the next index.
    target = sql.Identifier(copy.schema, copy.table.name)
    copy.cursor.execute(sql.SQL("{} VACUUM {}").format(sql.SQL(MARK), target))
    more = (min(taken[()]) - min(taken[index,])) / max(rows, 1)
    return more if more > _LEAST_WRITE_MS else None


def _inserting(copy: Copy) -> str:
    """Return the statement that deletes rows and inserts them again."""
    names = sql.SQL(", ").join(map(sql.Identifier, _stored(copy.cursor, copy.table)))
    statement = sql.SQL(
        "WITH gone AS (DELETE FROM {table} WHERE ctid IN"
        " (SELECT ctid FROM {table} LIMIT {rows}) RETURNING {names})"
        " INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE SELECT {names} FROM gone"
    )
    table = sql.Identifier(copy.schema, copy.table.name)
    return statement.format(table=table, names=names, rows=sql.Literal(_WRITTEN)).as_string(None)


def updated_columns(copy: Copy, columns: Collection[str]) -> tuple[str, ...]:
    """Return which of ``columns`` an update is measured on: one that no unique index has, else one
    with all that its unique indexes have. Empty where all are generated.
    """
    # By a constraint (EXCLUDE) of the table the copy has one as well.
    copy.cursor.execute(
        f"""{MARK} SELECT array_agg(DISTINCT a.attname::text) FROM pg_index i
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum > 0
            AND (a.attnum = ANY (i.indkey) OR EXISTS (SELECT FROM pg_depend d
                WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
                AND d.refobjid = i.indrelid AND d.refobjsubid = a.attnum))
        WHERE i.indrelid = to_regclass(%s) AND (i.indisunique OR i.indisexclusion)
        GROUP BY i.indexrelid""",
        [sql.Identifier(copy.schema, copy.table.name).as_string(None)],
    )
    unique = [set(names) for (names,) in copy.cursor.fetchall()]
    stored = _stored(copy.cursor, copy.table)
    own = [name for name in stored if name in columns]
    if not own:
        return ()
    together = {min(own, key=lambda name: any(name in names for names in unique))}
    while more := set().union(*(names for names in unique if names & together)) - together:
        together |= more
    return tuple(name for name in stored if name in together)


def updating(copy: Copy, columns: Sequence[str]) -> tuple[list[str], str]:
    """Return the statement that gives half of the rows the values that other rows had in
    ``columns``, and what is to be done before it: those others are deleted.

    With the value that it has already a row would stay HOT (a heap-only tuple, without entries in
    indexes); with that of a row that is still there a unique index would refuse it.
    """
    parts = {
        "table": sql.Identifier(copy.schema, copy.table.name),
        "values": sql.Identifier(copy.schema, "perfops values"),
        "names": sql.SQL(", ").join(map(sql.Identifier, columns)),
        "first": sql.Identifier(columns[0]),
        "theirs": sql.SQL(", ").join(sql.Identifier("v", name) for name in columns),
        "set": sql.SQL(", ").join(
            sql.SQL("{} = v.{}").format(sql.Identifier(name), sql.Identifier(name))
            for name in columns
        ),
        "half": sql.Literal(min(_WRITTEN, copy.rows) // 2),
        "rows": sql.Literal(min(_WRITTEN, copy.rows)),
    }
    # In order of the values the other half of the rows on: mostly another one.
    take = (
        "CREATE UNLOGGED TABLE {values} AS WITH n AS (SELECT ctid AS perfops_at, {names},"
        " row_number() OVER (ORDER BY {first}) AS perfops_n"
        " FROM (SELECT ctid, {names} FROM {table} LIMIT {rows}) written)"
        " SELECT one.perfops_at, v.perfops_at AS perfops_gone, {theirs} FROM n AS one"
        " JOIN n AS v ON v.perfops_n = one.perfops_n + {half} WHERE one.perfops_n <= {half}"
    )
    texts_of = (
        take,
        "DELETE FROM {table} t USING {values} v WHERE t.ctid = v.perfops_gone",
        "ANALYZE {values}",
        "UPDATE {table} AS t SET {set} FROM {values} v WHERE t.ctid = v.perfops_at",
    )
    *before, update = (sql.SQL(text).format(**parts).as_string(None) for text in texts_of)
    return before, update


@contextmanager
def _changing(copy: Copy, without: Sequence[str]) -> Iterator[None]:
    """Let the copy be without some indexes, and undo all that is done meanwhile."""
    copy.cursor.execute(f"{MARK} BEGIN")
    try:
        for index in without:
            copy.cursor.execute(
                sql.SQL("{} DROP INDEX {}").format(sql.SQL(MARK), copy.named(index))
            )
        yield
    finally:
        copy.cursor.execute(f"{MARK} ROLLBACK")


def _run(copy: Copy, text: str, *, without: Sequence[str] = ()) -> plans.Plan:
    """Run ``text``, no longer than is left, but for a second."""
    with missing(copy, without):
        left_ms = max(_LEAST_MS, int(copy.clock.left_s * 1000))
        copy.cursor.execute(
            f"{MARK} SELECT set_config('statement_timeout', %s, true)", [str(left_ms)]
        )
        return plans.run(copy.cursor, text)


def harmless(cursor: CursorWrapper, queries: Sequence[Query]) -> list[Query]:
    """Return those that call no volatile function: a read-only transaction doesn't stop all."""
    return [query for query in queries if _is_harmless(cursor, query)]


def _is_harmless(cursor: CursorWrapper, query: Query) -> bool:
    try:
        return not explain.volatile(cursor, explain.generic(cursor, query.text), query.text)
    except NoPlan:
        return False


def sweep() -> list[str]:
    """Drop the scratch schemas of dead rehearsals wherever one is allowed; return their names.

    One that is alive is let alone, and a database that can't be swept is only logged.
    """
    swept: list[str] = []
    for alias in sorted(set(conf().REHEARSE_ON.values())):
        try:
            with writing(alias, conf()) as cursor:
                swept += scratch.sweep(cursor)
        except DatabaseError as error:
            reason = first_line(error)
            log.warning("what rehearsals have left on %s is not swept: %s", alias, reason)
    if swept:
        log.info("swept what killed rehearsals have left: %s", ", ".join(swept))
    return swept
