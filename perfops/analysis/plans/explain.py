"""Asking PostgreSQL for plans: read-only, bounded, one statement at a time, and never counted.

``cursor`` is always one of ``perfops.database.connections.reading``.
"""

from typing import Any

from django.db import DatabaseError
from django.db.backends.utils import CursorWrapper
from psycopg import ClientCursor, Cursor, sql
from psycopg.pq import ExecStatus

from perfops.analysis.plans.placeholders import numbered
from perfops.database.connections import MARK

_NAME = "perfops_generic"


class NoPlan(ValueError):
    """There is none; the message says why and what to do."""


def generic(cursor: CursorWrapper, text: str) -> dict[str, Any]:
    """Return the plan of ``text`` (with ``%s`` or ``$1``) for parameters that are not known.

    Prepared by the protocol, which takes one statement and works out the parameters' types; on
    every version of PostgreSQL since 12. Raises ``NoPlan``.
    """
    server = cursor.db.connection.pgconn
    prepared = server.prepare(_NAME.encode(), numbered(text).encode())
    if prepared.status == ExecStatus.FATAL_ERROR:
        message = (prepared.error_message or b"").decode(errors="replace").partition("\n")[0]
        raise NoPlan(f"PostgreSQL can't prepare it: {message}")
    try:
        count = server.describe_prepared(_NAME.encode()).nparams
        nulls = sql.SQL(", ").join([sql.NULL] * count)
        call = sql.SQL("({})").format(nulls) if count else sql.SQL("")
        cursor.execute(f"{MARK} SET plan_cache_mode = force_generic_plan")
        return _plan(
            cursor,
            sql.SQL("{mark} EXPLAIN (VERBOSE, SETTINGS, FORMAT JSON) EXECUTE {name}{call}").format(
                mark=sql.SQL(MARK), name=sql.Identifier(_NAME), call=call
            ),
        )
    finally:
        server.exec_(f"{MARK} DEALLOCATE {_NAME}".encode())


def with_values(cursor: CursorWrapper, text: str, params: Any) -> dict[str, Any]:
    """Return the plan of ``text`` for ``params``. Raises ``NoPlan``."""
    return _plan(cursor, _sent(cursor, "VERBOSE, SETTINGS", text, params))


def analysed(cursor: CursorWrapper, text: str, params: Any) -> dict[str, Any]:
    """Run ``text`` and return its plan with times and rows; what it did is rolled back.

    In a read-only transaction: a statement that writes is refused. Raises ``NoPlan``.
    """
    cursor.execute(f"{MARK} BEGIN READ ONLY")
    try:
        return _plan(cursor, _sent(cursor, "ANALYZE, BUFFERS, VERBOSE, SETTINGS", text, params))
    finally:
        cursor.execute(f"{MARK} ROLLBACK")


def _sent(cursor: CursorWrapper, options: str, text: str, params: Any) -> Any:
    statement: Any = f"{MARK} EXPLAIN ({options}, FORMAT JSON) {text}"
    if params is None:
        return statement
    return ClientCursor(cursor.db.connection).mogrify(statement, params)


def _plan(cursor: CursorWrapper, statement: Any) -> dict[str, Any]:
    try:
        # The extended protocol takes one statement only: the rest of several would be run.
        with cursor.db.wrap_database_errors, Cursor(cursor.db.connection) as one:
            ((plan,),) = one.execute(statement, binary=True).fetchall()
    except DatabaseError as error:
        reason = str(error).partition("\n")[0]
        raise NoPlan(f"PostgreSQL gives no plan: {reason}") from error
    if not isinstance(plan[0], dict):
        raise NoPlan("It has no plan: only queries and changes of rows have one.")
    return plan[0]
