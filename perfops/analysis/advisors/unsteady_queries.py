"""Statements that are quick as a rule and slow now and then."""

from perfops.analysis.advisors.detection import (
    DetectedIssue,
    about_statement,
    utility_remedy,
)
from perfops.analysis.collectors.difference import Window
from perfops.analysis.collectors.records import Statement
from perfops.conf import Conf

ID = "unsteady_queries"
TITLE = "Statements whose time varies much"
NEEDS = ("pg_stat_statements",)


def run(window: Window, limits: Conf) -> list[DetectedIssue]:
    return [
        _advice(statement)
        for statement in window.statements
        if statement.calls >= limits.UNSTEADY_MIN_CALLS
        and statement.stddev_ms >= limits.UNSTEADY_MIN_MS
        and statement.stddev_ms >= limits.UNSTEADY_RATIO * statement.mean_ms
    ]


def _advice(statement: Statement) -> DetectedIssue:
    return about_statement(
        ID,
        statement,
        severity="warning",
        what=f"takes {statement.mean_ms:.1f} ms on average and up to {statement.max_ms:,.0f}",
        evidence={
            "calls": statement.calls,
            "mean ms": round(statement.mean_ms, 3),
            "standard deviation ms": round(statement.stddev_ms, 2),
            "deviation by mean": round(statement.stddev_ms / statement.mean_ms, 1),
            "fastest ever ms": round(statement.min_ms, 3),
            "slowest ever ms": round(statement.max_ms, 1),
        },
        why=(
            "The mean hides it; the slowest percent of requests shows it. Some values are much "
            "more common than others, or the statement waits for locks now and then."
        ),
        remedy=utility_remedy(statement.text)
        or (
            "EXPLAIN it with a common and with a rare value. A common one may want another "
            "statement (or a partial index without it); waiting shows as blocked sessions."
        ),
    )
