"""pg_stat_statements: what is asked of this database, and what it costs."""

from django.db import OperationalError, ProgrammingError
from django.db.backends.utils import CursorWrapper
from psycopg import sql

from perfops.analysis.collectors.records import (
    SourceUnavailable,
    Statement,
    StatementsInfo,
    UnavailableSource,
    fetch,
)
from perfops.conf import conf
from perfops.database.connections import MARK, columns, schema_of

SOURCE = "pg_stat_statements"
_TEXT_CHARACTERS = 4000
_COST = "Slow queries and the queries of a load run are unknown."


def read(cursor: CursorWrapper) -> tuple[Statement, ...] | None:
    """Return the statements of this database, the costliest first. Raises ``SourceUnavailable``.

    All have their numbers; the texts come along for the ``STATEMENT_TEXTS`` that cost most, be
    it by time, calls, temporary files or WAL.
    """
    view = _view(cursor, "pg_stat_statements")
    has = columns(cursor, view.as_string(None))
    # 13 renamed total_time; 17 added since when a statement is counted, and renamed the I/O
    # times, which we don't read.
    time = "exec_time" if "total_exec_time" in has else "time"
    query = sql.SQL(_READ).format(
        mark=sql.SQL(MARK),
        characters=sql.Literal(_TEXT_CHARACTERS),
        texts=sql.Literal(conf().STATEMENT_TEXTS),
        view=view,
        ours=sql.Literal(f"{MARK}%"),
        total=sql.Identifier(f"total_{time}"),
        mean=sql.Identifier(f"mean_{time}"),
        min=sql.Identifier(f"min_{time}"),
        max=sql.Identifier(f"max_{time}"),
        deviation=sql.Identifier(f"stddev_{time}"),
        **{
            name: sql.SQL(name if name in has else otherwise)
            for name, otherwise in {
                "wal_bytes": "0", "plans": "0", "total_plan_time": "0",
                "stats_since": "NULL::timestamptz",
            }.items()
        },
    )  # fmt: skip
    _execute(cursor, query)
    return fetch(cursor, Statement)


# A text is NULL where the server has lost the file of texts: its counts are there all the same.
# One id may have a row for each user and nesting: their deviations are put together through
# the sum of squares.
_READ = """{mark} WITH added AS (
    SELECT queryid, min(query) AS query, sum(calls)::bigint AS calls,
        sum({total})::float AS total_ms, sum(rows)::bigint AS rows,
        sum(shared_blks_hit)::bigint AS blocks_hit, sum(shared_blks_read)::bigint AS blocks_read,
        (sum(temp_blks_written) * current_setting('block_size')::int)::bigint AS temp_bytes,
        sum({wal_bytes})::bigint AS wal_bytes, min({min})::float AS min_ms,
        max({max})::float AS max_ms, sum({plans})::bigint AS plans,
        sum({total_plan_time})::float AS plan_ms,
        sqrt(greatest(0, sum(calls * ({deviation} ^ 2 + {mean} ^ 2))
            / greatest(sum(calls), 1) - (sum({total}) / greatest(sum(calls), 1)) ^ 2))::float
            AS stddev_ms,
        extract(epoch FROM min({stats_since}))::float AS since
    FROM {view}
    WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND queryid IS NOT NULL AND (query IS NULL OR query NOT LIKE {ours})
    GROUP BY queryid
), placed AS (
    SELECT *, least(row_number() OVER (ORDER BY total_ms DESC),
        row_number() OVER (ORDER BY calls DESC), row_number() OVER (ORDER BY temp_bytes DESC),
        row_number() OVER (ORDER BY wal_bytes DESC)) AS place
    FROM added
)
SELECT queryid::text, CASE WHEN place <= {texts} THEN coalesce(left(query, {characters}), '')
        ELSE '' END AS text,
    calls, total_ms, rows, blocks_hit, blocks_read, temp_bytes, wal_bytes, min_ms, max_ms,
    plans, plan_ms, stddev_ms, since
FROM placed ORDER BY total_ms DESC"""


def info(cursor: CursorWrapper) -> StatementsInfo | None:
    """Return how complete the view is; None where it is not there (it is since 14)."""
    try:
        view = _view(cursor, "pg_stat_statements_info")
    except SourceUnavailable:
        return None  # said once, by ``read``
    if not columns(cursor, view.as_string(None)):
        return None
    query = sql.SQL(
        "{mark} SELECT extract(epoch FROM stats_reset)::float AS reset_at,"
        " dealloc AS deallocations FROM {view}"
    ).format(mark=sql.SQL(MARK), view=view)
    try:
        _execute(cursor, query)
    except SourceUnavailable:
        return None
    return fetch(cursor, StatementsInfo)[0]


def _view(cursor: CursorWrapper, name: str) -> sql.Identifier:
    schema = schema_of(cursor, "pg_stat_statements")
    if schema is None:
        reason = "the extension is not installed in this database"
        raise SourceUnavailable(
            UnavailableSource(SOURCE, reason, _COST, "CREATE EXTENSION pg_stat_statements;")
        )
    return sql.Identifier(schema, name)


def _execute(cursor: CursorWrapper, query: sql.Composed) -> None:
    try:
        cursor.execute(query)
    except (OperationalError, ProgrammingError) as error:
        if "shared_preload_libraries" in str(error):
            raise SourceUnavailable(_not_loaded(cursor)) from error
        raise


def _not_loaded(cursor: CursorWrapper) -> UnavailableSource:
    """The others that are loaded must stay so; a role that may not see them has to look."""
    cursor.execute(
        f"{MARK} SELECT setting FROM pg_settings WHERE name = 'shared_preload_libraries'"
    )
    row = cursor.fetchone()
    libraries = ", ".join(filter(None, (row[0] if row else "...", SOURCE)))
    remedy = f"ALTER SYSTEM SET shared_preload_libraries = {libraries};  -- then restart"
    return UnavailableSource(SOURCE, "the library is not loaded by the server", _COST, remedy)
