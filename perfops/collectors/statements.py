"""pg_stat_statements: what is asked of this database, and what it costs."""

from django.db import OperationalError, ProgrammingError
from django.db.backends.utils import CursorWrapper
from psycopg import sql

from perfops.collectors.missing import Missing, SourceMissing
from perfops.collectors.records import Statement, StatementsInfo, fetch
from perfops.collectors.session import MARK, columns

_TEXT_CHARACTERS = 4000
_COST = "Slow queries can't be told, nor the queries of a load run."
_PRELOAD = "ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements';  -- then restart"
_NOT_LOADED = Missing(
    "pg_stat_statements", "the library is not loaded by the server", _COST, _PRELOAD
)


def read(cursor: CursorWrapper) -> tuple[Statement, ...] | None:
    """Return the statements of this database, the costliest first. Raises ``SourceMissing``."""
    view = _view(cursor, "pg_stat_statements")
    has = columns(cursor, view)
    # 13 renamed total_time; 17 renamed the I/O columns we don't read.
    total = "total_exec_time" if "total_exec_time" in has else "total_time"
    wal = "sum(wal_bytes)" if "wal_bytes" in has else "0"
    query = sql.SQL(
        """{mark} SELECT queryid::text, left(min(query), {characters}), sum(calls)::bigint,
            sum({total})::float, sum(rows)::bigint, sum(shared_blks_hit)::bigint,
            sum(shared_blks_read)::bigint,
            (sum(temp_blks_written) * current_setting('block_size')::int)::bigint,
            ({wal})::bigint
        FROM {view}
        WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND queryid IS NOT NULL AND query NOT LIKE {ours}
        GROUP BY queryid ORDER BY 4 DESC"""
    ).format(
        mark=sql.SQL(MARK),
        characters=sql.Literal(_TEXT_CHARACTERS),
        total=sql.Identifier(total),
        wal=sql.SQL(wal),
        view=_identifier(view),
        ours=sql.Literal(f"{MARK}%"),
    )
    _execute(cursor, query)
    return fetch(cursor, Statement)


def info(cursor: CursorWrapper) -> StatementsInfo | None:
    """Return how complete the view is; None where it is not there (it is since 14)."""
    try:
        view = _view(cursor, "pg_stat_statements_info")
    except SourceMissing:
        return None  # said once, by ``read``
    if not columns(cursor, view):
        return None
    query = sql.SQL(
        "{mark} SELECT extract(epoch FROM stats_reset)::float, dealloc FROM {view}"
    ).format(mark=sql.SQL(MARK), view=_identifier(view))
    try:
        _execute(cursor, query)
    except SourceMissing:
        return None
    return fetch(cursor, StatementsInfo)[0]


def hidden(cursor: CursorWrapper) -> tuple[Missing, ...]:
    """Say so when other users' statements are hidden from us."""
    cursor.execute(f"{MARK} SELECT pg_has_role('pg_read_all_stats', 'USAGE'), current_user")
    allowed, role = cursor.fetchone()
    if allowed:
        return ()
    return (
        Missing(
            "pg_stat_statements",
            f"the role {role} sees its own statements only",
            "What other users ask of this database is not in the analysis.",
            f"GRANT pg_read_all_stats TO {sql.Identifier(role).as_string(None)};",
        ),
    )


def _view(cursor: CursorWrapper, name: str) -> str:
    """Return the view with its schema: an extension may live anywhere."""
    cursor.execute(
        f"""{MARK} SELECT nspname FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace
        WHERE extname = 'pg_stat_statements'"""
    )
    row = cursor.fetchone()
    if row is None:
        raise SourceMissing(
            Missing(
                "pg_stat_statements",
                "the extension is not installed in this database",
                _COST,
                "CREATE EXTENSION pg_stat_statements;",
            )
        )
    return f"{row[0]}.{name}"


def _identifier(view: str) -> sql.Identifier:
    return sql.Identifier(*view.split(".", 1))


def _execute(cursor: CursorWrapper, query: sql.Composed) -> None:
    try:
        cursor.execute(query)
    except (OperationalError, ProgrammingError) as error:
        if "shared_preload_libraries" in str(error):
            raise SourceMissing(_NOT_LOADED) from error
        raise
