"""Sessions that keep a transaction open and do nothing in it."""

from perfops.analysis.advisors.detection import DetectedIssue
from perfops.analysis.collectors.difference import Window
from perfops.analysis.collectors.states import Prepared, Session
from perfops.conf import Conf
from perfops.formatting import literal, time_text

ID = "idle_in_transaction"
TITLE = "Idle in transaction"
NEEDS = ("pg_stat_activity", "pg_prepared_xacts")

_WHY = (
    "It keeps its locks, and vacuum from every row that has died since it began: on the whole "
    "database, not only on what it touched."
)
_TEXT_CHARACTERS = 200
# A process id of this moment may be another session's when the finding is read.
_WHO = (
    "SELECT pid, usename, application_name, client_addr, now() - state_change AS idle "
    "FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' ORDER BY state_change;"
)


def run(window: Window, limits: Conf) -> list[DetectedIssue]:
    sessions = [
        session
        for session in window.after.sessions
        if session.state.startswith("idle in transaction")
        and session.state_s is not None
        and session.state_s >= limits.IDLE_IN_TRANSACTION_S
    ]
    # One finding for each kind of holder: pids come and go.
    holders = {_holder(session): session for session in sorted(sessions, key=_idle_s)}
    found = [
        _session(holder, session, sum(_holder(s) == holder for s in sessions))
        for holder, session in holders.items()
    ]
    found += [_prepared(p) for p in window.after.prepared if p.age_s >= limits.PREPARED_S]
    return found


def _holder(session: Session) -> str:
    return f"{session.user} {session.application}".strip()


def _idle_s(session: Session) -> float:
    return session.state_s or 0.0


def _session(holder: str, session: Session, number: int) -> DetectedIssue:
    idle = time_text(_idle_s(session))
    return DetectedIssue(
        advisor=ID,
        object=holder,
        severity="warning",
        title=f"{holder} has held a transaction open for {idle}, doing nothing",
        evidence={
            "sessions": number,
            "longest idle": idle,
            "transaction open for": time_text(session.transaction_s or 0.0),
            "client": session.client or "local",
            "last statement": " ".join(session.text.split())[:_TEXT_CHARACTERS],
        },
        why=_WHY,
        remedy=(
            "Find what it does between its statements (a call over the network inside atomic(), "
            "a shell left open) and take that out. The page of sessions shows who holds one now "
            "and can end it. To limit all of them: idle_in_transaction_session_timeout = '5min' "
            "for the role."
        ),
        statement=_WHO,
    )


def _prepared(transaction: Prepared) -> DetectedIssue:
    name = transaction.name
    return DetectedIssue(
        advisor=ID,
        object=f"prepared transaction {name}",
        severity="warning",
        title=f"Prepared transaction {name} has been open for {time_text(transaction.age_s)}",
        evidence={"owner": transaction.owner, "open for": time_text(transaction.age_s)},
        why=f"{_WHY} It outlives its session, and a restart of the server.",
        remedy="Ask the transaction manager how it should have ended; then end it so.",
        statement=f"ROLLBACK PREPARED {literal(name)};",
    )
