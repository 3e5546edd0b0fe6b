"""Connections: how many are taken, and how many production would take at most."""

from perfops.analysis.advisors.detection import DetectedIssue, SeverityName
from perfops.analysis.collectors.difference import Window
from perfops.analysis.collectors.states import Connections
from perfops.conf import Conf

ID = "connections"
TITLE = "Connections against max_connections"
NEEDS = ("connections",)

_POOLER = (
    "Put PgBouncer in front, or a pool in each process; fewer processes; CONN_MAX_AGE=0 where "
    "sessions only wait. Raising max_connections needs a restart and memory for each."
)


def run(window: Window, limits: Conf) -> list[DetectedIssue]:
    found = window.after.connections
    if found is None or found.available <= 0:
        return []
    used, planned = _used(found, limits), _planned(found, limits)
    return [advice for advice in (used, planned) if advice is not None]


def _severity(share: float, limits: Conf) -> SeverityName | None:
    if share >= limits.CONNECTIONS_ERROR:
        return "error"
    return "warning" if share >= limits.CONNECTIONS_WARNING else None


def _used(found: Connections, limits: Conf) -> DetectedIssue | None:
    share = found.used / found.available
    severity = _severity(share, limits)
    if severity is None:
        return None
    percent = f" ({share:.0%})" if share <= 1 else ""
    return DetectedIssue(
        advisor=ID,
        object="connections in use",
        severity=severity,
        title=f"{found.used_text} connections are taken{percent}",
        evidence={
            "in use": found.used,
            "of them idle": found.idle,
            "max_connections": found.maximum,
            "reserved for superusers": found.reserved,
        },
        why="When all are taken the next request gets an error instead of a page.",
        remedy=_POOLER,
    )


def _planned(found: Connections, limits: Conf) -> DetectedIssue | None:
    """Processes x threads x aliases, and each task worker: what all of them may open at once."""
    senders = limits.WEB_PROCESSES * limits.WEB_THREADS + limits.TASK_WORKERS
    most = senders * found.aliases
    if most <= found.available:
        return None
    return DetectedIssue(
        advisor=ID,
        object="connections planned",
        severity="warning",
        title=f"{most} connections may be opened at once, and there are {found.available}",
        evidence={
            "web processes": limits.WEB_PROCESSES,
            "threads each": limits.WEB_THREADS,
            "task workers": limits.TASK_WORKERS,
            "aliases on this server": found.aliases,
            "at most": most,
            "max_connections": found.maximum,
            "reserved for superusers": found.reserved,
        },
        why="It holds until every thread has work at the same time: on the busiest day.",
        remedy=_POOLER,
    )
