"""Sessions that wait for another one's lock, and who holds it."""

from perfops.analysis.advisors.detection import DetectedIssue
from perfops.analysis.collectors.difference import Window
from perfops.analysis.collectors.states import Session
from perfops.conf import Conf
from perfops.formatting import count_text, time_text

ID = "blocked_sessions"
TITLE = "Sessions that wait for locks"
NEEDS = ("pg_stat_activity",)

_TEXT_CHARACTERS = 200
# A process id of this moment may be another session's when the finding is read.
_WHO = (
    "SELECT pid, pg_blocking_pids(pid) AS blocked_by, usename, application_name, state "
    "FROM pg_stat_activity WHERE wait_event_type = 'Lock' ORDER BY query_start;"
)


def run(window: Window, limits: Conf) -> list[DetectedIssue]:
    by_pid = {session.pid: session for session in window.after.sessions}
    waiting: dict[int, list[Session]] = {}
    for session in by_pid.values():
        if session.blocked_by and (session.query_s or 0.0) >= limits.BLOCKED_S:
            waiting.setdefault(root(session, by_pid), []).append(session)
    # One finding for each kind of holder: pids come and go.
    found: dict[str, DetectedIssue] = {}
    for pid, waiters in sorted(waiting.items(), key=lambda item: -len(item[1])):
        advice = _advice(by_pid.get(pid), waiters)
        found.setdefault(advice.object, advice)
    return list(found.values())


def root(session: Session, by_pid: dict[int, Session]) -> int:
    """Return who holds up the whole queue that ``session`` stands in."""
    seen = {session.pid}
    while session.blocked_by:
        first = session.blocked_by[0]
        if first not in by_pid or first in seen:
            return first
        seen.add(first)
        session = by_pid[first]
    return session.pid


def _advice(holder: Session | None, waiters: list[Session]) -> DetectedIssue:
    name = f"{holder.user} {holder.application}".strip() if holder else "another session"
    longest = max(waiters, key=lambda s: s.query_s or 0.0)
    return DetectedIssue(
        advisor=ID,
        object=f"held up by {name}",
        severity="error",
        title=(
            f"{name} holds up "
            f"{count_text(len(waiters), 'session')}, for {time_text(longest.query_s or 0.0)}"
        ),
        evidence={
            "waiting": len(waiters),
            "longest wait": time_text(longest.query_s or 0.0),
            "waits for": longest.wanted or longest.waits_for,
            "waiting statement": " ".join(longest.text.split())[:_TEXT_CHARACTERS],
            "holder's state": holder.state if holder else "unknown",
            "holder's last statement": (
                " ".join(holder.text.split())[:_TEXT_CHARACTERS] if holder else "unknown"
            ),
        },
        why="Everyone who comes after stands in the same queue: one lock can stop a whole site.",
        remedy=(
            "Let it commit, or end it on the page of sessions. So that it does not happen again: "
            "lock_timeout in migrations, short transactions, rows locked in one order everywhere."
        ),
        statement=_WHO,
    )
