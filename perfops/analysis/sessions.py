"""Who is connected at this moment, and who waits for whom."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

from django.db import Error, connections, transaction
from django.db.backends.utils import CursorWrapper

from perfops.analysis.collectors import activity
from perfops.analysis.collectors.states import Connections, Prepared, Session
from perfops.database import connections as session
from perfops.formatting import first_line

SESSION_ID = activity.SESSION_ID
_FULL = (
    "too many clients", "too many connections", "remaining connection slots are reserved",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Present:
    """``queue``: whoever holds up others, and below each who waits, with its depth."""

    connections: Connections | None
    sessions: tuple[Session, ...]
    prepared: tuple[Prepared, ...]
    queue: list[tuple[int, Session]]
    error: str = ""


def databases() -> list[str]:
    """Return the aliases in DATABASES that lead to a PostgreSQL."""
    return [one.alias for one in connections.all() if one.vendor == "postgresql"]


def now(database: str, *, whole: bool = False) -> Present:
    """Look at ``database``, on a connection of its own. It never raises: ``error`` says why.

    ``whole``: with prepared transactions.

    When every connection is taken, it looks through the caller's: who took them is what is asked.
    """
    try:
        with session.reading(database) as cursor:
            return _look(cursor, whole=whole)
    except Error as error:
        if not is_full(error):
            return Present(None, (), (), [], first_line(error))
    try:
        with transaction.atomic(using=database), connections[database].cursor() as cursor:
            return _look(cursor, whole=whole)
    except Error as error:
        return Present(None, (), (), [], first_line(error))


def without_values(present: Present) -> Present:
    """Return ``present`` without the values that its statements hold."""
    sessions = tuple(activity.without_literals(each) for each in present.sessions)
    return dataclasses.replace(present, sessions=sessions, queue=queue(sessions))


def _look(cursor: CursorWrapper, *, whole: bool) -> Present:
    sessions = activity.sessions(cursor)
    used, prepared = activity.connections(cursor), activity.prepared(cursor) if whole else ()
    return Present(used, sessions, prepared, queue(sessions))


def is_full(error: Error) -> bool:
    """Say whether the server refuses connections for their number.

    libpq gives no code of a connection that was refused, but its text.
    """
    return any(part in str(error) for part in _FULL)


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds how many connections. ``longest_s``: its oldest transaction, None for none."""

    application: str
    user: str
    connections: int
    idle: int
    in_transaction: int
    longest_s: float | None


def holders(sessions: Iterable[Session]) -> list[Holder]:
    """Return who holds connections, by application and user, the most first."""
    groups: dict[tuple[str, str], list[Session]] = {}
    for one in sessions:
        groups.setdefault((one.application, one.user), []).append(one)
    found = [
        Holder(
            application, user, len(its),
            idle=sum(each.state == "idle" for each in its),
            in_transaction=sum(each.state.startswith("idle in") for each in its),
            longest_s=max((e.transaction_s for e in its if e.transaction_s is not None),
                          default=None),
        )
        for (application, user), its in groups.items()
    ]  # fmt: skip
    return sorted(found, key=lambda each: (-each.connections, each.application, each.user))


def queue(sessions: Iterable[Session]) -> list[tuple[int, Session]]:
    """Return holders with all who wait behind them, as lines of a tree."""
    by_pid = {one.pid: one for one in sessions}
    behind: dict[int, list[Session]] = {}
    for one in by_pid.values():
        for pid in one.blocked_by[:1]:
            behind.setdefault(pid, []).append(one)
    lines: list[tuple[int, Session]] = []

    def add(one: Session, depth: int) -> None:
        lines.append((depth, one))
        for waiter in behind.pop(one.pid, []):
            add(waiter, depth + 1)

    for pid in sorted(behind):
        if pid in by_pid and not by_pid[pid].blocked_by:
            add(by_pid[pid], 0)
    # What is left waits in a circle (a deadlock about to be found), or for someone not seen.
    for pid in sorted(behind):
        lines += [(0, waiter) for waiter in behind.get(pid, [])]
    return lines
