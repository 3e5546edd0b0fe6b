"""Django's ``execute_wrapper`` that counts: what every statement passes by, so it is short.

A statement seen before from the same place in the same scope costs the walk to the first frame
of the project and a look-up. An error of ours is logged once and never reaches the caller.
"""

import logging
import sys
from collections.abc import Callable, Iterator, Sized
from contextlib import contextmanager
from functools import cache
from time import perf_counter
from typing import Any

from django.db.backends.base.base import NO_DB_ALIAS, BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from psycopg.sql import Composable

from perfops.conf import conf
from perfops.database.connections import MARK
from perfops.origins import flushing, scope
from perfops.origins.callers import awaiting, caller
from perfops.origins.counts import CURSOR
from perfops.origins.scope import current

log = logging.getLogger(__name__)

Execute = Callable[[Any, Any, bool, dict[str, Any]], Any]

_failed = False


@cache
def counting(  # noqa: C901 -- a call more would be paid by every statement
    database: str,
) -> Callable[[Execute, Any, Any, bool, dict[str, Any]], Any]:
    """Return the wrapper for connections of the alias ``database``."""

    def count(execute: Execute, sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
        times = 1
        if many:
            # An iterator would be spent by counting it.
            params = params if isinstance(params, Sized) else list(params)
            times = len(params)
        start = perf_counter()
        result = execute(sql, params, many, context)
        seconds = perf_counter() - start
        try:
            text = sql if isinstance(sql, str) else _text(sql)
            where = current.get() or scope.process
            frame = caller(sys._getframe(1))
            if frame is None and where.task is not None:
                frame = awaiting(where.task)
            rows = context["cursor"].cursor.rowcount
            if rows < 0:
                rows = 0
                if _is_cursor(context["cursor"].cursor):
                    text = CURSOR + text
            key = (
                (database, text, 0, 0)
                if frame is None
                else (database, text, id(frame.f_code), frame.f_lasti)
            )
            while True:
                with where.lock:
                    if where.is_live:
                        tally = where.tallies.get(key)
                        if tally is None:
                            if text.startswith(MARK):
                                return result
                            flushing.begin()
                            tally = where.open(key, frame, params, many)
                        tally.calls += times
                        tally.seconds += seconds
                        tally.rows += rows
                        tally.rounds += 1
                        return result
                # It ended meanwhile: a thread or a stream that outlived its request.
                where = scope.process
        except Exception:
            _fail()
        return result

    return count


def _text(sql: Any) -> str:
    if isinstance(sql, Composable):
        return sql.as_string(None)
    return sql.decode(errors="replace") if isinstance(sql, bytes) else str(sql)


def _is_cursor(cursor: Any) -> bool:
    """Say whether it is psycopg's cursor on the server."""
    return hasattr(cursor, "scrollable")


def _fail() -> None:
    global _failed  # noqa: PLW0603
    if not _failed:
        _failed = True
        log.error("statements can't be counted; this is said once")


@contextmanager
def uncounted(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Count nothing on ``connection`` within the block: what is sent is nobody's traffic."""
    count = counting(connection.alias)
    was = connection.execute_wrappers
    connection.execute_wrappers = [each for each in was if each is not count]
    try:
        yield
    finally:
        connection.execute_wrappers = was


def install() -> None:
    """Count on every PostgreSQL connection that is opened from now on."""
    connection_created.connect(_on_connection, dispatch_uid="perfops.origins")


def uninstall() -> None:
    """Count on no connection that is opened from now on."""
    connection_created.disconnect(dispatch_uid="perfops.origins")


def _on_connection(connection: BaseDatabaseWrapper, **_: object) -> None:
    if connection.vendor != "postgresql":
        return
    is_under_test = flushing.is_under_test()
    # The connection without a database creates and drops test databases: no row belongs to it.
    if connection.alias == NO_DB_ALIAS:
        if is_under_test:
            flushing.pause()
        return
    count = counting(connection.alias)
    is_counted = count in connection.execute_wrappers
    if is_under_test and not conf().ORIGINS_IN_TESTS:
        # Django keeps the wrappers where it connects once more, to the test database.
        if is_counted:
            connection.execute_wrappers.remove(count)
        return
    flushing.resume(has_tests=is_under_test)
    if not is_counted:
        connection.execute_wrappers.append(count)
