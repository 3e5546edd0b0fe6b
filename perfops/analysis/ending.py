"""Ending what a session of the database does, or the session itself."""

import math
from enum import StrEnum
from typing import Any

from django.db import Error, connections, transaction
from django.db.backends.utils import CursorWrapper
from django.http import HttpRequest

from perfops import signals
from perfops.analysis import sessions
from perfops.analysis.collectors.states import Session
from perfops.database.connections import MARK, writing
from perfops.formatting import first_line
from perfops.models.jobs import Trigger

_PATIENCE_MS = 2000


class How(StrEnum):
    CANCEL = "cancel"
    TERMINATE = "terminate"


_CALLS = {
    How.CANCEL: "pg_cancel_backend(pid)",
    How.TERMINATE: f"pg_terminate_backend(pid, {_PATIENCE_MS})",
}
_ACTIONS = {How.CANCEL: "cancel a statement", How.TERMINATE: "terminate a session"}


class NotEnded(Exception):
    """Why a session was not ended, as a sentence for who asked."""


def end(
    session: Session, how: How, *, database: str, user: Any, request: HttpRequest | None
) -> None:
    """Cancel what ``session`` of the alias ``database`` executes, or terminate it.

    It is found by its ``session_id``: a pid may be another session's by now. A terminated session
    is waited for, two seconds at most; of a cancelled statement only the signal is sent. The audit
    log hears of it before (``perfops.signals``). Raises ``NotEnded``.
    """
    if session.pid == _own_pid(database):
        raise NotEnded("This page is answered over that session: end another, or restart the web.")
    who = f"{session.user} {session.application}".strip()
    signals.tell(
        _ACTIONS[how], f"session {session.pid} of {database} ({who})",
        request=request, user=user, trigger=Trigger.ADMIN,
    )  # fmt: skip
    try:
        done = _signal(database, session, how)
    except Error as error:
        raise NotEnded(f"PostgreSQL refused: {first_line(error)}.") from error
    if done is None:
        raise NotEnded(f"Session {session.pid} had ended already.")
    if not done:
        wait = f" It was told to, and has not within {math.ceil(_PATIENCE_MS / 1000)} s."
        raise NotEnded(f"Session {session.pid} has not ended.{wait}")


def _own_pid(database: str) -> int | None:
    server = connections[database].connection
    return None if server is None or server.closed else int(server.info.backend_pid)


def _signal(database: str, session: Session, how: How) -> bool | None:
    """Return whether it was signalled, None where it is not there any more.

    When every connection is taken, it is sent through the caller's.
    """
    try:
        with writing(database, timeout_ms=2 * _PATIENCE_MS) as cursor:
            return _sent(cursor, session, how)
    except Error as error:
        if not sessions.is_full(error):
            raise
    with transaction.atomic(using=database), connections[database].cursor() as cursor:
        return _sent(cursor, session, how)


def _sent(cursor: CursorWrapper, session: Session, how: How) -> bool | None:
    cursor.execute(
        f"""{MARK} SELECT {_CALLS[how]} FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND pid = %s AND {sessions.SESSION_ID} = %s""",
        [session.pid, session.session_id],
    )
    row = cursor.fetchone()
    return None if row is None else bool(row[0])
