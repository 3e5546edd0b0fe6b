"""Who is connected at this moment, and who waits for whom."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import Error, connections

from perfops.analysis.collectors import activity
from perfops.analysis.collectors.states import Connections, Prepared, Session
from perfops.database import connections as session
from perfops.formatting import first_line


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


def now(database: str) -> Present:
    """Look at ``database``, on a connection of its own. It never raises: ``error`` says why."""
    try:
        with session.reading(database) as cursor:
            sessions = activity.sessions(cursor)
            used, prepared = activity.connections(cursor), activity.prepared(cursor)
    except Error as error:
        return Present(None, (), (), [], first_line(error))
    return Present(used, sessions, prepared, queue(sessions))


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
