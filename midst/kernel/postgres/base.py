"""Django's PostgreSQL backend: with hooks before each COMMIT and when nobody answers; its pool.

A connection of before a restart of PostgreSQL is replaced, and fails no request. Django's
``CONN_HEALTH_CHECKS`` asks the server each time, which was 13% of a request that reads one row.

The cache is told before each COMMIT.

Django calls ``on_commit`` hooks after the COMMIT only. A process that is killed in between would
leave old answers valid; groups that were set pending before the COMMIT never become valid again.
"""

import select
from typing import Any

from django.db.backends.postgresql import base

from midst.kernel.cache import invalidation


class DatabaseWrapper(base.DatabaseWrapper):
    def connect(self) -> None:
        try:
            super().connect()
        except Exception:
            # Not above: settings name this module before there are any.
            from midst.telemetry import database

            database.count_failed_connection(self)
            raise

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Return a new connection, or one of the pool that its server has not closed."""
        connection = super().get_new_connection(conn_params)
        while self.pool and not _is_open(connection):
            self.pool.putconn(connection)
            connection = super().get_new_connection(conn_params)
        return connection

    def _commit(self) -> None:
        invalidation.before_commit(self)
        super()._commit()  # type: ignore[misc]


def _is_open(connection: Any) -> bool:
    """Say whether a connection of the pool is of use; ask its server only when that has spoken.

    A server that ends says so and closes: then there is something to read. One that is gone without
    a word would answer neither.
    """
    from psycopg import Error
    from psycopg_pool import ConnectionPool

    unread = select.poll()
    try:
        unread.register(connection.fileno(), select.POLLIN)
        if unread.poll(0):
            ConnectionPool.check_connection(connection)
    except Error:
        return False
    return True
