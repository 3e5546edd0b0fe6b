"""Counts go from memory to the database now and then, and at exit; requests never wait for it.

A thread of its own, begun by the first statement of a process (a child after a fork begins its
own). What could not be written is kept, within bounds, and sent the next time.

A test runner creates and drops databases, which no other session may use meanwhile: under one
nothing is written unless ``PERFOPS["ORIGINS_IN_TESTS"]`` is set, and then not at these moments.
"""

import atexit
import logging
import os
import sys
from threading import Event, Lock, Thread

from django.core import mail
from django.db import DataError, Error
from psycopg.errors import UndefinedColumn, UndefinedTable

from perfops.conf import conf
from perfops.formatting import first_line
from perfops.origins import ledger, runs, scope, store
from perfops.origins import statement_ids as identify

log = logging.getLogger(__name__)

_lock, _starting = Lock(), Lock()
_thread: Thread | None = None
_ended = Event()
_is_away = False
# Whether a test database may be created or dropped now; whether counts may be of tests.
_is_paused, _has_tests = False, False


def begin() -> None:
    """See to it that this process flushes; a few instructions when it does already."""
    global _thread  # noqa: PLW0603
    if _thread is not None:
        return
    with _starting:
        if _thread is None:
            _thread = Thread(target=_run, name="perfops-origins", daemon=True)
            _thread.start()


def _run() -> None:
    while not _ended.wait(conf().ORIGIN_FLUSH_S):
        try:
            _flush_when_allowed()
        except Exception:
            log.exception("query origins of half a minute are lost")


def flush(*, ended: bool = False) -> bool:
    """Write all counts; with ``ended`` also those of scopes that still run.

    Returns False when the database did not take them: then they are kept. Without anything to
    write the database is left alone.
    """
    with _lock:
        return _flush(ended=ended)


def _flush_when_allowed(*, ended: bool = False) -> None:
    global _has_tests  # noqa: PLW0603
    with _lock:
        if is_under_test():
            if _has_tests and not _is_paused:
                _flush(ended=ended)
        elif _has_tests:
            # Their database is gone, and its name is that of the project's own again. Ended, as a
            # scope that goes on would give its statements once more at the end of the process.
            scope.tell_all(ended=True)
            ledger.take(), ledger.take_scopes(), ledger.take_runs()
            _has_tests = False
        else:
            _flush(ended=ended)


def _flush(*, ended: bool) -> bool:
    scope.tell_all(ended=ended)
    rows, scopes, caused = ledger.take(), ledger.take_scopes(), ledger.take_runs()
    if not rows and not caused and not ledger.waiting():
        return True
    try:
        with store.writing() as cursor:
            if rows:
                store.write(cursor, rows)
            rows = {}
            store.write_scopes(cursor, scopes)
            scopes = {}
            runs.write(cursor, caused)
            identify.identify_new(cursor, hurried=ended)
    except DataError:
        # The same rows would be refused the next time too.
        raise
    except Error as error:
        ledger.give_back(rows, scopes, caused)
        _complain(error)
        return False
    _recovered()
    return True


def is_under_test() -> bool:
    """Say whether a test runner has set up Django's test environment.

    Django documents ``mail.outbox`` as what exists while tests run.
    """
    return hasattr(mail, "outbox")


def pause() -> None:
    """Leave databases alone until ``resume``; returns when no session of ours is open any more."""
    global _is_paused  # noqa: PLW0603
    with _lock:
        _is_paused = True


def resume(*, has_tests: bool) -> None:
    """Write again; ``has_tests``: what is counted from now on may be of tests."""
    global _is_paused, _has_tests
    _is_paused, _has_tests = False, _has_tests or has_tests


def _complain(error: Error) -> None:
    """Once: a database that is away fills no log. Before the first migration it is no news, and
    while a database is migrated, as for tests, its tables are those of a version before.
    """
    global _is_away  # noqa: PLW0603
    is_migrating = is_under_test() or scope.invoked(sys.argv) == ("command", "migrate")
    expected = (UndefinedTable, UndefinedColumn) if is_migrating else UndefinedTable
    if not _is_away and not isinstance(error.__cause__, expected):
        _is_away = True
        reason = first_line(error)
        log.warning("query origins can't be written, they are kept in memory: %s", reason)


def _recovered() -> None:
    global _is_away  # noqa: PLW0603
    if _is_away:
        _is_away = False
        log.info("query origins are written again")


def at_exit() -> None:
    """Write what is left. Nothing more is counted for long: the process ends."""
    _ended.set()
    _flush_when_allowed(ended=True)


def _begin_anew() -> None:
    global _lock, _starting, _thread, _ended, _is_away
    _lock, _starting, _thread, _ended, _is_away = Lock(), Lock(), None, Event(), False
    ledger.begin_anew()
    scope.begin_anew()


def install() -> None:
    """Flush at exit, and begin anew in children."""
    atexit.register(at_exit)
    os.register_at_fork(after_in_child=_begin_anew)
