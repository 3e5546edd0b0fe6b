"""A connection of its own for looking: read-only, bounded, and not counted itself."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DatabaseError, NotSupportedError, ProgrammingError, connections
from django.db.backends.utils import CursorWrapper

from perfops.conf import conf

# Every statement of a collector begins with it; where tracking can't be turned off, it is
# how we tell our own statements in pg_stat_statements.
MARK = "/* perfops */"
APPLICATION = "perfops"
_CONNECT_S = 5


@contextmanager
def reading(database: str) -> Iterator[CursorWrapper]:
    """Yield a cursor on a new connection to the alias ``database``; the caller's stays untouched.

    Raises ``django.db.Error`` when there is no connection, or none to PostgreSQL.
    """
    connection = connections[database].copy()
    if connection.vendor != "postgresql":
        raise NotSupportedError(f"it is {connection.vendor}, and perfops reads PostgreSQL alone")
    options = connection.settings_dict["OPTIONS"]
    # A pool lends connections out; settings made here must not come along.
    options.pop("pool", None)
    # Neither a server that does not answer nor a network that swallows everything holds us.
    options.setdefault("connect_timeout", _CONNECT_S)
    options.setdefault("tcp_user_timeout", 2 * conf().STATEMENT_TIMEOUT_MS)
    options["application_name"] = APPLICATION
    try:
        with connection.cursor() as cursor:
            _bound(cursor)
            yield cursor
    finally:
        connection.close()


def _bound(cursor: CursorWrapper) -> None:
    limits = {
        "default_transaction_read_only": "on",
        "statement_timeout": str(conf().STATEMENT_TIMEOUT_MS),
        "lock_timeout": str(conf().LOCK_TIMEOUT_MS),
    }
    for name, value in limits.items():
        cursor.execute(f"{MARK} SELECT set_config(%s, %s, false)", [name, value])
    try:
        cursor.execute(f"{MARK} SELECT set_config('pg_stat_statements.track', 'none', false)")
    except ProgrammingError:
        # Only a superuser may; the mark tells our statements from the others.
        return


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
