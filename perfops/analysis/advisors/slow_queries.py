"""Statements that are slow on average, or that take most of the database's time together."""

from perfops.analysis.advisors.detection import (
    DetectedIssue,
    SeverityName,
    about_statement,
    utility_remedy,
)
from perfops.analysis.advisors.rows_read import whole_count_remedy
from perfops.analysis.collectors.difference import Window
from perfops.analysis.collectors.records import Statement
from perfops.conf import Conf
from perfops.formatting import share_text

ID = "slow_queries"
TITLE = "Slow queries"
NEEDS = ("pg_stat_statements",)

# A statement that takes most of nothing is no problem: at least 5 % of one core.
_MIN_LOAD = 0.05


def run(window: Window, limits: Conf) -> list[DetectedIssue]:
    shares = window.shares()
    found = []
    for statement in window.statements:
        share = shares.get(statement.queryid, 0.0)
        severity = _severity(statement, share, window.seconds_of("pg_stat_statements"), limits)
        if severity is not None:
            found.append(_advice(statement, severity, share, whole_count_remedy(statement, window)))
    return found


def _severity(
    statement: Statement, share: float, seconds: float, limits: Conf
) -> SeverityName | None:
    if statement.calls < limits.SLOW_MIN_CALLS:
        return None
    if statement.mean_ms >= limits.SLOW_MEAN_ERROR_MS:
        return "error"
    if statement.mean_ms >= limits.SLOW_MEAN_MS:
        return "warning"
    busy = seconds > 0 and statement.total_ms / 1000 / seconds >= _MIN_LOAD
    if busy and share >= limits.SLOW_TOTAL_SHARE:
        return "info"
    return None


def _advice(
    statement: Statement, severity: SeverityName, share: float, remedy: str = ""
) -> DetectedIssue:
    what = f"takes {share_text(share)} of the database's time" if severity == "info" else "is slow"
    return about_statement(
        ID,
        statement,
        severity=severity,
        what=f"{what}: {statement.mean_ms:.1f} ms each",
        evidence={
            "calls": statement.calls,
            "mean ms": round(statement.mean_ms, 3),
            "total ms": round(statement.total_ms, 1),
            "share of all time": share_text(share),
            "rows per call": round(statement.rows / statement.calls, 1),
            "blocks per call": round(
                (statement.blocks_hit + statement.blocks_read) / statement.calls, 1
            ),
        },
        why="Requests that send it wait for it, and it takes the database's time from others.",
        remedy=remedy
        or utility_remedy(statement.text)
        or (
            "Look at its plan: EXPLAIN (ANALYZE, BUFFERS) with real values. "
            "Fix what reads more than it returns, or send it less often."
        ),
    )
