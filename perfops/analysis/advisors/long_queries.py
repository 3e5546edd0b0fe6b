"""Statements that have been running for long, at this moment."""

from perfops.analysis.advisors.detection import DetectedIssue
from perfops.analysis.collectors.difference import Window
from perfops.analysis.collectors.states import Session
from perfops.conf import Conf
from perfops.formatting import time_text

ID = "long_queries"
TITLE = "Long running queries"
NEEDS = ("pg_stat_activity",)

_TEXT_CHARACTERS = 300
# A process id of this moment may be another session's when the finding is read.
_WHO = (
    "SELECT pid, usename, application_name, client_addr, now() - query_start AS running "
    "FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() "
    "ORDER BY query_start;"
)


def run(window: Window, limits: Conf) -> list[DetectedIssue]:
    found: dict[str, DetectedIssue] = {}
    for session in sorted(window.after.sessions, key=lambda s: -(s.query_s or 0.0)):
        # Who waits for a lock is not slow itself.
        if (session.query_s or 0.0) >= limits.LONG_QUERY_S and not session.blocked_by:
            advice = _advice(session)
            found.setdefault(advice.object, advice)
    return list(found.values())


def _advice(session: Session) -> DetectedIssue:
    text = " ".join(session.text.split())[:_TEXT_CHARACTERS]
    lasts = time_text(session.query_s or 0.0)
    return DetectedIssue(
        advisor=ID,
        object=text or f"{session.user} {session.application}".strip(),
        severity="warning",
        title=f"{session.user} {session.application} has been running a statement for {lasts}",
        evidence={
            "running for": lasts,
            "client": session.client or "local",
            "waits for": session.waits_for or "nothing: it works",
            "statement": text,
        },
        why="It holds old rows from vacuum, and a connection; whoever waits for it has left.",
        remedy=(
            "If it still runs and nobody needs it, cancel it on the page of sessions. A "
            "statement_timeout for the role of the web site ends such statements by itself; long "
            "reports belong on a replica."
        ),
        statement=_WHO,
    )
