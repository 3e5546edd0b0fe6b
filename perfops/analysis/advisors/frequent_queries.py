"""Statements that are sent again and again: cheap each, but each is a round trip."""

from perfops.analysis.advisors.detection import (
    DetectedIssue,
    about_statement,
    utility_remedy,
)
from perfops.analysis.collectors.difference import Window
from perfops.analysis.collectors.records import Statement
from perfops.conf import Conf

ID = "frequent_queries"
TITLE = "Statements sent most often"
NEEDS = ("pg_stat_statements",)

# How PostgreSQL looks up what a foreign key points to (ri_triggers.c): no round trip, and
# nobody's loop. It is counted where pg_stat_statements.track is "all".
_KEY_CHECK = ("FROM ONLY ", "OPERATOR(pg_catalog.=)", "FOR KEY SHARE OF x")


def run(window: Window, limits: Conf) -> list[DetectedIssue]:
    calls = sum(statement.calls for statement in window.statements)
    least = max(
        limits.FREQUENT_MIN_CALLS,
        limits.FREQUENT_SHARE * calls,
        limits.FREQUENT_PER_S * window.seconds_of("pg_stat_statements"),
    )
    return [
        _advice(statement, calls, window.seconds_of("pg_stat_statements"))
        for statement in window.statements
        if statement.calls >= least and not all(part in statement.text for part in _KEY_CHECK)
    ]


def _advice(statement: Statement, calls: int, seconds: float) -> DetectedIssue:
    share = statement.calls / calls
    return about_statement(
        ID,
        statement,
        severity="info",
        what=f"is {share:.0%} of all statements",
        evidence={
            "calls": statement.calls,
            "calls per second": round(statement.calls / seconds, 1) if seconds else 0,
            "share of all calls": f"{share:.1%}",
            "mean ms": round(statement.mean_ms, 3),
            "rows per call": round(statement.rows / statement.calls, 1),
        },
        why=(
            "The database's time is the smaller part of a cheap statement: the way there and "
            "back, and Django's work on the answer, are paid for each."
        ),
        remedy=utility_remedy(statement.text)
        or (
            "If a loop sends it, fetch for all at once: select_related, prefetch_related, "
            "in_bulk. If every request asks for the same, cache it."
        ),
    )
