"""perfops' own connections: bounded in time, read-only where they only read, and not counted.

No setting made here may outlive us on a connection that others use. PgBouncer in transaction
mode gives each transaction another server connection, and a session's settings stay behind on
it. So a connection is asked first whether it is direct. Only then are settings made for the
session; else all work is done within a transaction, and its settings end with it (SET LOCAL).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import DatabaseError, NotSupportedError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from psycopg.pq import TransactionStatus

from perfops.conf import conf

# Every statement of a collector begins with it; where tracking can't be turned off, it is
# how we tell our own statements in pg_stat_statements.
MARK = "/* perfops */"
APPLICATION = "perfops"
_CONNECT_S = 5
# What keeps us out of the counters that we judge by: asking for a plan reads the ends of indexes,
# and counts as scans of them. Only superusers may set these, and from PostgreSQL 15 on roles that
# were granted it (GRANT SET ON PARAMETER). Statements are told by their mark even without.
_UNCOUNTED = {"pg_stat_statements.track": "none", "track_counts": "off"}
_SAVEPOINT = "perfops"
_UNDO = f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}; RELEASE SAVEPOINT {_SAVEPOINT}"


@contextmanager
def reading(database: str) -> Iterator[CursorWrapper]:
    """Yield a cursor on a new connection to the alias ``database``; the caller's stays untouched.

    The connection is that of ``PERFOPS["DIRECT_DATABASES"]`` where the alias has one there.
    Through a pooler all statements run in one read-only transaction on one server connection,
    and each gives its locks back at its end. Raises ``django.db.Error`` when there is no
    connection, or none to PostgreSQL.
    """
    connection = _open(conf().DIRECT_DATABASES.get(database, database))
    try:
        with connection.cursor() as cursor:
            if is_direct(cursor):
                _limit_session(cursor)
            else:
                connection.execute_wrappers.append(_Pooled(connection))
            yield cursor
    finally:
        connection.close()


@contextmanager
def writing(database: str, *, timeout_ms: int) -> Iterator[CursorWrapper]:
    """Yield a cursor on a new connection to ``database``: each statement is a transaction.

    Statements and their waiting for locks take ``timeout_ms`` at most; 0: as long as they need.
    Raises ``django.db.Error``.
    """
    connection = _open(database)
    limits = _limits() | {"statement_timeout": timeout_ms, "lock_timeout": timeout_ms}

    def limited(execute: Any, sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        server = connection.connection
        with connection.wrap_database_errors, server.transaction():
            _set_local(server, limits)
            return execute(sql, params, many, context)

    connection.execute_wrappers.append(limited)
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


def is_direct(cursor: CursorWrapper) -> bool:
    """Say whether there is no pooler between us and the server process.

    The server names its process when a connection begins, and a pooler puts a number of its own
    there, as one client has many processes in turn.
    """
    cursor.execute(f"{MARK} SELECT pg_backend_pid()")
    return bool(cursor.fetchone()[0] == cursor.db.connection.info.backend_pid)


@contextmanager
def undone(cursor: CursorWrapper) -> Iterator[None]:
    """Undo at the end what the block does and sets. ``cursor`` is one of ``reading``."""
    pooled = _pooled(cursor)
    if pooled is not None:
        with pooled.undone():
            yield
        return
    is_within = cursor.db.connection.info.transaction_status != TransactionStatus.IDLE
    cursor.execute(f"{MARK} {f'SAVEPOINT {_SAVEPOINT}' if is_within else 'BEGIN READ ONLY'}")
    try:
        yield
    finally:
        if not cursor.db.connection.closed:
            cursor.execute(f"{MARK} {_UNDO if is_within else 'ROLLBACK'}")


class _Pooled:
    """An ``execute_wrapper``: statements run in one transaction, each within a savepoint.

    What a statement locks is free again when the savepoint is undone, and one that fails costs
    only itself.
    """

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._connection, self._is_nested = connection, False

    def __call__(
        self, execute: Any, sql: Any, params: Any, many: bool, context: dict[str, Any]
    ) -> Any:
        if self._is_nested:
            return execute(sql, params, many, context)
        with self.undone():
            return execute(sql, params, many, context)

    @contextmanager
    def undone(self) -> Iterator[None]:
        server: Any = self._connection.connection
        with self._connection.wrap_database_errors:
            if server.info.transaction_status == TransactionStatus.IDLE:
                self._begin(server)
            server.execute(f"{MARK} SAVEPOINT {_SAVEPOINT}")
        was_nested, self._is_nested = self._is_nested, True
        try:
            yield
        finally:
            self._is_nested = was_nested
            if not server.closed:
                with self._connection.wrap_database_errors:
                    server.execute(f"{MARK} {_UNDO}")

    def _begin(self, server: Any) -> None:
        server.execute(f"{MARK} BEGIN READ ONLY")
        # We think between two statements; the caller's limit for that is not meant for us.
        _set_local(server, _limits() | {"idle_in_transaction_session_timeout": 0})
        for name, value in _UNCOUNTED.items():
            server.execute(f"{MARK} SAVEPOINT {_SAVEPOINT}")
            try:
                _set_local(server, {name: value})
            except psycopg.Error:
                server.execute(f"{MARK} {_UNDO}")


def _open(database: str) -> BaseDatabaseWrapper:
    connection = connections[database].copy()
    if connection.vendor != "postgresql":
        raise NotSupportedError(f"it is {connection.vendor}, and perfops reads PostgreSQL alone")
    options = connection.settings_dict["OPTIONS"]
    # A pool lends connections out; settings made here must not come along.
    options.pop("pool", None)
    # Neither a server that does not answer nor a network that swallows everything holds us.
    options.setdefault("connect_timeout", _CONNECT_S)
    options.setdefault("tcp_user_timeout", 2 * conf().STATEMENT_TIMEOUT_MS)
    return connection


def _pooled(cursor: CursorWrapper) -> _Pooled | None:
    return next((each for each in cursor.db.execute_wrappers if isinstance(each, _Pooled)), None)


def _limits() -> dict[str, object]:
    # Not in the request for the connection: a pooler would leave the name to its next client.
    return {
        "application_name": APPLICATION,
        "statement_timeout": conf().STATEMENT_TIMEOUT_MS,
        "lock_timeout": conf().LOCK_TIMEOUT_MS,
    }


def _set_local(server: Any, settings: dict[str, Any]) -> None:
    for name, value in settings.items():
        server.execute(f"{MARK} SELECT set_config(%s, %s, true)", [name, str(value)])


def _limit_session(cursor: CursorWrapper) -> None:
    """Set all at once: each page that looks at the server does it."""
    limits = {"default_transaction_read_only": "on", **_limits()}
    if _is_set(cursor, limits | _UNCOUNTED):
        return
    # Without the right to set one of the others.
    _set(cursor, limits)
    for name, value in _UNCOUNTED.items():
        _is_set(cursor, {name: value})


def _is_set(cursor: CursorWrapper, settings: Mapping[str, object]) -> bool:
    """Set all or, where the server refuses one, nothing: then return False."""
    try:
        _set(cursor, settings)
    except DatabaseError:
        if cursor.db.connection.closed:
            raise
        return False
    return True


def _set(cursor: CursorWrapper, settings: Mapping[str, object]) -> None:
    calls = ", ".join(["set_config(%s, %s, false)"] * len(settings))
    values = [text for name, value in settings.items() for text in (name, str(value))]
    cursor.execute(f"{MARK} SELECT {calls}", values)


def columns(cursor: CursorWrapper, relation: str) -> set[str]:
    """Return the columns that a catalog view has on this server; empty when there is none."""
    cursor.execute(
        f"{MARK} SELECT attname FROM pg_attribute"
        " WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped",
        [relation],
    )
    return {name for (name,) in cursor.fetchall()}


def schema_of(cursor: CursorWrapper, extension: str) -> str | None:
    """Return where an extension lives (it may be anywhere), None where it is not installed."""
    cursor.execute(
        f"""{MARK} SELECT nspname FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace
        WHERE extname = %s""",
        [extension],
    )
    row = cursor.fetchone()
    return row[0] if row else None


def is_timeout(error: DatabaseError) -> bool:
    """Say whether a statement was ended by one of our own limits: time, or waiting for a lock."""
    return getattr(error.__cause__, "sqlstate", None) in {"55P03", "57014"}
