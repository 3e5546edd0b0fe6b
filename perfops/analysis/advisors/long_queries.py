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
            "pid": session.pid,
            "client": session.client or "local",
            "waits for": session.waits_for or "nothing: it works",
            "statement": text,
        },
        why="It holds old rows from vacuum, and a connection; whoever waits for it has left.",
        remedy=(
            "Cancel it if nobody needs it. A statement_timeout for the role of the web site ends "
            "such statements by itself; long reports belong on a replica."
        ),
        statement=f"SELECT pg_cancel_backend({session.pid});",
    )
